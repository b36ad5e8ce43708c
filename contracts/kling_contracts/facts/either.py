"""`either`: the one of several facts whose field is given."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kling_contracts.facts.members import Constant, Member, renamed
from kling_contracts.facts.provider import UNKNOWN, Draft, FieldPath, indented
from kling_contracts.unknown import Unknown

if TYPE_CHECKING:
    from kling_contracts.facts.ways import Entry, MadeFacts, Way


class Source(NamedTuple):
    """One of the facts, and how its entry differs from those of the others."""

    fact: str
    constants: Mapping[str, Any]
    """Values of members that this source's entry does not have."""
    names: Mapping[str, str]
    """The names that this source's entry has for members."""

    def members(self, declared: tuple[Member, ...]) -> tuple[Member, ...]:
        """Return the members of the fact as they are read from this source."""
        return tuple(
            member._replace(origin=Constant(self.constants[member.name]))
            if member.name in self.constants
            else member._replace(origin=renamed(member.origin, self.names))
            for member in declared
        )


class Either(NamedTuple):
    """The entry of the one source given; unknown where none is given, several are, or one is of a wrong type."""

    sources: tuple[Source, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """The facts that it builds on."""
        return tuple(source.fact for source in self.sources)

    @property
    def field(self) -> FieldPath | None:
        """None: its sources read the fields."""
        return None

    def code(self, draft: Draft) -> Iterator[str]:
        """Yield what chooses the source and makes the fact."""
        both = "both" if len(self.sources) == 2 else "several"
        several = draft.bind(Unknown(f"with {both} sources given there is no one {draft.fact}"))
        yield f"{draft.entry}, chosen = {draft.bind(Unknown(f'there is no {draft.fact}'))}, 0"
        for number, source in enumerate(self.sources, 1):
            entry = draft.entries[source.fact]
            yield f"if type({entry}) is not NotGiven:"
            yield f"    {draft.entry}, chosen = ({several}, -1) if chosen else ({entry}, {number})"
        for entry in [draft.entries[source.fact] for source in self.sources]:
            yield f"if type({entry}) is Unusable:"
            yield f"    {draft.entry} = {entry}"
        yield f"{draft.unknown} = isinstance({draft.entry}, Unknown)"
        yield f"if {draft.unknown}: pass"
        for number, source in enumerate(self.sources, 1):
            yield f"elif chosen == {number}:"
            yield from indented(draft.read(source.members(draft.members)))

    def found(
        self, made: "MadeFacts", members: tuple[Member, ...], ways: "Mapping[str, Way | None]"
    ) -> "tuple[Entry | Unknown, tuple[Member, ...]]":
        """Return the made entry of the one source given, and the members as they are read from it."""
        sources = [(source, made.field_of(source.fact)) for source in self.sources]
        if any(field in ways and ways[field] is None for _, field in sources):
            return UNKNOWN, members
        given = [source for source, field in sources if (way := ways.get(field)) and way.text != ""]
        if len(given) != 1:
            return UNKNOWN, members
        return made.entry(given[0].fact, ways), given[0].members(members)
