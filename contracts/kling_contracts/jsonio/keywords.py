"""Schema keywords: jsonschema-rs judges what our own functions leave open; the messages are ours.

Its own texts quote the value, and a refused `sound_file` would put megabytes of audio into a log.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Final, NamedTuple

from kling_contracts.jsonio import plain_validity
from kling_contracts.jsonio.json_pointer import pointer

MAX_ITEMS: Final = 100
"""Items of an over-long array that are looked into; a body of millions of items must not take minutes."""
MAX_BROKEN: Final = 1000
MAX_MESSAGES: Final = 4096
"""Sentences that a checker keeps."""
MAX_MESSAGE_LENGTH: Final = 200
"""Characters of a pointer whose sentence is kept: a client's keys may be megabytes long."""

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]
"""Keys and indexes from the root of a value."""
Place = tuple[str, ...]
"""The place of a keyword in a schema, as the schema's own path; a `required` keyword ends in the missing name."""


class BrokenKeyword(NamedTuple):
    """One keyword broken by one value."""

    pointer: str
    """JSON Pointer of the field to blame; of a missing one, where it should stand."""
    path: Path
    """The same as keys and indexes."""
    place: Place
    message: str


class Checker:
    """A compiled JSON Schema 2020-12."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._told: dict[tuple[object, ...], BrokenKeyword] = {}
        self._source = plain_validity.source_of(schema)
        if self._source is None:
            # Now, since it refuses what is no schema.
            self._validator  # noqa: B018

    @cached_property
    def _validator(self) -> Any:
        import jsonschema_rs

        return jsonschema_rs.Draft202012Validator(dict(self._schema), validate_formats=False)

    @cached_property
    def is_plainly_valid(self) -> plain_validity.PlainlyValid:
        """The function that answers yes where a value breaks no keyword without doubt."""
        return plain_validity.compiled(self._source) if self._source else lambda value: False

    @cached_property
    def _plain_faults(self) -> plain_validity.PlainFaults:
        return (self._source and plain_validity.faults_of(self._schema)) or (lambda value: None)

    def broken(self, value: Any) -> list[BrokenKeyword]:
        """Return every keyword that `value` breaks. Raises `TypeError` where it is not a JSON value."""
        return [] if self.is_plainly_valid(value) else self.faults(value)

    def faults(self, value: Any) -> list[BrokenKeyword]:
        """Return the same for a value that is not plainly valid."""
        faults = self._plain_faults(value)
        if faults is not None and len(faults) <= MAX_BROKEN:
            return [self._fault(at.place, path, at.keyword, at.limit, found) for at, path, found in faults]
        try:
            if self._validator.is_valid(value):
                return []
            return self._found(_bounded(value, self._schema), self._validator.iter_errors) or self._found(
                value, self._first
            )
        except (ValueError, RecursionError) as error:
            raise TypeError(f"not a JSON value: {error}") from None

    def _found(self, value: Any, errors: Callable[[Any], Iterator[Any]]) -> list[BrokenKeyword]:
        numeric = _has_numeric_key(value)
        given = _marked(value) if numeric else value
        return self._faults(errors(given), given, numeric)

    def _first(self, value: Any) -> Iterator[Any]:
        import jsonschema_rs

        # The validator makes all its errors at once, which for a huge value takes minutes.
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            yield error

    def _faults(self, errors: Iterator[Any], value: Any, numeric: bool) -> list[BrokenKeyword]:
        return list(islice((fault for error in errors for fault in self._of(error, value, numeric)), MAX_BROKEN))

    def _of(self, error: Any, value: Any, numeric: bool) -> list[BrokenKeyword]:
        """`numeric`: the value's numeric keys are marked, and the error's path needs to be read with them."""
        place, path = tuple(map(str, error.schema_path)), tuple(error.instance_path)
        if error.instance is None:
            _refuse_infinite(value, path)
        if numeric:
            path = _path_to(value, path)
        keyword = place[-1]
        if keyword == "required":
            name = error.kind.property
            return [self._fault((*place, name), (*path, name), keyword)]
        if keyword == "additionalProperties" and error.kind.name == keyword:
            return [self._fault(place, (*path, _unmarked(name)), keyword) for name in error.kind.unexpected]
        return [self._fault(place, path, keyword, getattr(error.kind, "value", None), error.instance)]

    def _declared(self, place: Place) -> Iterable[str]:
        """Return the names that the part of the schema at a place declares; none where it cannot be followed."""
        part: Any = self._schema
        for step in place:
            part = part[int(step)] if isinstance(part, list) else part.get(step) if isinstance(part, dict) else None
        return part.get("properties", {}) if isinstance(part, dict) else ()

    def _fault(self, place: Place, path: Path, keyword: str, limit: Any = None, found: Any = None) -> BrokenKeyword:
        """Sentences are few and payloads many: each is written once."""
        kind = kind_of(found) if keyword == "type" else ""
        key = (place, path, kind)
        told = self._told.get(key)
        if told is None:
            said = message(keyword, limit, path, kind)
            if keyword == "additionalProperties" and path:
                said += nearest(str(path[-1]), self._declared(place[:-1]))
            told = BrokenKeyword(pointer(path), path, place, said)
            if len(self._told) < MAX_MESSAGES and len(told.pointer) < MAX_MESSAGE_LENGTH:
                self._told[key] = told
        return told


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the question after a name that there is not: `; did you mean …?`; empty where none is like it."""
    # Imported late: what is right needs no hint.
    from difflib import get_close_matches

    # A client's name may be megabytes long.
    near = get_close_matches(name, list(known), n=1) if len(name) <= MAX_MESSAGE_LENGTH else []
    return f"; did you mean {near[0]}?" if near else ""


_LOST: Final = r"\0*(?:\+[0-9]+|0[0-9]+)?|\0+[0-9]+"
"""Keys that the validator's paths lose: `00`, which becomes the number 0, and the empty one; and those, marked."""
_NUMERIC_START: Final = "\0+0123456789"
"""First characters of keys that a path shows as a number or loses."""


def _has_numeric_key(value: Any) -> bool:
    """Tell whether any key within a value may be taken for an index: few payloads have one, and marking costs."""
    if isinstance(value, dict):
        for key in value:
            # An empty key is in every text; what is no text, the validator refuses.
            if not isinstance(key, str) or key[:1] in _NUMERIC_START:
                return True
        members: Iterable[Any] = value.values()
    else:
        members = value if isinstance(value, list | tuple) else ()
    return any(_has_numeric_key(member) for member in members if isinstance(member, dict | list | tuple))


def _marked(value: Any) -> Any:
    """Return a value with a NUL before every key that a path would lose."""
    if isinstance(value, dict):
        return {f"\0{key}" if _is_lost(key) else key: _marked(member) for key, member in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list | tuple) else value


def _is_lost(key: object) -> bool:
    return isinstance(key, str) and re.fullmatch(_LOST, key) is not None


def _unmarked(token: str | int) -> str | int:
    if isinstance(token, str) and token.startswith("\0") and _is_lost(token):
        return token[1:]
    return token


def _path_to(value: Any, path: Path) -> Path:
    """Return a validator's path within a marked value with the keys as they are: texts in objects."""
    tokens: list[str | int] = []
    for token in path:
        key = str(token) if isinstance(value, dict) else token
        value = value[key]
        tokens.append(_unmarked(key))
    return tuple(tokens)


def readable(path: Path) -> str:
    """Return a path as people write it: `face_choose[0].sound_volume`."""
    text = "".join([f"[{token}]" if isinstance(token, int) else f".{token}" for token in path])
    return text.lstrip(".") or "the request body"


def message(keyword: str, limit: Any, path: Path, kind: str) -> str:
    """Return the sentence for a broken keyword; of the value it tells no more than its type, `kind`, if that."""
    template = _MESSAGES.get(keyword, "{name} does not satisfy {keyword}")
    if keyword == "type":
        return f"{readable(path)} must be {_article(limit)}{f', not {_article(kind)}' if kind else ''}"
    return template.format(name=readable(path), keyword=keyword, limit=limit, items="item" if limit == 1 else "items")


def kind_of(value: Any) -> str:
    """Return the JSON type of a decoded value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _KINDS.get(type(value), "object")


_KINDS: Final = {str: "string", int: "integer", list: "array", tuple: "array", type(None): "null"}
_MESSAGES: Final = {
    "required": "{name} is required",
    "minimum": "{name} must be at least {limit}",
    "maximum": "{name} must be at most {limit}",
    "exclusiveMinimum": "{name} must be more than {limit}",
    "exclusiveMaximum": "{name} must be less than {limit}",
    "minItems": "{name} must hold at least {limit} {items}",
    "maxItems": "{name} must hold at most {limit} {items}",
    "minLength": "{name} must have at least {limit} characters",
    "maxLength": "{name} must have at most {limit} characters",
    "enum": "{name} must be one of {limit}",
    "const": "{name} must be {limit}",
    "pattern": "{name} must match {limit}",
    "additionalProperties": "{name} is not known here",
    "uniqueItems": "{name} must not hold the same item twice",
}


def _article(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(_article(one) for one in kind)
    return kind if kind == "null" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _refuse_infinite(value: Any, path: Path) -> None:
    """The validator takes NaN and the infinities for null."""
    for token in path:
        value = value[str(token) if isinstance(value, dict) else token]
    if isinstance(value, float):
        raise TypeError(f"not a JSON value: {value}")


_ON_OTHER_MEMBERS: Final = frozenset(
    {
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
        *("allOf", "anyOf", "oneOf", "not", "if", "$ref"),
    }
)
"""Keywords that may judge members which `properties` does not declare."""


def _bounded(value: Any, schema: Schema) -> Any:
    """Cut arrays to their bound and `MAX_ITEMS` more, so that what was too long still is; drop what is not judged."""
    if isinstance(value, list | tuple) and "items" in schema:
        return [_bounded(item, schema["items"]) for item in value[: schema.get("maxItems", 0) + MAX_ITEMS]]
    if isinstance(value, dict) and len(value) > MAX_BROKEN and "additionalProperties" in schema:
        declared = schema.get("properties", {})
        others = set(islice((name for name in value if name not in declared), MAX_BROKEN))
        value = {name: member for name, member in value.items() if name in declared or name in others}
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    if schema.keys().isdisjoint(_ON_OTHER_MEMBERS):
        # The validator copies a whole object into each of its errors.
        value = {name: member for name, member in value.items() if name in schema["properties"]}
    arrays = [name for name, declared in schema["properties"].items() if "items" in declared and name in value]
    return (
        {**value, **{name: _bounded(value[name], schema["properties"][name]) for name in arrays}} if arrays else value
    )
