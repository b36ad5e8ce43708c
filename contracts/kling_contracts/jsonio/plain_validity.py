"""A JSON Schema written as one Python function that answers yes to plainly valid values, as most payloads are.

Where it does not, jsonschema-rs decides: the function knows the usual keywords and Python's own JSON types alone.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final

Schema = Mapping[str, Any]
PlainlyValid = Callable[[Any], bool]
"""Whether a value is valid without doubt; false leaves it open."""

MAX_PLAIN_ITEMS: Final = 100
_MAX_INTEGER: Final = 2**63


def source_of(schema: Schema) -> str | None:
    """Return the source of the function `is_valid`; None where the schema says what it cannot.

    A schema that it can is a correct JSON Schema.
    """
    try:
        lines = list(_checks(schema, "value", count()))
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


def _checks(schema: Schema, value: str, numbers: Iterator[int]) -> Iterator[str]:
    said = {keyword for keyword in schema if keyword not in _ANNOTATIONS and not keyword.startswith("x-")}
    if any(keyword in schema and not isinstance(schema[keyword], kind) for keyword, kind in _ANNOTATIONS.items()):
        raise _UnsupportedError
    kind = schema.get("type") or ("object" if said and said <= _KEYWORDS["object"] else None)
    if not isinstance(kind, str) or kind not in _KEYWORDS or not said <= _KEYWORDS[kind] | {"type"}:
        raise _UnsupportedError
    yield from _refusing(_IS[kind].format(value))
    if kind == "object":
        yield from _object_checks(schema, value, numbers)
    elif kind == "array":
        yield from _array_checks(schema, value, numbers)
    else:
        yield from _scalar_checks(schema, value, said)


def _object_checks(schema: Schema, value: str, numbers: Iterator[int]) -> Iterator[str]:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    if (
        not set(required) <= set(properties)
        or len(set(required)) < len(required)
        or not isinstance(schema.get("additionalProperties", False), bool)
    ):
        raise _UnsupportedError
    found = f"found{next(numbers)}"
    yield f"{found} = 0"
    for name, declared in properties.items():
        member = f"member{next(numbers)}"
        yield f"{member} = {value}.get({name!r}, MISSING)"
        if name in required:
            yield from _refusing(f"{member} is not MISSING")
        yield f"if {member} is not MISSING:"
        yield f"    {found} += 1"
        yield from _indented(_checks(declared, member, numbers))
    # A member that is not documented may be anything, and its key no text.
    yield from _refusing(f"{found} == len({value})")


def _array_checks(schema: Schema, value: str, numbers: Iterator[int]) -> Iterator[str]:
    least, most = schema.get("minItems", 0), min(schema.get("maxItems", MAX_PLAIN_ITEMS), MAX_PLAIN_ITEMS)
    yield from _refusing(f"{_integer(least)} <= len({value}) <= {_integer(most)}")
    item = f"item{next(numbers)}"
    yield f"for {item} in {value}:"
    yield from _indented(_checks(schema.get("items", {}), item, numbers))


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
