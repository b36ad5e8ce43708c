"""Systems of linear inequalities over whole numbers: Fourier-Motzkin elimination, part by part, kept by their rows.

A row states ``sum(coefficient * variable) + constant >= 0``. Eliminating a variable that has the coefficient 1 on one
side keeps exactly the whole-number solutions; where it has none, the tighter (dark) shadow keeps only some of them, and
a system that has solutions in the wider (real) shadow alone is *uncertain*.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import gcd
from typing import Final, NamedTuple

Terms = tuple[tuple[str, int], ...]
"""Variables with their coefficients, none of them 0, sorted by name."""


class Inequality(NamedTuple):
    """``terms + constant >= 0``."""

    terms: Terms
    constant: int


class Form(NamedTuple):
    """A linear expression."""

    terms: Terms
    constant: int

    def plus(self, other: "Form", factor: int = 1) -> "Form":
        """Return this expression plus `factor` times another."""
        terms = dict(self.terms)
        for name, coefficient in other.terms:
            terms[name] = terms.get(name, 0) + factor * coefficient
        return Form(
            tuple(sorted((name, value) for name, value in terms.items() if value)),
            self.constant + factor * other.constant,
        )

    def times(self, factor: int) -> "Form":
        """Return this expression times a number."""
        return NOTHING.plus(self, factor)

    def shifted(self, by: int) -> "Form":
        """Return this expression plus a number."""
        return Form(self.terms, self.constant + by)


NOTHING: Final = Form((), 0)


def variable(name: str) -> Form:
    """Return the expression that is one variable."""
    return Form(((name, 1),), 0)


def at_least_zero(form: Form) -> Inequality:
    """Return the row ``form >= 0``, divided by what divides its coefficients."""
    divisor = gcd(*(coefficient for _, coefficient in form.terms)) or 1
    if divisor == 1:
        return Inequality(form.terms, form.constant)
    return Inequality(tuple((name, value // divisor) for name, value in form.terms), form.constant // divisor)


def opposite(row: Inequality) -> Inequality:
    """Return the row that holds exactly where this one does not."""
    return Inequality(tuple((name, -value) for name, value in row.terms), -row.constant - 1)


class DrawStep(NamedTuple):
    """One variable and its bounds, which hang on variables drawn before it."""

    name: str
    lows: tuple[tuple[int, Form], ...]
    """``coefficient * name + form >= 0``, the coefficient above 0."""
    highs: tuple[tuple[int, Form], ...]
    """``form - coefficient * name >= 0``, the coefficient above 0."""


class InfeasibleError(Exception):
    """No whole numbers satisfy the rows; `certain`: not even fractions in the wider shadow do."""

    def __init__(self, certain: bool) -> None:
        super().__init__("the rows contradict each other")
        self.certain = certain


class Part(NamedTuple):
    """Rows that are connected by their variables."""

    names: frozenset[str]
    rows: frozenset[Inequality]


class Solver:
    """Solves systems part by part and keeps each part by its rows."""

    def __init__(self) -> None:
        self._kept: dict[frozenset[Inequality], tuple[DrawStep, ...] | bool] = {}

    def solve(self, rows: Iterable[Inequality], last: str = "") -> tuple[tuple[DrawStep, ...], ...]:
        """Return the steps that draw each connected part; `last` is eliminated last, so it is drawn first.

        Raises `InfeasibleError` where no whole numbers satisfy the rows, or none can be shown to.
        """
        return tuple(self._part(part.rows, last) for part in _joined((), rows))

    def joined(self, parts: Sequence[Part], rows: Iterable[Inequality], last: str = "") -> Sequence[Part]:
        """Return solved parts with more rows added. Raises as `solve` does."""
        found = _joined(parts, rows)
        for part in found:
            if part not in parts:
                self._part(part.rows, last)
        return found

    def _part(self, part: frozenset[Inequality], last: str) -> tuple[DrawStep, ...]:
        found = self._kept.get(part)
        if found is None:
            try:
                found = _eliminated(part, last, dark=True)
            except InfeasibleError as failure:
                found = failure.certain or _has_no_fraction(part, last)
            self._kept[part] = found
        if isinstance(found, bool):
            raise InfeasibleError(found)
        return found


def _has_no_fraction(part: frozenset[Inequality], last: str) -> bool:
    try:
        _eliminated(part, last, dark=False)
    except InfeasibleError:
        return True
    return False


def _joined(parts: Sequence[Part], rows: Iterable[Inequality]) -> list[Part]:
    """Add rows to connected parts. Raises `InfeasibleError` for a row without variables that does not hold."""
    found = list(parts)
    for row in rows:
        if row.terms:
            names = frozenset([name for name, _ in row.terms])
            tied = [part for part in found if not part.names.isdisjoint(names)]
            if len(tied) == 1 and row in tied[0].rows:
                continue
            found = [part for part in found if part.names.isdisjoint(names)] if tied else found
            found.append(
                Part(names.union(*(part.names for part in tied)), frozenset([row]).union(*(part.rows for part in tied)))
            )
        elif row.constant < 0:
            raise InfeasibleError(True)
    return found


def _eliminated(part: frozenset[Inequality], last: str, dark: bool) -> tuple[DrawStep, ...]:
    """Return the steps in the order in which they are drawn; the error is certain where every step was exact."""
    rows: dict[Terms, int] = {}
    for row in part:
        _keep(rows, row, True)
    left = {name for terms in rows for name, _ in terms}
    exact = True
    steps: list[DrawStep] = []
    while left:
        name = _next(rows, left - {last} or left)
        left.discard(name)
        lows, highs, others = _sides(rows, name)
        steps.append(DrawStep(name, tuple(lows), tuple(highs)))
        rows = others
        for low, under in lows:
            for high, over in highs:
                inexact = low > 1 and high > 1
                exact = exact and not inexact
                shadow = (low - 1) * (high - 1) if inexact and dark else 0
                combined = under.times(high).plus(over, low).shifted(-shadow)
                _keep(rows, at_least_zero(combined), exact)
    return tuple(reversed(steps))


def _keep(rows: dict[Terms, int], row: Inequality, exact: bool) -> None:
    if not row.terms:
        if row.constant < 0:
            raise InfeasibleError(exact)
    else:
        rows[row.terms] = min(row.constant, rows.get(row.terms, row.constant))


def _next(rows: Mapping[Terms, int], left: set[str]) -> str:
    """Choose the variable that is exact to eliminate and adds the fewest rows."""
    lows, highs, large = (dict.fromkeys(left, 0) for _ in range(3))
    sides: dict[str, set[bool]] = {name: set() for name in left}
    for terms in rows:
        for name, coefficient in terms:
            if name in left:
                (lows if coefficient > 0 else highs)[name] += 1
                if abs(coefficient) > 1:
                    large[name] += 1
                    sides[name].add(coefficient > 0)
    return min(left, key=lambda name: (len(sides[name]) > 1, lows[name] * highs[name], large[name], name))


def _sides(
    rows: Mapping[Terms, int], name: str
) -> tuple[list[tuple[int, Form]], list[tuple[int, Form]], dict[Terms, int]]:
    lows: list[tuple[int, Form]] = []
    highs: list[tuple[int, Form]] = []
    others: dict[Terms, int] = {}
    for terms, constant in rows.items():
        coefficient = next((value for one, value in terms if one == name), 0)
        if not coefficient:
            others[terms] = constant
            continue
        rest = Form(tuple(term for term in terms if term[0] != name), constant)
        (lows if coefficient > 0 else highs).append((abs(coefficient), rest))
    return lows, highs, others
