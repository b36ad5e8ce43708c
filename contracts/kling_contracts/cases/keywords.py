"""Keywords on one value, read anew: which a value breaks, which bound a number.

An own reading beside the validator's, so that no label comes from the judge.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import ceil, floor
from typing import Any, Final

from kling_contracts.cases.linear import Form

Schema = Mapping[str, Any]


def types_of(schema: Schema) -> frozenset[str]:
    """Return the JSON types that a schema admits."""
    declared = schema.get("type")
    if declared is None:
        declared = "object" if "properties" in schema else [_KIND_OF[type(v)] for v in schema.get("enum", [""])]
    return frozenset([declared] if isinstance(declared, str) else declared)


def broken_keywords(schema: Schema, value: Any) -> list[str]:
    """Return the keywords on scalars that a value breaks."""
    kinds, kind = types_of(schema), _KIND_OF[type(value)]
    whole = kind == "number" and float(value).is_integer()
    fits = kind in kinds or (kind == "integer" and "number" in kinds) or (whole and "integer" in kinds)
    broken = [] if fits or "type" not in schema else ["type"]
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        broken.append("enum")
    if "const" in schema and not _same(value, schema["const"]):
        broken.append("const")
    if isinstance(value, str):
        broken += [
            keyword for keyword, bad in _TEXT_KEYWORDS.items() if keyword in schema and bad(value, schema[keyword])
        ]
    if kind in ("integer", "number"):
        broken += [
            keyword for keyword, bad in _NUMBER_KEYWORDS.items() if keyword in schema and bad(value, schema[keyword])
        ]
    if isinstance(value, list) and "minItems" in schema and len(value) < schema["minItems"]:
        broken.append("minItems")
    if isinstance(value, dict):
        broken += ["required"] * ("required" in schema and bool(schema["required"]))
    return broken


def _same(value: Any, other: Any) -> bool:
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def lattice(schema: Schema, whole: bool) -> tuple[int, int]:
    """Return scale and step: the numbers that can stand there are ``step * n / scale``."""
    if whole:
        return 1, int(schema.get("multipleOf", 1))
    digits = max(0, *(-int(Decimal(str(schema[k])).as_tuple().exponent) for k in _NUMBER_KEYWORDS if k in schema), 0)
    scale = int(10 ** max(digits, 2))
    return scale, int(Decimal(str(schema["multipleOf"])) * scale) if "multipleOf" in schema else 1


def bounds(schema: Schema, form: Form, scale: int) -> Iterator[tuple[str, Form]]:
    """Yield the keywords that bound a number, each with the expression that is 0 or more where it holds."""

    def scaled(keyword: str) -> Decimal:
        return Decimal(str(schema[keyword])) * scale

    if "minimum" in schema:
        yield "minimum", form.shifted(-ceil(scaled("minimum")))
    if "exclusiveMinimum" in schema:
        yield "exclusiveMinimum", form.shifted(-floor(scaled("exclusiveMinimum")) - 1)
    if "maximum" in schema:
        yield "maximum", form.times(-1).shifted(floor(scaled("maximum")))
    if "exclusiveMaximum" in schema:
        yield "exclusiveMaximum", form.times(-1).shifted(ceil(scaled("exclusiveMaximum")) - 1)


_KIND_OF: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_TEXT_KEYWORDS: Final[Mapping[str, Any]] = {
    "minLength": lambda value, limit: len(value) < limit,
    "maxLength": lambda value, limit: len(value) > limit,
}
_NUMBER_KEYWORDS: Final[Mapping[str, Any]] = {
    "minimum": lambda value, limit: value < limit,
    "maximum": lambda value, limit: value > limit,
    "exclusiveMinimum": lambda value, limit: value <= limit,
    "exclusiveMaximum": lambda value, limit: value >= limit,
    "multipleOf": lambda value, limit: Decimal(str(value)) % Decimal(str(limit)) != 0,
}
