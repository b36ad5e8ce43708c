"""The rules of one object and of its scalar fields as one function, which names those that do not hold."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, Final, NamedTuple

from kling_contracts.rules.cel_code import AskedFact, Settling, asked_facts, facts_kept
from kling_contracts.rules.cel_compiler import Expression
from kling_contracts.rules.rule import Rule
from kling_contracts.unknown import Absent, Unknown, UnknownFactError, present

BROKEN: Final = "broken"
UNKNOWN: Final = "unknown"
MISSING: Final = "missing"
"""The required field that a rule sits on is not there."""
NOTHING: Final[frozenset[str]] = frozenset()


class Seat(NamedTuple):
    """Rules that sit on the object itself, or on one of its scalar fields."""

    rules: tuple[Rule, ...]
    field: str = ""
    """Name of the field; empty: the object itself."""
    place: int = 0
    """0 for the object, else the place of the field among the properties, from 1."""
    required: bool = False


class FailingRule(NamedTuple):
    """A rule that does not hold for an object."""

    outcome: str
    """`BROKEN`, `UNKNOWN` or `MISSING`."""
    rule: Rule
    expression: Expression
    """That of the rule."""
    seat: Seat
    asked: tuple[AskedFact, ...]
    """The facts that the rule reads."""
    by_facts: bool
    """Whether nothing but a fact as a whole can be unknown to it."""


class ObjectRules:
    """The rules of one object, or of one value that is none; compiled at first use, and shared by threads."""

    def __init__(self, seats: tuple[Seat, ...]) -> None:
        self.seats = tuple(seat for seat in seats if seat.rules)

    def failing(self, value: Any, facts: Any, refused: frozenset[str] = NOTHING) -> list[FailingRule]:
        """Return what does not hold, in document order.

        `refused`: the fields that broke a keyword, as JSON Pointers from the value; what they hold is unknown.
        """
        if refused:
            return self._thorough(value, facts, refused)
        try:
            return self._quick(value, facts, refused)
        except UnknownFactError:
            # A fact is known and a member of it is not: a file that nobody fetched.
            return self._thorough(value, facts, refused)

    @cached_property
    def _quick(self) -> "_Function":
        return _compiled(self.seats, thorough=False)

    @cached_property
    def _thorough(self) -> "_Function":
        return _compiled(self.seats, thorough=True)


_Function = Callable[[Any, Any, frozenset[str]], list[FailingRule]]


def _compiled(seats: tuple[Seat, ...], thorough: bool) -> _Function:
    """`thorough`: as in `Settling`."""
    writer = RuleWriter(thorough)
    lines = [line for seat in seats for line in writer.lines(seat, "self")]
    body = "".join([f"    {line}\n" for line in [*facts_kept(writer.facts), "found = []", *lines, "return found"]])
    exec(compile(f"def failing(self, facts, refused):\n{body}", "<rules>", "exec"), writer.names)
    function: _Function = writer.names["failing"]
    return function


class RuleWriter:
    """Writes the code that appends the findings on one object to the list `found`."""

    def __init__(self, thorough: bool) -> None:
        """`thorough`: as in `Settling`."""
        self._thorough = thorough
        self.names: dict[str, Any] = {**_NAMES}
        """The names that the code uses."""
        self.facts: dict[str, None] = {}
        """The names of the facts that the code reads, in order; see `facts_kept`."""

    def lines(self, seat: Seat, value: str) -> Iterator[str]:
        """Yield what settles the rules of a seat; `value` is the variable that is the object."""
        if not seat.field:
            yield from self._settled(seat, Settling.of(value, "", self._thorough))
            return
        yield f"if {seat.field!r} in {value}:"
        yield f"    field = {value}[{seat.field!r}]"
        yield from _indented(self._settled(seat, Settling.of("field", f"/{seat.field}", self._thorough)))
        if seat.required and self._thorough:
            yield "else:"
            yield from _indented(self._finding(MISSING, rule, seat) for rule in seat.rules)

    def _settled(self, seat: Seat, settling: Settling) -> Iterator[str]:
        for rule in seat.rules:
            broken, unknown = (self._finding(outcome, rule, seat) for outcome in (BROKEN, UNKNOWN))
            yield from settling.statements(_expression(rule).term, broken, unknown)

    def _finding(self, outcome: str, rule: Rule, seat: Seat) -> str:
        """Return the statement that appends a finding."""
        name = f"finding{len(self.names)}"
        expression = _expression(rule)
        asked = asked_facts(expression.term)
        self.facts.update(dict.fromkeys(fact.name for fact in asked))
        self.names[name] = FailingRule(outcome, rule, expression, seat, asked, not self._thorough)
        return f"found.append({name})"


def _expression(rule: Rule) -> Expression:
    assert rule.expression is not None, "a keyword has no seat"
    return rule.expression


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


_NAMES: Final = {
    "present": present,
    "isinstance": isinstance,
    "type": type,
    "Absent": Absent,
    "Unknown": Unknown,
    "__builtins__": {},
}
