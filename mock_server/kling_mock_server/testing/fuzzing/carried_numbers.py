"""Numbers of a case carried over to other facts: what the rules compare keeps its distances, as far as it can."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from operator import mul, ne
from typing import Any, Final, NamedTuple

from kling_contracts import Operation, Rule, World
from kling_contracts.cases.formulas import TRUE, Verdict, conjuncts, verdict
from kling_contracts.cases.linear import Form, Inequality, variable
from kling_contracts.facts.provider import UNKNOWN
from kling_contracts.facts.sources import FactSources
from kling_contracts.jsonio.numbers import whole
from kling_contracts.unknown import Unknown

MAX_NUMBERS: Final = 20
"""How many choices of one kind are tried with one choice of entries, the most promising first."""

Numbers = Mapping[str, int]
"""Numbers by the path of their field, `face_choose[].sound_end_time`, or by their fact, `facts.audio.end_ms`."""
_Terms = tuple[int, ...]


def fields_of(payload: Any, array: str) -> dict[str, Any]:
    """Return by path the members of a payload and of the first item of one of its arrays."""
    members = payload if isinstance(payload, Mapping) else {}
    items = members.get(array)
    item = items[0] if isinstance(items, list) and items and isinstance(items[0], Mapping) else {}
    return {**members, **{f"{array}[].{name}": value for name, value in item.items()}}


def array_of(operation: Operation) -> str:
    """Return the array whose items have facts; empty where none has."""
    return next(iter(operation.facts.arrays), "")


class NumberRules:
    """The rules of one operation that hang on the numbers in fields, parsed once."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        typed = (rule for rule in operation.rules if rule.keyword == "type")
        self.fields = [rule.node for rule in typed if rule.value in ("integer", "number")]
        """The paths of the fields that are numbers."""
        numeric = dict.fromkeys(self.fields, 0)
        concerned = [rule for rule in operation.rules if rule.node in numeric or _is_open(rule, numeric)]
        self.ids = frozenset(rule.id for rule in concerned)
        self._parsed = [
            (rule.node, part) for rule in concerned if rule.expression for part in conjuncts(rule.expression.code())
        ]
        self._limits = [
            (rule.node, variable(rule.node).shifted(-rule.value).times(_LIMITS[rule.keyword]))
            for rule in concerned
            if rule.keyword in _LIMITS and type(rule.value) is int
        ]

    def rows(self, known: Numbers) -> list[Inequality]:
        """Return what the rules compare with the numbers that there are, each as `terms + constant >= 0`."""
        rows = {Inequality(*form): None for node, form in self._limits if node in known}
        for node, part in self._parsed:
            for branch in verdict(part, _NumberScope(node, known)).true:
                rows |= dict.fromkeys(branch)
        return list(rows)


_LIMITS: Final = {"minimum": 1, "maximum": -1}


class CarriedNumbers:
    """The numbers of one payload in its own world."""

    def __init__(self, rules: NumberRules, payload: Any, world: World) -> None:
        self._operation = rules.operation
        given, facts = fields_of(payload, array_of(self._operation)), _measured(self._operation, payload, world)
        fields = {node: number for node in rules.fields if (number := whole(given.get(node))) is not None}
        self._rows = rules.rows({**facts, **fields}) if fields else []
        self._asked = sorted({name for row in self._rows for name, _ in row.terms if name in fields})
        self._before = {**facts, **{name: fields[name] for name in self._asked}}
        self._sides = [_distance(row, self._before) >= 0 for row in self._rows]

    def to(self, payload: Any, world: World) -> Iterator[dict[str, int]]:
        """Yield numbers for the fields that change with the facts of another payload and world.

        First those with which each comparison of a rule turns out as before, near the payload's own.
        """
        asked, before = self._asked, self._before
        facts = _measured(self._operation, payload, world) if asked else {}
        after = {**before, **{name: value for name, value in facts.items() if name in before}}
        if after == before:
            yield {}
            return
        own = tuple(before[name] for name in asked)
        lines = [_line(row, asked, after) for row in self._rows]

        def strangeness(choice: _Terms) -> tuple[int, int, _Terms]:
            sides = [known + sum(map(mul, factors, choice)) >= 0 for factors, known in lines]
            moved = sum(abs(one - other) for one, other in zip(choice, own, strict=True))
            return sum(map(ne, sides, self._sides)), moved, choice

        tried: set[_Terms] = set()
        # The few that keep every distance nearly always do; those at a limit are many, and for a smaller world.
        for choices in ((own,), self._solutions(after, at_limits=False), self._solutions(after, at_limits=True)):
            found = sorted(set(choices) - tried, key=strangeness)
            tried.update(found)
            for choice in found[:MAX_NUMBERS]:
                yield {name: value for name, value in zip(asked, choice, strict=True) if value != before[name]}

    def _solutions(self, after: Numbers, *, at_limits: bool) -> Iterator[_Terms]:
        """Yield the whole numbers at which as many distances as there are fields are what they were, or 0 at limits."""
        sums: dict[_Terms, set[int]] = {}
        own = [self._before[name] for name in self._asked]
        for row in self._rows:
            factors, known = _line(row, self._asked, after)
            if any(factors):
                sign = 1 if next(filter(None, factors)) > 0 else -1
                wanted = {sum(map(mul, factors, own)), _distance(row, self._before) - known}
                found = sums.setdefault(tuple(sign * one for one in factors), set())
                found.update(sign * one for one in (wanted | {-known} if at_limits else wanted))
        for chosen in combinations(sums, len(self._asked)):
            inverse = _inverse(chosen)
            for wanted_sums in product(*(sums[one] for one in chosen)) if inverse else ():
                values = [sum(map(mul, line, wanted_sums)) for line in inverse]
                if all(value.denominator == 1 for value in values):
                    yield tuple(map(int, values))


def _measured(operation: Operation, payload: Any, world: World) -> dict[str, int]:
    """Return the whole numbers among the facts of a payload and of the first item of its array."""
    measured = operation.facts.measure(payload, FactSources(world))
    array = array_of(operation)
    items = payload.get(array) if isinstance(payload, Mapping) else None
    facts = measured.of_item(array, items[0]) if array and isinstance(items, list) and items else measured.facts
    found = {}
    for fact in operation.facts.declared:
        record = getattr(facts, fact.name, UNKNOWN)
        for member in () if isinstance(record, Unknown) else fact.members:
            value = getattr(record, member.name)
            if type(value) is int:
                found[f"facts.{fact.name}.{member.name}"] = value
    return found


class _NumberScope(NamedTuple):
    """Reads a rule at a node as inequalities over the numbers that there are."""

    node: str
    known: Numbers

    def read(self, root: str, members: tuple[str, ...]) -> Any:
        path = ".".join([self.node, *members]).lstrip(".") if root == "self" else ".".join([root, *members])
        return variable(path) if path in self.known else UNKNOWN

    def has(self, root: str, members: tuple[str, ...]) -> Verdict:
        return TRUE


def _is_open(rule: Rule, known: Numbers) -> bool:
    """Whether a rule reads a number of a field: only then is there anything to carry over."""
    scope = _NumberScope(rule.node, known)
    split = (name.partition(".") for name in (rule.expression.reads if rule.expression else ()))
    return any(isinstance(scope.read(root, (rest,) if rest else ()), Form) for root, _, rest in split if root == "self")


def _distance(row: Inequality, values: Numbers) -> int:
    return row.constant + sum(factor * values[name] for name, factor in row.terms)


def _line(row: Inequality, asked: list[str], values: Numbers) -> tuple[_Terms, int]:
    """Return the factors of the fields in a row, and what all else in it comes to."""
    terms = dict(row.terms)
    known = row.constant + sum(factor * values[name] for name, factor in row.terms if name not in asked)
    return tuple(terms.get(name, 0) for name in asked), known


@cache
def _inverse(lines: tuple[_Terms, ...]) -> Sequence[Sequence[Fraction | int]]:
    """Return the inverse of a square matrix; empty where it has none."""
    size = len(lines)
    work = [[*map(Fraction, line), *(Fraction(row == at) for at in range(size))] for row, line in enumerate(lines)]
    for at in range(size):
        pivot = next((row for row in range(at, size) if work[row][at]), None)
        if pivot is None:
            return ()
        work[at], work[pivot] = work[pivot], work[at]
        work[at] = [one / work[at][at] for one in work[at]]
        for row in range(size):
            if row != at:
                work[row] = [a - work[row][at] * b for a, b in zip(work[row], work[at], strict=True)]
    inverse = [line[size:] for line in work]
    # Ints are faster, and nearly always do.
    whole_numbers = all(one.denominator == 1 for line in inverse for one in line)
    return [list(map(int, line)) for line in inverse] if whole_numbers else inverse
