"""The rules of one object and of its scalar fields as one function, which names those that do not hold."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from kling_contracts.facts.provider import indented
from kling_contracts.rules.cel_code import (
    ANY_DOUBT,
    OF_RECORDS,
    AskedFact,
    Doubts,
    Names,
    Settling,
    asked_facts,
    records_kept,
)
from kling_contracts.rules.cel_compiler import Expression
from kling_contracts.rules.rule import Advice, Rule
from kling_contracts.unknown import Absent, Unknown, present

BROKEN: Final = "broken"
UNKNOWN: Final = "unknown"
MISSING: Final = "missing"
"""The required field that a rule sits on is not there."""
DUE: Final = "due"
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


Found = tuple[Sequence[FailingRule], Sequence[FailingRule], Sequence[Advice], Any, str, Any, frozenset[str]]
"""The findings on one object: broken rules, rules that cannot be judged, and, where none is broken, advice; the
object, its JSON Pointer, its facts, and its fields that broke a keyword, as JSON Pointers from it."""


class ObjectRules:
    """The rules of one object, or of one value that is none; compiled at first use, and shared by threads."""

    def __init__(self, seats: tuple[Seat, ...], advice: tuple[Advice, ...] = ()) -> None:
        self.seats = tuple(seat for seat in seats if seat.rules)
        self.advice = advice

    def failing(self, value: Any, facts: Any, refused: frozenset[str] = NOTHING) -> list[FailingRule]:
        """Return what does not hold, in document order.

        `refused`: the fields that broke a keyword, as JSON Pointers from the value; what they hold is unknown.
        """
        return self._failing(value, facts, refused)

    def due(self, value: Any, facts: Any) -> list[Advice]:
        """Return the advice for an object that breaks no rule; an unknown is no reason for advice."""
        return self._due(value, facts, NOTHING) if self.advice else []

    @cached_property
    def _failing(self) -> "_Function":
        writer = RuleWriter({}, "found.append({1})".format, OF_RECORDS)
        return writer.function([line for seat in self.seats for line in writer.rules(seat, "self", ANY_DOUBT)])

    @cached_property
    def _due(self) -> "_Function":
        writer = RuleWriter({}, "found.append({1})".format, OF_RECORDS)
        return writer.function(list(writer.due(self, "self", ANY_DOUBT)))


_Function = Callable[[Any, Any, frozenset[str]], list[Any]]


class RuleWriter:
    """Writes the code that settles the rules of objects."""

    def __init__(self, names: dict[str, Any], told: Callable[[str, str], str], facts: Names) -> None:
        """`names` gets the names that the code uses. `told` returns the statement that tells of an outcome, and of the
        `FailingRule` or the `Advice` that a name is bound to; empty where nobody asks for that outcome. `facts` says
        how the code reads facts."""
        names.update(_NAMES)
        self._names = names
        self._told = told
        self._facts = facts
        self._read: dict[str, None] = {}

    def rules(self, seat: Seat, value: str, doubts: Doubts) -> Iterator[str]:
        """Yield what settles the rules of a seat of the object in a variable."""
        if not seat.field:
            yield from self._settled(seat, self._settling(value, "", doubts))
            return
        yield f"if {seat.field!r} in {value}:"
        yield f"    field = {value}[{seat.field!r}]"
        yield from indented(self._settled(seat, self._settling("field", f"/{seat.field}", doubts)))
        missing = [self._failing(MISSING, rule, seat) for rule in seat.rules if seat.required and doubts.refusable]
        if any(missing):
            yield "else:"
            yield from indented(missing)

    def due(self, rules: ObjectRules, value: str, doubts: Doubts) -> Iterator[str]:
        """Yield what finds the advice for the object in a variable."""
        settling = self._settling(value, "", doubts)
        for advice in rules.advice:
            self._reads(asked_facts(advice.when.term))
            yield f"if {settling.true(advice.when.term)}: {self._told(DUE, self._bound(advice))}"

    def function(self, lines: list[str]) -> _Function:
        """Return the function of lines that tell of what they find by appending it to `found`."""
        body = "".join([f"    {line}\n" for line in [*records_kept(self._read), "found = []", *lines, "return found"]])
        exec(compile(f"def failing(self, facts, refused):\n{body}", "<rules>", "exec"), self._names)
        function: _Function = self._names["failing"]
        return function

    def _settling(self, value: str, pointer: str, doubts: Doubts) -> Settling:
        return Settling(self._facts._replace(value=value), pointer, doubts)

    def _settled(self, seat: Seat, settling: Settling) -> Iterator[str]:
        for rule in seat.rules:
            broken, unknown = (self._failing(how, rule, seat) for how in (BROKEN, UNKNOWN))
            yield from settling.statements(_expression(rule).term, broken, unknown)

    def _failing(self, outcome: str, rule: Rule, seat: Seat) -> str:
        expression = _expression(rule)
        asked = asked_facts(expression.term)
        self._reads(asked)
        return self._told(outcome, self._bound(FailingRule(outcome, rule, expression, seat, asked)))

    def _reads(self, asked: tuple[AskedFact, ...]) -> None:
        self._read.update(dict.fromkeys(fact.path[0] for fact in asked))

    def _bound(self, value: FailingRule | Advice) -> str:
        name = f"told{len(self._names)}"
        self._names[name] = value
        return name


def _expression(rule: Rule) -> Expression:
    assert rule.expression is not None, "a keyword has no seat"
    return rule.expression


_NAMES: Final = {
    "present": present,
    "isinstance": isinstance,
    "type": type,
    "Absent": Absent,
    "Unknown": Unknown,
    "__builtins__": {},
}
