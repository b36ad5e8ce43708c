"""One payload's times, drawn in characters: bars over each other, to the same scale, as the document declares them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts.errors import RuleError
from kling_contracts.jsonio.numbers import whole
from kling_contracts.rules.cel_compiler import Span, compile_span
from kling_contracts.rules.rule import Rule
from kling_contracts.unknown import UnknownFactError

WIDTH: Final = 48
"""Columns of the longest bar, where there is room for it."""
MAX_TIME_MS: Final = 10**9
"""Later than any video; a time beyond it, or before 0, is drawn nowhere."""
Schema = Mapping[str, Any]


class Bar(NamedTuple):
    """One labelled interval in ms."""

    label: str
    start_ms: int
    end_ms: int


class Interval(NamedTuple):
    """A declared bar: from one expression to another, or what two bars above it share."""

    label: str
    span: Span | None
    shared_by: tuple[str, ...] = ()


class Timeline(NamedTuple):
    """The bars that `x-timeline` declares on a payload, or on the items of one of its arrays."""

    array: str = ""
    """The array whose items are drawn; empty: the payload itself."""
    intervals: tuple[Interval, ...] = ()
    fields: tuple[str, ...] = ()
    """The fields of such a value from which they are drawn."""
    reads: frozenset[str] = frozenset()
    """The facts and the fields, as dotted paths from the payload, that the bars are drawn from; see `_path`."""

    @classmethod
    def compile(cls, payload_schema: Schema, facts_schema: Schema) -> "Timeline":
        """Compile the first `x-timeline` of a payload's schema; without one nothing is drawn.

        Raises `RuleError` where an expression is wrong.
        """
        for array, schema in _nodes(payload_schema):
            if "x-timeline" in schema:
                intervals = tuple(_interval(entry, schema, facts_schema) for entry in schema["x-timeline"])
                names = frozenset().union(*(one.span.reads for one in intervals if one.span))
                fields = tuple(name.removeprefix("self.") for name in names if name.startswith("self."))
                node = f"{array}[]" if array else ""
                return cls(array, intervals, fields, frozenset(_path(node, name) for name in names))
        return cls()

    def concerns(self, rule: Rule) -> bool:
        """Return whether a rule is about the times that are drawn: their fields, or facts of theirs in ms."""
        reads = rule.expression.reads if rule.expression else frozenset()
        return not self.reads.isdisjoint(_path(rule.node, name) for name in reads)

    def values(self, payload: Any) -> Sequence[Any]:
        """Return what is drawn of a payload: itself, or its items; nothing where nothing is declared."""
        if not self.intervals or not isinstance(payload, dict):
            return ()
        values = payload.get(self.array) if self.array else [payload]
        return values if isinstance(values, list | tuple) else ()

    def drawing(self, value: Any, facts: Any, width: int = WIDTH) -> str:
        """Return the drawing of one value, one line per bar; empty where no time can be drawn.

        The longest bar has `width` columns. Unknown times (no world, an unfetched URL)
        are left out.
        """
        bars = self.bars(value, facts)
        longest = max((bar.end_ms for bar in bars), default=0) or 1
        return "\n".join(_drawn(bar, longest, width) for bar in bars)

    def bars(self, value: Any, facts: Any) -> list[Bar]:
        """Return the bars of one value that can be drawn."""
        return list(self._bars(value, facts)) if isinstance(value, dict) else []

    def _bars(self, value: Mapping[str, Any], facts: Any) -> Iterator[Bar]:
        numbers = {name: number for name in self.fields if (number := whole(value.get(name))) is not None}
        known: dict[str, Bar] = {}
        for interval in self.intervals:
            bar = _bar(interval, numbers, facts, known)
            if bar:
                known[interval.label] = bar
                if 0 <= bar.start_ms <= bar.end_ms <= MAX_TIME_MS:
                    yield bar


def _nodes(payload_schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield "", payload_schema
    for name, schema in payload_schema.get("properties", {}).items():
        if "items" in schema:
            yield name, schema["items"]


def _interval(entry: Mapping[str, Any], schema: Schema, facts_schema: Schema) -> Interval:
    try:
        if "of" in entry:
            return Interval(entry["label"], None, tuple(entry["of"]))
        return Interval(entry["label"], compile_span(entry["start"], entry["end"], schema, facts_schema))
    except (LookupError, TypeError, ValueError) as error:
        raise RuleError(f"the bar {entry!r} of x-timeline: {error}") from None


def _path(node: str, name: str) -> str:
    """Return what a rule at a node reads: a field by its path from the payload, any time of a fact by the fact."""
    root, _, rest = name.partition(".")
    if root == "facts":
        return f"{name.rpartition('.')[0]} in ms" if name.endswith("_ms") else name
    return ".".join(filter(None, [node, rest]))


def _bar(interval: Interval, numbers: Mapping[str, int], facts: Any, known: Mapping[str, Bar]) -> Bar | None:
    if interval.span is None:
        return _shared(interval.label, [known.get(label) for label in interval.shared_by])
    try:
        start_ms, end_ms = interval.span.of(numbers, facts)
    except (KeyError, UnknownFactError):
        return None
    known_times = type(start_ms) is int and type(end_ms) is int
    return Bar(interval.label, start_ms, end_ms) if known_times else None


def _shared(label: str, bars: list[Bar | None]) -> Bar | None:
    found = [bar for bar in bars if bar]
    if len(found) < len(bars):
        return None
    start_ms = max([bar.start_ms for bar in found])
    return Bar(label, start_ms, max(start_ms, min([bar.end_ms for bar in found])))


def _drawn(bar: Bar, longest: int, width: int) -> str:
    first, last = (round(instant * (width - 1) / longest) for instant in (bar.start_ms, bar.end_ms))
    drawing = "├" + "─" * (last - first - 1) + "┤" if last > first else "│"
    length = bar.end_ms - bar.start_ms
    return f"{bar.label:>8}  {' ' * first}{drawing:<{width - first}}  {bar.start_ms} to {bar.end_ms}, {length} ms"
