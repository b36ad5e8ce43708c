"""A JSON Schema written as one Python function that answers yes to plainly valid values, as most payloads are.

In every other case jsonschema-rs decides: the function knows the usual keywords and Python's own JSON types alone.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final

Schema = Mapping[str, Any]
PlainlyValid = Callable[[Any], bool]
"""Whether a value is valid without doubt; false leaves it open."""

MAX_PLAIN_ITEMS: Final = 100
MAX_DEPTH: Final = 12
"""Levels of a schema that are written; one that refers to itself has more."""
_MAX_INTEGER: Final = 2**63


def source_of(schema: Schema) -> str | None:
    """Return the source of the function `is_valid`; None where the schema says what it cannot.

    A schema that it can is a correct JSON Schema.
    """
    try:
        lines = list(_Writer(schema.get("$defs", {})).checks(schema, "value"))
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


class _UnsupportedError(Exception):
    """The schema says more than these functions can check."""


class _Writer:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._numbers = count()

    def checks(self, schema: Schema, value: str, depth: int = 0) -> Iterator[str]:
        said = {keyword for keyword in schema if keyword not in _ANNOTATIONS and not keyword.startswith("x-")}
        if depth > MAX_DEPTH or _has_odd_annotation(schema):
            raise _UnsupportedError
        if said == {"$ref"}:
            yield from self.checks(self._definition(schema["$ref"]), value, depth + 1)
            return
        kind = schema.get("type") or ("object" if said and said <= _KEYWORDS["object"] else None)
        if not isinstance(kind, str) or kind not in _KEYWORDS or not said <= _KEYWORDS[kind] | {"type"}:
            raise _UnsupportedError
        yield from _refusing(_IS[kind].format(value))
        if kind == "object":
            yield from self._object_checks(schema, value, depth + 1)
        elif kind == "array":
            yield from self._array_checks(schema, value, depth + 1)
        else:
            yield from _scalar_checks(schema, value, said)

    def _definition(self, reference: str) -> Schema:
        schema = self._definitions.get(reference.removeprefix("#/$defs/"))
        if schema is None:
            raise _UnsupportedError
        return schema

    def _object_checks(self, schema: Schema, value: str, depth: int) -> Iterator[str]:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        others = schema.get("additionalProperties", False)
        if not set(required) <= set(properties) or len(set(required)) < len(required):
            raise _UnsupportedError
        if not isinstance(others, bool):
            if properties:
                raise _UnsupportedError
            yield from self._map_checks(others, value, depth)
            return
        found = self._variable("found")
        yield f"{found} = 0"
        for name, declared in properties.items():
            member = self._variable("member")
            yield f"{member} = {value}.get({name!r}, MISSING)"
            if name in required:
                yield from _refusing(f"{member} is not MISSING")
            yield f"if {member} is not MISSING:"
            yield f"    {found} += 1"
            yield from _indented(self.checks(declared, member, depth))
        # A member that is not documented may be anything, and its key no text.
        yield from _refusing(f"{found} == len({value})")

    def _map_checks(self, others: Schema, value: str, depth: int) -> Iterator[str]:
        key, member = self._variable("key"), self._variable("member")
        yield f"for {key}, {member} in {value}.items():"
        yield from _indented(_refusing(_IS["string"].format(key)))
        yield from _indented(self.checks(others, member, depth))

    def _array_checks(self, schema: Schema, value: str, depth: int) -> Iterator[str]:
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", MAX_PLAIN_ITEMS), MAX_PLAIN_ITEMS)
        yield from _refusing(f"{_integer(least)} <= len({value}) <= {_integer(most)}")
        item = self._variable("item")
        yield f"for {item} in {value}:"
        yield from _indented(self.checks(schema.get("items", {}), item, depth))

    def _variable(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"


def _has_odd_annotation(schema: Schema) -> bool:
    return any(keyword in schema and not isinstance(schema[keyword], kind) for keyword, kind in _ANNOTATIONS.items())


def _scalar_checks(schema: Schema, value: str, said: set[str]) -> Iterator[str]:
    for keyword in sorted(said & set(_COMPARED)):
        yield from _refusing(_COMPARED[keyword].format(value, _number(schema[keyword])))
    for keyword in sorted(said & set(_MEASURED)):
        yield from _refusing(_MEASURED[keyword].format(value, _integer(schema[keyword])))
    if "enum" in said:
        choices = schema["enum"]
        if not isinstance(choices, list) or not choices or any(type(choice) is not str for choice in choices):
            raise _UnsupportedError
        yield from _refusing(f"{value} in {tuple(choices)!r}")


def _integer(limit: object) -> int:
    if type(limit) is not int or limit < 0:
        raise _UnsupportedError
    return limit


def _number(limit: object) -> int | float:
    if type(limit) is int or (type(limit) is float and limit - limit == 0):
        return limit
    raise _UnsupportedError


def _refusing(condition: str) -> Iterator[str]:
    yield f"if not ({condition}): return False"


def _indented(lines: Iterator[str] | list[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _sayable(text: str) -> bool:
    """Return whether UTF-8 can say a text: half of a surrogate pair is no JSON text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_NAMES: Final = {
    "type": type,
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "dict": dict,
    "list": list,
    "len": len,
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
_KEYWORDS: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
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
