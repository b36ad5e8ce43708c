"""Fields: every node of a payload's schema with the finitely many things that may stand there.

A choice is sound or breaks keywords, which it names. A number is one choice however large: its value stays open, and
its keywords are bounds.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import ceil
from typing import Any, Final, NamedTuple

from kling_contracts.cases.keywords import Schema, bounds, broken_keywords, lattice, types_of
from kling_contracts.cases.linear import Form, Inequality, at_least_zero, variable
from kling_contracts.errors import RuleError
from kling_contracts.facts.ways import Amount, Bound, OwnText, Way
from kling_contracts.judging.reading import CUT_FRACTION

Path = tuple[str | int, ...]


class LeftOut:
    """Stands for a member that is not there."""

    def __repr__(self) -> str:
        """Return what it stands for."""
        return "left out"


LEFT_OUT: Final = LeftOut()


class OpenNumber(NamedTuple):
    """An open number: what stands in the payload is ``form / scale``."""

    form: Form
    scale: int = 1


class Items(NamedTuple):
    """An object (`size` -1) or an array of so many items, made of what its members are."""

    size: int = -1


class Choice(NamedTuple):
    """One thing that may stand in a field."""

    number: int
    """Tells the choices of one operation apart."""
    node: str
    says: str
    """Completes "the field …": is null, is left out."""
    value: Any
    """`LEFT_OUT`, a `OpenNumber`, an `OwnText`, `Items` or a JSON value."""
    breaks: frozenset[str] = frozenset()
    """Ids of the keywords that it breaks."""
    way: Way | None = None
    """The entry that the world holds for it; None for a value of a wrong type."""
    rows: tuple[Inequality, ...] = ()
    """Inequalities that its numbers satisfy, whatever the rules say."""

    @property
    def sound(self) -> bool:
        """Whether it breaks no keyword."""
        return not self.breaks


class KeywordLimit(NamedTuple):
    """A keyword that bounds a number: it holds exactly where `form` is 0 or more."""

    rule: str
    form: Form
    keyword: str


class Field(NamedTuple):
    """One node of the schema."""

    node: str
    path: Path
    schema: Schema
    required: bool
    sound: tuple[Choice, ...]
    faults: tuple[Choice, ...]
    limits: tuple[KeywordLimit, ...]

    @property
    def is_container(self) -> bool:
        """Whether it is an object or an array of them."""
        return any(isinstance(choice.value, Items) for choice in self.sound)


class Texts(NamedTuple):
    """Rules and facts as the reader of fields needs them."""

    literals: Mapping[str, tuple[str, ...]]
    """By node, the texts that rules compare it with."""
    ways: Mapping[str, Any]
    """By node, a function from literals to the ways in which facts can be made of the field."""
    plain: Any
    """A function from node and text to the way of a text that names nothing."""
    keyword: Any
    """A function from node, keyword and missing name to the id of the rule."""
    parameters: Mapping[str, str] | None = None
    """By name, where a parameter stands, path or query; None for a payload that is JSON."""
    drops_null: bool = False
    """Whether a member that is null counts as absent."""


class FieldReader:
    """Reads the fields of one operation's payload."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._count = 0
        self.fields: dict[str, Field] = {}

    def read(self, schema: Schema, node: str = "", path: Path = (), required: bool = True, name: str = "") -> None:
        """Add a node and everything below it. Raises `RuleError` for a keyword that cannot be solved."""
        for keyword in ("pattern", "uniqueItems"):
            if keyword in schema:
                raise RuleError(f"{self._id(node, keyword)}: no value can be made for the keyword {keyword}")
        sound, faults, limits = self._choices(schema, node)
        if not required:
            sound = [*sound, self._choice(node, "is left out", LEFT_OUT)]
        elif name:
            parent = node.rpartition(".")[0]
            breaks = frozenset([self._texts.keyword(parent, "required", name)])
            faults = [*faults, self._choice(node, "is missing", LEFT_OUT, breaks)]
        self.fields[node] = Field(node, path, schema, required, tuple(sound), tuple(faults), tuple(limits))
        for child, body in schema.get("properties", {}).items():
            in_path = self._in_path(child)
            is_required = in_path or child in schema.get("required", ())
            self.read(body, f"{node}.{child}".lstrip("."), (*path, child), is_required, "" if in_path else child)
        if "items" in schema:
            self.read(schema["items"], f"{node}[]", (*path, 0))

    def _in_path(self, name: str) -> bool:
        return (self._texts.parameters or {}).get(name) == "path"

    def huge(self, node: str, ways: Iterable[Way]) -> tuple[Choice, ...]:
        """Return choices beside those of a field."""
        return tuple(self._choice(node, way.says, way.text, frozenset(), way, _rows_of(way)) for way in ways)

    def _id(self, node: str, keyword: str) -> str:
        found = self._texts.keyword(node, keyword, None)
        return str(found)

    def _choice(
        self,
        node: str,
        says: str,
        value: Any,
        breaks: frozenset[str] = frozenset(),
        way: Way | None = None,
        rows: Iterable[Inequality] = (),
    ) -> Choice:
        self._count += 1
        return Choice(self._count, node, says, value, breaks, way, tuple(rows))

    def _choices(self, schema: Schema, node: str) -> tuple[list[Choice], list[Choice], list[KeywordLimit]]:
        kinds = types_of(schema)
        limits: list[KeywordLimit] = []
        if "object" in kinds or "array" in kinds:
            found = list(self._containers(schema, node, kinds))
        elif "boolean" in kinds:
            found = [self._literal(schema, node, value) for value in (False, True)]
        elif "enum" in schema or "const" in schema:
            values = schema.get("enum") or [schema["const"]]
            found = [one for value in values for one in self._listed(schema, node, value)]
            found += self._strange_values(schema, node, values)
        elif kinds & {"integer", "number"}:
            found, limits = self._numbers(schema, node, kinds)
        else:
            found = list(self._strings(schema, node))
            limits = self._lengths(schema, node)
        wrong = list(self._wrong(schema, node, kinds))
        every = [*found, *wrong]
        return [one for one in every if one.sound], [one for one in every if not one.sound], limits

    def _wrong(self, schema: Schema, node: str, kinds: frozenset[str]) -> Iterator[Choice]:
        """Yield values of other types; a parameter is always a text, and no number may be in it."""
        if self._texts.parameters is not None:
            values = WRONG_PARAMETERS if node and "string" not in kinds else ()
        else:
            values = WRONG_TYPES
        for kind, value, says in values:
            if kind not in kinds and not self._is_changed(schema, node, kind):
                choice = self._literal(schema, node, value, says)
                if not choice.sound or kind == "null":
                    yield choice

    def _is_changed(self, schema: Schema, node: str, kind: str) -> bool:
        """Return whether another value is judged in place of one of this type: null as absent, a fraction cut."""
        is_member = bool(node) and not node.endswith("[]")
        return (kind == "null" and self._texts.drops_null and is_member) or (
            kind == "number" and CUT_FRACTION in schema
        )

    # Objects and arrays.

    def _containers(self, schema: Schema, node: str, kinds: frozenset[str]) -> Iterator[Choice]:
        if "object" in kinds:
            yield self._choice(node, "is an object", Items())
            if schema.get("additionalProperties") is False:
                breaks = frozenset([self._id(node, "additionalProperties")])
                yield self._choice(node, "has an unknown member", Items(-2), breaks)
            return
        low, high = schema.get("minItems", 0), schema.get("maxItems")
        usual = max(low, 1)
        yield self._choice(node, f"has {_items(usual)}", Items(usual))
        if high is None or high > usual:
            yield self._choice(node, f"has {_items(usual + 1)}", Items(usual + 1))
        few = [("minItems", size) for size in dict.fromkeys((low - 1, 0)) if 0 <= size < low]
        many = [] if high is None else [("maxItems", high + 1), ("maxItems", high + 2)]
        for keyword, size in (*few, *many):
            breaks = frozenset([self._id(node, keyword)])
            yield self._choice(node, f"has {_items(size)}", Items(size), breaks)

    # Numbers.

    def _numbers(self, schema: Schema, node: str, kinds: frozenset[str]) -> tuple[list[Choice], list[KeywordLimit]]:
        scale, step = lattice(schema, "integer" in kinds and "number" not in kinds)
        form = variable(node).times(step)
        limits = [KeywordLimit(self._id(node, keyword), one, keyword) for keyword, one in bounds(schema, form, scale)]
        found = [self._choice(node, "is a number", OpenNumber(form, scale))]
        if step > 1:
            breaks = frozenset([self._id(node, "multipleOf")])
            off = OpenNumber(form.shifted(1), scale)
            rows = [at_least_zero(limit.form.shifted(1 if limit.form.terms[0][1] > 0 else -1)) for limit in limits]
            found.append(self._choice(node, "lies between two steps", off, breaks, None, rows))
        return found, limits

    # Texts.

    def _strings(self, schema: Schema, node: str) -> Iterator[Choice]:
        empty = () if self._in_path(node) else ("",)
        texts = tuple(dict.fromkeys((*self._texts.literals.get(node, ()), *empty)))
        has_length = _has_length(schema)
        if node not in self._texts.ways:
            yield self._choice(node, "is a text", OwnText(node), rows=_own_length(node, has_length))
            for text in texts:
                yield self._text(schema, node, text)
            return
        for way in self._texts.ways[node](texts):
            if isinstance(way.text, str):
                yield self._text(schema, node, way.text, way)
            elif not has_length or way.text.kind in ("id", "flagged", "url"):
                rows = (*_rows_of(way), *_own_length(node, has_length, way.text.kind))
                yield self._choice(node, way.says, way.text, frozenset(), way, rows)

    def _listed(self, schema: Schema, node: str, value: Any) -> Iterator[Choice]:
        """Yield the choices for one value of an `enum`."""
        if not isinstance(value, str):
            yield self._literal(schema, node, value)
        elif node not in self._texts.ways:
            yield self._text(schema, node, value)
        else:
            ways = (way for way in self._texts.ways[node]([value]) if way.text == value)
            yield from (self._text(schema, node, value, way) for way in ways)

    def _lengths(self, schema: Schema, node: str) -> list[KeywordLimit]:
        form = variable(f"{node}.length")
        found = []
        if "minLength" in schema:
            found.append(KeywordLimit(self._id(node, "minLength"), form.shifted(-schema["minLength"]), "minLength"))
        if "maxLength" in schema:
            found.append(
                KeywordLimit(self._id(node, "maxLength"), form.times(-1).shifted(schema["maxLength"]), "maxLength")
            )
        return found

    def _text(self, schema: Schema, node: str, text: str, way: Way | None = None) -> Choice:
        broken = frozenset(self._id(node, keyword) for keyword in broken_keywords(schema, text))
        says = f"is {text!r}" + (f", which {way.says}" if way and not way.says.startswith("is ''") else "")
        return self._choice(
            node, says, text, broken, way or self._texts.plain(node, text), _rows_of(way) if way else ()
        )

    def _literal(self, schema: Schema, node: str, value: Any, says: str = "") -> Choice:
        if value == FRACTION and type(value) is float:
            value += ceil(schema.get("minimum", schema.get("exclusiveMinimum", 0)))
        broken = frozenset(self._id(node, keyword) for keyword in broken_keywords(schema, value))
        way = self._texts.plain(node, value) if isinstance(value, str) else None
        return self._choice(node, says or f"is {value!r}", value, broken, way)

    def _strange_values(self, schema: Schema, node: str, values: Iterable[Any]) -> Iterator[Choice]:
        kinds = types_of(schema)
        for value in ("", "no such value") if "string" in kinds else ():
            if value not in values:
                yield self._text(schema, node, value)
        numbers = [value for value in values if type(value) is int]
        for number in (min(numbers) - 1, max(numbers) + 1) if numbers else ():
            yield self._literal(schema, node, number)


def _rows_of(way: Way) -> tuple[Inequality, ...]:
    return tuple(row for bound in way.bounds for row in rows_of(bound))


def rows_of(bound: Bound) -> tuple[Inequality, ...]:
    """Return the rows of a bound."""
    form = variable(bound.name)
    if bound.minus:
        form = form.plus(variable(bound.minus), -1)
    low = at_least_zero(form.shifted(-bound.low))
    return (low,) if bound.high is None else (low, at_least_zero(form.times(-1).shifted(bound.high)))


def form_of(amount: Amount) -> Form:
    """Return an amount as a linear expression."""
    form = variable(amount.name)
    return form.plus(variable(amount.minus), -1) if amount.minus else form


def _items(count: int) -> str:
    return f"{count} item{'' if count == 1 else 's'}"


def _has_length(schema: Schema) -> bool:
    return "minLength" in schema or "maxLength" in schema


def _own_length(node: str, has_length: bool, kind: str = "id") -> tuple[Inequality, ...]:
    if not has_length:
        return ()
    form = variable(f"{node}.length")
    return at_least_zero(form.shifted(-SHORTEST[kind])), at_least_zero(form.times(-1).shifted(MAX_LENGTH))


SHORTEST: Final[Mapping[str, int]] = {"id": 1, "flagged": 7, "url": 40}
"""Characters that a text of one's own takes at least."""
MAX_LENGTH: Final = 20_000


FRACTION: Final = 0.5
WRONG_TYPES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("null", None, "is null"),
    ("boolean", True, "is true"),
    ("boolean", False, "is false"),
    ("integer", 1, "is a whole number"),
    ("integer", 0, "is the number 0"),
    ("number", FRACTION, "is a fraction"),
    ("string", "1", "is a number in quotes"),
    ("string", "", "is an empty string"),
    ("array", [], "is an empty array"),
    ("object", {}, "is an empty object"),
)
"""JSON type, value, and what it is called."""
WRONG_PARAMETERS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("string", "one", "is a word"),
    ("string", "", "is empty"),
    ("string", "1.5", "is a fraction"),
)
