"""The records of a world as JSON: `world.schema.json` and their annotations say how each is read and written."""

from collections.abc import Callable, Mapping, Set
from functools import cache, partial
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, get_args, get_origin

if TYPE_CHECKING:
    from kling_contracts.jsonio.keywords import Checker

_SCHEMA_FILE: Final = Path(__file__).with_name("world.schema.json")
_Record = TypeVar("_Record")
_Convert = Callable[[Any], Any]


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
    readers, _, defaults = _FORMS[record]
    return record(**defaults | {name: readers[name](member) for name, member in value.items()})


def record_json(record: Any) -> dict[str, Any]:
    """Return the JSON form of a record, without members that are None and texts that are empty by default."""
    _, writers, defaults = _FORMS[type(record)]
    form = {}
    for name, write in writers.items():
        value = getattr(record, name)
        if value is not None and not (value == "" and defaults.get(name) == ""):
            form[name] = write(value)
    return form


class _Form(NamedTuple):
    """How a record is read and written, by the names of its members."""

    readers: Mapping[str, _Convert]
    writers: Mapping[str, _Convert]
    defaults: dict[str, Any]
    """The values of members that are left out."""

    @classmethod
    def of(cls, record: type) -> "_Form":
        """Read it from the schema and the record; what neither gives a default is None where it may be."""
        hints, described = record.__annotations__, _definitions()[record.__name__]["properties"]
        optional = {name: None for name, hint in hints.items() if type(None) in get_args(hint)}
        said = {name: member["default"] for name, member in described.items() if "default" in member}
        both = {name: _converters(hint) for name, hint in hints.items()}
        readers, writers = {name: both[name][0] for name in hints}, {name: both[name][1] for name in described}
        return cls(readers, writers, optional | getattr(record, "_field_defaults", {}) | said)


class _Forms(dict[Any, _Form]):
    """The forms of records, each found at its first use."""

    def __missing__(self, record: type) -> _Form:
        form = self[record] = _Form.of(record)
        return form


_FORMS: Final = _Forms()


def _converters(hint: Any) -> tuple[_Convert, _Convert]:
    """Return what reads and what writes a value of a type; a record that the schema does not define is an array."""
    of = get_args(hint)
    if get_origin(hint) is UnionType:
        return _converters(of[0])
    if get_origin(hint) is Mapping:
        read, write = _converters(of[1])
        return partial(_each, read), partial(_each, write)
    if not hasattr(hint, "_fields"):
        return _CONVERTERS.get(get_origin(hint) or hint, (_as_it_is, _as_it_is))
    if hint.__name__ in _definitions():
        return partial(built, hint), record_json
    return lambda numbers: hint(*map(int, numbers)), list


def _each(convert: _Convert, table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: convert(one) for key, one in table.items()}


def _as_it_is(value: Any) -> Any:
    return value


_CONVERTERS: Final[Mapping[Any, tuple[_Convert, _Convert]]] = {
    # A whole number may be written `5.0`.
    int: (int, _as_it_is),
    Set: (frozenset, sorted),
    tuple: (tuple, list),
}


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
