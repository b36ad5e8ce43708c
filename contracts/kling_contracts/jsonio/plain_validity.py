"""A JSON Schema written as Python: a function that answers yes to plainly valid values, and one that names faults.

Most payloads are plainly valid, and what is wrong with most others is plain, too. In every other case jsonschema-rs
decides: the functions know the usual keywords and Python's own JSON types alone.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final, NamedTuple

Schema = Mapping[str, Any]
PlainlyValid = Callable[[Any], bool]
"""Whether a value is valid without doubt; false leaves it open."""


class BrokenAt(NamedTuple):
    """A keyword that a value can break."""

    place: tuple[str, ...]
    """Its place in the schema; for `required` it ends in the name of the missing member."""
    keyword: str
    limit: Any
    """The value of the keyword."""


PlainFaults = Callable[[Any], list[tuple[BrokenAt, tuple[str | int, ...], Any]] | None]
"""Every keyword that a value breaks, the path to what breaks it, and that itself; None leaves it open."""

MAX_PLAIN_ITEMS: Final = 100
MAX_DEPTH: Final = 12
"""Levels of a schema that are written; one that refers to itself has more."""
_MAX_INTEGER: Final = 2**63


def source_of(schema: Schema) -> str | None:
    """Return the source of the function `is_valid`; None where the schema says what it cannot.

    A schema that it can is a correct JSON Schema.
    """
    try:
        lines = list(_Writer(schema.get("$defs", {})).checks(schema, "value", _Where()))
    except (_UnsupportedError, TypeError, AttributeError):
        # The latter two where it is no schema at all.
        return None
    return "\n".join(["def is_valid(value):", *_indented(lines), "    return True"])


def compiled(source: str) -> PlainlyValid:
    """Return the function of a source."""
    names: dict[str, Any] = {**_NAMES}
    exec(compile(source, "<schema>", "exec"), names)
    function: PlainlyValid = names["is_valid"]
    return function


def faults_of(schema: Schema) -> PlainFaults | None:
    """Return the function that names the faults; None where the schema says what it cannot, or refers to another."""
    writer = _FaultWriter({})
    try:
        lines = list(writer.checks(schema, "value", _Where()))
    except _UnsupportedError:
        return None
    source = "\n".join(["def faults_in(value):", "    faults = []", *_indented(lines), "    return faults"])
    exec(compile(source, "<schema>", "exec"), writer.names)
    function: PlainFaults = writer.names["faults_in"]
    return function


class _UnsupportedError(Exception):
    """The schema says more than these functions can check."""


class _Where(NamedTuple):
    """The place of a node in the schema, and the path to a value of it as the Python expressions of its steps."""

    place: tuple[str, ...] = ()
    path: tuple[str, ...] = ()

    def member(self, name: str) -> "_Where":
        return _Where((*self.place, "properties", name), (*self.path, repr(name)))

    def item(self, index: str) -> "_Where":
        return _Where((*self.place, "items"), (*self.path, index))


class _Writer:
    """Writes what returns false as soon as a value is not plainly valid."""

    unclear = "return False"
    """The statement where jsonschema-rs has to decide."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._numbers = count()

    def checks(self, schema: Schema, value: str, where: _Where, depth: int = 0) -> Iterator[str]:
        said = {keyword for keyword in schema if keyword not in _ANNOTATIONS and not keyword.startswith("x-")}
        if depth > MAX_DEPTH or _has_odd_annotation(schema):
            raise _UnsupportedError
        if said == {"$ref"}:
            yield from self.checks(self._definition(schema["$ref"]), value, where, depth + 1)
            return
        kind = schema.get("type") or ("object" if said and said <= _KEYWORDS["object"] else None)
        if not isinstance(kind, str) or kind not in _KEYWORDS or not said <= _KEYWORDS[kind] | {"type"}:
            raise _UnsupportedError
        inside = {"object": self._object_checks, "array": self._array_checks}.get(kind, self._scalar_checks)
        yield f"if {_IS[kind].format(value)}:"
        yield from _indented(inside(schema, value, where, depth + 1))
        yield "    pass"
        yield "else:"
        yield from _indented(self.wrong_type(schema, value, where))

    def wrong_type(self, schema: Schema, value: str, where: _Where) -> Iterator[str]:
        yield self.unclear

    def fault(self, keyword: str, limit: Any, value: str, where: _Where) -> str:
        """Return the statement where a keyword is broken."""
        return self.unclear

    def _definition(self, reference: str) -> Schema:
        schema = self._definitions.get(reference.removeprefix("#/$defs/"))
        if schema is None:
            raise _UnsupportedError
        return schema

    def _object_checks(self, schema: Schema, value: str, where: _Where, depth: int) -> Iterator[str]:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        others = schema.get("additionalProperties", False)
        if not set(required) <= set(properties) or len(set(required)) < len(required):
            raise _UnsupportedError
        if not isinstance(others, bool):
            if properties:
                raise _UnsupportedError
            yield from self._map_checks(others, value, where, depth)
            return
        found = self._variable("found")
        yield f"{found} = 0"
        for name, declared in properties.items():
            member = self._variable("member")
            yield f"{member} = {value}.get({name!r}, MISSING)"
            yield f"if {member} is not MISSING:"
            yield f"    {found} += 1"
            yield from _indented(self.checks(declared, member, where.member(name), depth))
            if name in required:
                yield f"else: {self.fault('required', name, 'None', where)}"
        # A member that is not documented may be anything, and its key no text.
        yield f"if {found} != len({value}): {self.unclear}"

    def _map_checks(self, others: Schema, value: str, where: _Where, depth: int) -> Iterator[str]:
        key, member = self._variable("key"), self._variable("member")
        yield f"for {key}, {member} in {value}.items():"
        yield f"    if not ({_IS['string'].format(key)}): {self.unclear}"
        inside = _Where((*where.place, "additionalProperties"), (*where.path, key))
        yield from _indented(self.checks(others, member, inside, depth))

    def _array_checks(self, schema: Schema, value: str, where: _Where, depth: int) -> Iterator[str]:
        yield f"if len({value}) > {MAX_PLAIN_ITEMS}: {self.unclear}"
        yield from self._each(schema, _COUNTED, _integer, value, where)
        index, item = self._variable("index"), self._variable("item")
        yield f"for {index}, {item} in enumerate({value}):"
        yield from _indented(self.checks(schema.get("items", {}), item, where.item(index), depth))

    def _scalar_checks(self, schema: Schema, value: str, where: _Where, depth: int) -> Iterator[str]:
        yield from self._each(schema, _COMPARED, _number, value, where)
        yield from self._each(schema, _MEASURED, _integer, value, where)
        if "enum" in schema:
            choices = schema["enum"]
            if not isinstance(choices, list) or not choices or any(type(choice) is not str for choice in choices):
                raise _UnsupportedError
            yield f"if {value} not in {tuple(choices)!r}: {self.fault('enum', choices, value, where)}"

    def _each(
        self, schema: Schema, conditions: Mapping[str, str], read: Callable[[object], Any], value: str, where: _Where
    ) -> Iterator[str]:
        for keyword in filter(schema.__contains__, conditions):
            limit = read(schema[keyword])
            yield f"if not {conditions[keyword].format(value, limit)}: {self.fault(keyword, limit, value, where)}"

    def _variable(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"


class _FaultWriter(_Writer):
    """Writes what appends each fault to a list; a reference is not followed, since its faults have another place."""

    unclear = "return None"

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        super().__init__(definitions)
        self.names: dict[str, Any] = {**_NAMES}

    def wrong_type(self, schema: Schema, value: str, where: _Where) -> Iterator[str]:
        if "type" not in schema:
            yield self.unclear
            return
        yield f"if not plain({value}): {self.unclear}"
        yield self.fault("type", schema["type"], value, where)
        if "enum" in schema:
            yield self.fault("enum", schema["enum"], value, where)

    def fault(self, keyword: str, limit: Any, value: str, where: _Where) -> str:
        """Return the statement where a keyword is broken."""
        ends = (keyword, limit) if keyword == "required" else (keyword,)
        name = self._variable("fault")
        self.names[name] = BrokenAt((*where.place, *ends), keyword, limit)
        steps = (*where.path, repr(limit)) if keyword == "required" else where.path
        return f"faults.append(({name}, ({''.join(f'{step}, ' for step in steps)}), {value}))"


def _has_odd_annotation(schema: Schema) -> bool:
    return any(keyword in schema and not isinstance(schema[keyword], kind) for keyword, kind in _ANNOTATIONS.items())


def _integer(limit: object) -> int:
    if type(limit) is not int or limit < 0:
        raise _UnsupportedError
    return limit


def _number(limit: object) -> int | float:
    if type(limit) is int or (type(limit) is float and limit - limit == 0):
        return limit
    raise _UnsupportedError


def _indented(lines: Iterator[str] | list[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _sayable(text: str) -> bool:
    """Return whether UTF-8 can say a text: half of a surrogate pair is no JSON text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: Any) -> bool:
    """Return whether a value is one of JSON's scalars without doubt, and of which type."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _sayable(value)
    return value is None or kind is bool or (kind is int and -_MAX_INTEGER < value < _MAX_INTEGER)


_NAMES: Final = {
    "type": type,
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "dict": dict,
    "list": list,
    "len": len,
    "enumerate": enumerate,
    "plain": _plain,
    "sayable": _sayable,
    "MISSING": object(),
    "__builtins__": {},
}
_IS: Final = {
    "object": "type({0}) is dict",
    "array": "type({0}) is list",
    "string": "type({0}) is str and ({0}.isascii() or sayable({0}))",
    "integer": f"type({{0}}) is int and -{_MAX_INTEGER} < {{0}} < {_MAX_INTEGER}",
    "number": f"(type({{0}}) is int or type({{0}}) is float) and -{_MAX_INTEGER} < {{0}} < {_MAX_INTEGER}",
    "boolean": "type({0}) is bool",
}
_COMPARED: Final = {
    "minimum": "{} >= {}",
    "maximum": "{} <= {}",
    "exclusiveMinimum": "{} > {}",
    "exclusiveMaximum": "{} < {}",
}
_MEASURED: Final = {"minLength": "len({}) >= {}", "maxLength": "len({}) <= {}"}
_COUNTED: Final = {"minItems": "len({}) >= {}", "maxItems": "len({}) <= {}"}
_KEYWORDS: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", *_COUNTED}),
    "string": frozenset({"enum", *_MEASURED}),
    "integer": frozenset(_COMPARED),
    "number": frozenset(_COMPARED),
    "boolean": frozenset(),
}
"""The keywords that are checked, by the type of the value."""
_ANNOTATIONS: Final[Mapping[str, type]] = {
    "$defs": dict,
    "description": str,
    "title": str,
    "default": object,
    "example": object,
    "examples": list,
    "deprecated": bool,
}
"""Keywords that judge nothing, and the type of what they say."""
