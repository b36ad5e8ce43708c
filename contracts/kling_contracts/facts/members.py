"""The members of a fact: where each value comes from in an entry of the world, and how it is read.

`x-from` of a member says it: another name, an age, a count, a difference, the smaller of two.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.errors import DocumentError
from kling_contracts.facts.world import World
from kling_contracts.unknown import Unknown

NOT_MEASURED: Final = Unknown("the file was not measured")


class Origin(NamedTuple):
    """The source of a member: its kind, and what it reads."""

    kind: str
    """One of `_CODE`."""
    names: tuple[str, ...] = ()
    """The members that it is read from: of the entry or, where it is `provided`, of what the provider found."""
    of_world: str = ""
    """The number of the world that a `difference` takes away."""
    value: bool | int | str = ""
    """The value of a `constant`."""

    def code(self, entry: str) -> str:
        """Return the Python expression that reads it from the variable `entry`."""
        read = [f"{entry}.{name}" for name in self.names]
        less = f"(0 if world is None else world.{self.of_world})"
        return _CODE[self.kind].format(*read, entry=entry, less=less, origin=self)


_CODE: Final[Mapping[str, str]] = {
    # The entry's own member of that name; one that is None was not measured.
    "member": "(NOT_MEASURED if (value := {0}) is None else value)",
    # The time in ms since a member of the entry.
    "age": "(sources.advanced_ms if (value := {0}) is None else sources.age_ms(value))",
    # How many entries a table of the entry has; one that is None was not looked at.
    "count": "(NOT_MEASURED if (value := {0}) is None else len(value))",
    # A number of the entry less a number of the world; without a world, less nothing.
    "difference": "(NOT_MEASURED if (value := {0}) is None else value - {less})",
    # The smaller of two numbers of the entry.
    "smaller": "(NOT_MEASURED if None in (value := ({0}, {1})) else min(value))",
    # The entry itself, in a table of texts.
    "text": "{entry}",
    # The same whatever the entry is: a member that one source of several does not have.
    "constant": "{origin.value!r}",
    # The provider finds it out: whether a URL answers, whether a text is flagged. It calls what it found `found`.
    "provided": "found.{origin.names[0]}",
}
"""By kind of origin, the expression that reads it; `sources` and `world` are given."""
_TAKEN: Final = {"age": 1, "count": 1, "difference": 2, "smaller": 2}
"""By kind of `x-from`, how many names it takes."""
TEXT: Final = Origin("text")


class Member(NamedTuple):
    """One member of a fact: its JSON type and where its value comes from."""

    name: str
    type: str
    origin: Origin


_TYPES: Final = {int: "integer", str: "string", bool: "boolean"}


def origin_of(name: str, source: Any) -> Origin:
    """Return what `x-from` says of the member `name`.

    Raises `DocumentError` where it says nothing known.
    """
    if source is None or isinstance(source, str):
        return Origin("member", (source or name,))
    if isinstance(source, Mapping) and len(source) == 1:
        ((kind, of),) = source.items()
        names: Any = [of] if isinstance(of, str) else of
        is_list = isinstance(names, list) and all(isinstance(one, str) for one in names)
        if is_list and len(names) == _TAKEN.get(kind):
            return Origin(kind, (names[0],), names[1]) if kind == "difference" else Origin(kind, tuple(names))
    raise DocumentError(f"x-from must be a name or one of {', '.join(_TAKEN)} with what it takes, not {source!r}")


def provided(name: str) -> Origin:
    """Return the origin of a member that the provider itself finds out."""
    return Origin("provided", (name,))


def check(member: Member, record: type | None) -> None:
    """Refuse a member that no entry of the record can have.

    Raises `DocumentError` where the record lacks what the member is read from, or it has another type.
    """
    kind = _type_of(member.origin, record)
    if kind not in (None, member.type):
        raise DocumentError(f"{member.name} is declared as {member.type} and is {kind or 'no scalar'}")
    of_world = member.origin.of_world
    if of_world and of_world not in World.__dataclass_fields__:
        raise DocumentError(f"{member.name}: a world has no {of_world!r}")


def _type_of(origin: Origin, record: type | None) -> str | None:
    """Return the JSON type of what is read, empty for none of a scalar; None: the provider knows."""
    if origin.kind == "provided":
        return None
    if origin.kind == "text":
        return "string" if record is str else ""
    if origin.kind == "constant":
        return _TYPES.get(type(origin.value), "")
    hints = [_hint(record, name) for name in origin.names]
    if origin.kind != "member":
        return "integer"
    kinds = [kind for kind in getattr(hints[0], "__args__", hints) if kind in _TYPES]
    return _TYPES[kinds[0]] if len(kinds) == 1 else ""


def is_never_none(origin: Origin, record: type | None) -> bool:
    """Return whether what a member is read from is known in every entry of the record."""
    if origin.kind in ("age", "provided"):
        return True
    return not any(type(None) in getattr(_hint(record, name), "__args__", ()) for name in origin.names)


def renamed(origin: Origin, names: Mapping[str, str]) -> Origin:
    """Return an origin that reads members under the names that one source gives them."""
    return origin._replace(names=tuple(names.get(name, name) for name in origin.names))


def _hint(record: type | None, name: str) -> Any:
    members = getattr(record, "__annotations__", {})
    if name not in members:
        raise DocumentError(f"an entry has no {name!r}; it has: {', '.join(members) or 'no members'}")
    return members[name]
