"""The records of a world as JSON: `world.schema.json` and their annotations say how each is read and written."""

from collections.abc import Callable, Mapping, Set
from functools import cache
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin

from kling_contracts.named_tuple import NamedTuple

if TYPE_CHECKING:
    from kling_contracts.jsonio.keywords import Checker

_SCHEMA_FILE: Final = Path(__file__).with_name("world.schema.json")
_Record = TypeVar("_Record")
_Read = Callable[[Any], Any]


def record_from_json(record: type[_Record], value: Any) -> _Record:
    """Build a record from its JSON form. Raises `ValueError` with one line per mistake."""
    check(record, value)
    return built(record, value)


def check(record: type, value: Any) -> None:
    """Raise `ValueError`, with one line per mistake, for what is no JSON form of a record."""
    broken = _checker(record.__name__).broken(value)
    if broken:
        raise ValueError("\n".join(f"{fault.pointer or '/'}: {fault.message}" for fault in broken))


def built(record: type[_Record], value: Mapping[str, Any]) -> _Record:
    """Build a record from a JSON form that was checked; what is left out there has its default."""
    readers, defaults, _ = _FORMS[record]
    return record(**defaults | {name: readers[name](member) for name, member in value.items()})


def record_json(record: Any) -> dict[str, Any]:
    """Return the JSON form of a record, without members that are None and texts that are empty by default."""
    _, _, members = _FORMS[type(record)]
    values = ((name, getattr(record, name), may_be_empty) for name, may_be_empty in members)
    return {name: _written(value) for name, value, kept in values if value is not None and (kept or value != "")}


def _written(value: Any) -> Any:
    if isinstance(value, int | str):
        return value
    if isinstance(value, dict):
        return {key: _written(one) for key, one in value.items()}
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, tuple):
        return record_json(value) if type(value).__name__ in _definitions() else list(value)
    return _written(dict(value)) if isinstance(value, Mapping) else value


class _Form(NamedTuple):
    """How a record is read and written."""

    readers: Mapping[str, _Read]
    defaults: dict[str, Any]
    """The values of members that are left out."""
    members: tuple[tuple[str, bool], ...]
    """The members that are written, and whether one is written that is an empty text."""

    @classmethod
    def of(cls, record: type) -> "_Form":
        """Read it from the schema and the record; what neither gives a default is None where it may be."""
        hints, described = record.__annotations__, _definitions()[record.__name__]["properties"]
        optional = {name: None for name, hint in hints.items() if type(None) in get_args(hint)}
        said = {name: member["default"] for name, member in described.items() if "default" in member}
        defaults = optional | getattr(record, "_field_defaults", {}) | said
        readers = {name: _reader(hint) for name, hint in hints.items()}
        return cls(readers, defaults, tuple((name, defaults.get(name) != "") for name in described))


class _Forms(dict[Any, _Form]):
    """The forms of records, each read at its first use."""

    def __missing__(self, record: type) -> _Form:
        form = self[record] = _Form.of(record)
        return form


_FORMS: Final = _Forms()


def _reader(hint: Any) -> _Read:
    """Return what reads a value of a type; a record that the schema does not define is an array of numbers."""
    of = get_args(hint)
    if get_origin(hint) is UnionType:
        return _reader(of[0])
    if get_origin(hint) is Mapping:
        entry = _reader(of[1])
        return lambda table: {key: entry(one) for key, one in table.items()}
    if hasattr(hint, "_fields"):
        if hint.__name__ in _definitions():
            return lambda value: built(hint, value)
        return lambda numbers: hint(*map(int, numbers))
    return _READERS.get(get_origin(hint) or hint, _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


_READERS: Final[Mapping[Any, _Read]] = {int: int, Set: frozenset, tuple: tuple}
"""The readers of other types: a whole number may be written `5.0`."""


@cache
def _definitions() -> dict[str, Any]:
    # At first use: a check without a world needs none of it.
    import json

    definitions: dict[str, Any] = json.loads(_SCHEMA_FILE.read_bytes())["$defs"]
    return definitions


@cache
def _checker(name: str) -> "Checker":
    from kling_contracts.jsonio.keywords import Checker

    return Checker({**_definitions()[name], "$defs": _definitions()})
