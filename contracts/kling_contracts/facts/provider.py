"""The common part of all providers: the place of the field, and the tools to write the measuring code."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.errors import DocumentError
from kling_contracts.facts.members import Member, record_type
from kling_contracts.facts.world import World
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

    The code sets two variables, the entry that the fact is about and the fact. `world`, `sources` and the entries of
    the facts before are variables, too; any other object is bound to a name. Nothing of a document is written into
    the code but as a quoted text or as a name that the world's records have.
    """

    fact: str
    """Name of the fact."""
    members: tuple[Member, ...]
    fields: str
    """The variable that is the object with the provider's field."""
    entries: Mapping[str, str]
    """The variable of each fact's entry, by its name."""
    value: str
    """The variable of the fact itself."""
    bind: Callable[[object], str]
    """Returns a name for an object."""
    limit_on: Callable[[str], int | None]
    """Returns the most that a rule allows a fact, `facts.file.size_bytes`; None where no rule does."""

    @property
    def entry(self) -> str:
        """The variable of the entry that the fact is about."""
        return self.entries[self.fact]

    def both(self, unknown: object) -> str:
        """Return the statement that neither the entry nor the fact is known."""
        return f"{self.entry} = {self.value} = {self.bind(unknown)}"

    def record(self, members: tuple[Member, ...], entry: str) -> str:
        """Return what makes the fact's record from an entry."""
        record = self.bind(record_type(self.fact, [member.name for member in members]))
        return f"new({record}, ({''.join(f'{member.origin.code(entry)}, ' for member in members)}))"

    def known(self, members: tuple[Member, ...], entry: str) -> str:
        """Return the statement that makes the fact from an entry, or lets it be unknown like the entry."""
        return f"{self.value} = {entry} if isinstance({entry}, Unknown) else {self.record(members, entry)}"


def indented(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines of code one level deeper."""
    return (f"    {line}" for line in lines)


def is_optional(table: str) -> bool:
    """Return whether a world may leave a table out."""
    return World.__dataclass_fields__[table].default is None
