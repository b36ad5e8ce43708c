"""The members of a fact: where each value comes from in an entry of the world, and how it is read.

`x-from` of a member says it: another name, an age, a count, a difference, the smaller of two.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.errors import DocumentError
from kling_contracts.facts.world import World
from kling_contracts.unknown import Unknown

NOT_MEASURED: Final = Unknown("the file was not measured")


class Attribute(NamedTuple):
    """The entry's own member of that name; one that is None was not measured."""

    name: str

    def code(self, entry: str) -> str:
        """Return what reads it from the variable `entry`, as Python; `sources` and `world` are given."""
        return f"(NOT_MEASURED if (value := {entry}.{self.name}) is None else value)"


class Age(NamedTuple):
    """The time in ms since a member of the entry, `created_ms`."""

    since: str

    def code(self, entry: str) -> str:
        """Return what reads it, as Python."""
        return f"(sources.advanced_ms if (value := {entry}.{self.since}) is None else sources.age_ms(value))"


class Count(NamedTuple):
    """How many entries a table of the entry has, `faces`; one that is None was not looked at."""

    table: str

    def code(self, entry: str) -> str:
        """Return what reads it, as Python."""
        return f"(NOT_MEASURED if (value := {entry}.{self.table}) is None else len(value))"


class Difference(NamedTuple):
    """A number of the entry less a number of the world, `audio_slack_ms`; without a world, less nothing."""

    minuend: str
    of_world: str

    def code(self, entry: str) -> str:
        """Return what reads it, as Python."""
        subtrahend = f"(0 if world is None else world.{self.of_world})"
        return f"(NOT_MEASURED if (value := {entry}.{self.minuend}) is None else value - {subtrahend})"


class Smaller(NamedTuple):
    """The smaller of two numbers of the entry."""

    first: str
    second: str

    def code(self, entry: str) -> str:
        """Return what reads it, as Python."""
        pair = f"({entry}.{self.first}, {entry}.{self.second})"
        return f"(NOT_MEASURED if None in (value := {pair}) else min(value))"


class Text(NamedTuple):
    """The entry itself, in a table of texts."""

    def code(self, entry: str) -> str:
        """Return what reads it, as Python."""
        return entry


class Constant(NamedTuple):
    """The same whatever the entry is: a member that one source of several does not have."""

    value: bool | int | str

    def code(self, entry: str) -> str:
        """Return what reads it, as Python."""
        return repr(self.value)


class Provided(NamedTuple):
    """Members that the provider itself finds out: whether a URL answers, whether a text is flagged."""

    name: str

    def code(self, entry: str) -> str:
        """Return what reads it, as Python; the provider calls what it found `found`."""
        return f"found.{self.name}"


Origin = Attribute | Age | Count | Difference | Smaller | Text | Constant | Provided


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
        return Attribute(source or name)
    if isinstance(source, Mapping) and len(source) == 1:
        ((kind, of),) = source.items()
        if kind in _ORIGINS:
            parts = [of] if isinstance(of, str) else of
            origin, wanted = _ORIGINS[kind]
            if isinstance(parts, list) and len(parts) == wanted and all(isinstance(part, str) for part in parts):
                return origin(*parts)
    raise DocumentError(f"x-from must be a name or one of {', '.join(_ORIGINS)} with what it takes, not {source!r}")


_ORIGINS: Final[Mapping[str, tuple[Callable[..., Origin], int]]] = {
    "age": (Age, 1),
    "count": (Count, 1),
    "difference": (Difference, 2),
    "smaller": (Smaller, 2),
}


def check(member: Member, record: type) -> None:
    """Refuse a member that no entry of the record can have.

    Raises `DocumentError` where the record lacks what the member is read from, or it has another type.
    """
    origin = member.origin
    if isinstance(origin, Text):
        _expect(member, "string" if record is str else "")
    elif isinstance(origin, Attribute):
        _expect(member, _type_in(record, origin.name))
    elif isinstance(origin, Age | Count | Difference | Smaller):
        _expect(member, "integer")
        for name in [origin.minuend] if isinstance(origin, Difference) else origin:
            _member_of(record, name)
        if isinstance(origin, Difference) and origin.of_world not in World.__dataclass_fields__:
            raise DocumentError(f"{member.name}: a world has no {origin.of_world!r}")
    elif isinstance(origin, Constant):
        _expect(member, _TYPES.get(type(origin.value), ""))


def is_never_none(origin: Origin, record: type | None) -> bool:
    """Return whether what a member is read from is known in every entry of the record."""
    if isinstance(origin, Attribute | Count | Smaller):
        return not any(type(None) in getattr(_member_of(record, name), "__args__", ()) for name in origin)
    if isinstance(origin, Difference):
        return is_never_none(Attribute(origin.minuend), record)
    return True


def renamed(origin: Origin, names: Mapping[str, str]) -> Origin:
    """Return an origin that reads members under the names that one source gives them."""
    if isinstance(origin, Attribute | Age | Count | Smaller):
        return type(origin)(*(names.get(name, name) for name in origin))
    if isinstance(origin, Difference):
        return origin._replace(minuend=names.get(origin.minuend, origin.minuend))
    return origin


def _expect(member: Member, kind: str) -> None:
    if member.type != kind:
        raise DocumentError(f"{member.name} is declared as {member.type} and is {kind or 'no scalar'}")


def _type_in(record: type, name: str) -> str:
    hint = _member_of(record, name)
    kinds = [kind for kind in getattr(hint, "__args__", (hint,)) if kind in _TYPES]
    return _TYPES[kinds[0]] if len(kinds) == 1 else ""


def _member_of(record: type | None, name: str) -> Any:
    members = getattr(record, "__annotations__", {})
    if name not in members:
        raise DocumentError(f"an entry has no {name!r}; it has: {', '.join(members) or 'no members'}")
    return members[name]


def record_type(name: str, members: Iterable[str]) -> Any:
    """Return the immutable record type of a fact with these members."""
    return namedtuple(name, members)
