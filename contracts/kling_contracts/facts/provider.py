"""The common part of all providers: the place of the field, and the tools to write the measuring code."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.errors import DocumentError
from kling_contracts.facts.members import Member
from kling_contracts.unknown import Absent, NotGiven, Unknown, Unusable

Entry = Any
"""A record of the world, a text, or an `Unknown`."""

NO_SUCH_ID: Final = Absent("the world does not know the id")
UNKNOWN: Final = Unknown("it is not known")
"""The value of a made fact that a rule reads and does not find."""


class FieldPath(NamedTuple):
    """A field of the payload, or of the items of one of its arrays."""

    array: str
    """Name of the array; empty for a field of the payload itself."""
    name: str

    @classmethod
    def parse(cls, text: Any, payload_schema: Mapping[str, Any]) -> "FieldPath":
        """Read `face_choose[].face_id`.

        Raises `DocumentError` where the payload has no such field.
        """
        array, _, name = text.rpartition("[].") if isinstance(text, str) else ("", "", "")
        holder: Any = payload_schema
        if array:
            holder = holder.get("properties", {}).get(array, {}).get("items", {})
        if name not in holder.get("properties", {}):
            raise DocumentError(f"the payload has no field {text!r}")
        return cls(array, name)

    def __str__(self) -> str:
        """Return the path as documents write it."""
        return f"{self.array}[].{self.name}" if self.array else self.name

    @property
    def not_given(self) -> NotGiven:
        """Say that nothing stands in the field."""
        return NotGiven(f"there is no {self.name}")

    @property
    def unusable(self) -> Unusable:
        """Say that what stands in the field names nothing."""
        return Unusable(f"{self.name} is missing or broken")


class Draft(NamedTuple):
    """The tools with which a provider writes the code that measures one fact.

    The code sets variables: the entry that the fact is about, whether the fact is unknown, and its members where it is
    not. `world`, `sources` and the entries of the facts before are variables, too; any other object is bound to a
    name. Nothing of a document is written into the code but as a quoted text or as a name that the world's records
    have.
    """

    fact: str
    """Name of the fact."""
    members: tuple[Member, ...]
    fields: str
    """The variable that is the object with the provider's field."""
    bind: Callable[[object], str]
    """Returns a name for an object."""
    limit_on: Callable[[str], int | None]
    """Returns the most that a rule allows a fact, `facts.file.size_bytes`; None where no rule does."""

    @property
    def entry(self) -> str:
        """The variable of the entry that the fact is about."""
        return entry_variable(self.fact)

    @property
    def unknown(self) -> str:
        """The variable that says whether the fact is unknown; it is then what the entry is."""
        return unknown_variable(self.fact)

    def hanging(self, fact: str) -> str:
        """Return the entry that another fact is about; where that is absent, it is not known."""
        outer, unknown = entry_variable(fact), self.bind(Unknown(f"the {fact} is not known"))
        return f"{unknown} if type({outer}) is Absent else {outer}"

    def read(self, members: tuple[Member, ...]) -> str:
        """Return the line that reads members from a known entry."""
        read = (f"{member_variable(self.fact, one.name)} = {one.origin.code(self.entry)}" for one in members)
        return "; ".join(read) or "pass"

    def read_if_known(self) -> Iterator[str]:
        """Yield what makes the fact from its entry, or lets it be unknown like the entry."""
        yield f"{self.unknown} = isinstance({self.entry}, Unknown)"
        yield f"if not {self.unknown}: {self.read(self.members)}"


def entry_variable(fact: str) -> str:
    """Return the variable of the entry that a fact is about."""
    return f"entry_{fact}"


def unknown_variable(fact: str) -> str:
    """Return the variable that says whether a fact is unknown."""
    return f"unknown_{fact}"


def member_variable(fact: str, member: str) -> str:
    """Return the variable of a member of a fact: the dot belongs to no name of a document."""
    return f"{fact}·{member}"


def indented(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines of code one level deeper."""
    return (f"    {line}" for line in lines)
