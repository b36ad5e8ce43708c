"""`either`: the one of several facts whose field is given."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kling_contracts.facts.members import Member, Origin, renamed
from kling_contracts.facts.provider import Draft, entry_variable
from kling_contracts.unknown import Unknown


class Source(NamedTuple):
    """One of the facts, and how its entry differs from those of the others."""

    fact: str
    constants: Mapping[str, Any]
    """Values of members that this source's entry does not have."""
    names: Mapping[str, str]
    """The names that this source's entry has for members."""

    def members(self, declared: tuple[Member, ...]) -> tuple[Member, ...]:
        """Return the members of the fact as they are read from this source."""
        return tuple(member._replace(origin=self.origin(member)) for member in declared)

    def origin(self, member: Member) -> Origin:
        """Return the origin of a member that is read from this source."""
        if member.name in self.constants:
            return Origin("constant", value=self.constants[member.name])
        return renamed(member.origin, self.names)


class Either(NamedTuple):
    """The entry of the one source given; unknown where none is given, several are, or one is of a wrong type."""

    sources: tuple[Source, ...]

    def code(self, draft: Draft) -> Iterator[str]:
        """Yield what chooses the source and makes the fact."""
        both, own = "both" if len(self.sources) == 2 else "several", draft.entry
        several = draft.bind(Unknown(f"with {both} sources given there is no one {draft.fact}"))
        entries = [entry_variable(source.fact) for source in self.sources]
        yield f"{own}, chosen = {draft.bind(Unknown(f'there is no {draft.fact}'))}, 0"
        for number, entry in enumerate(entries, 1):
            yield f"if type({entry}) is not NotGiven:"
            yield f"    {own}, chosen = ({several}, -1) if chosen else ({entry}, {number})"
        for entry in entries:
            yield f"if type({entry}) is Unusable: {own} = {entry}"
        yield f"{draft.unknown} = isinstance({own}, Unknown)"
        yield f"if {draft.unknown}: pass"
        for number, source in enumerate(self.sources, 1):
            yield f"elif chosen == {number}: {draft.read(source.members(draft.members))}"
