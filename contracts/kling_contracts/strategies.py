"""Hypothesis strategies: worlds, valid cases, and cases that break exactly what they say.

`contract` is the documented one unless another is given, `operation` its first one unless another is named by its
short name. Each number is drawn by one strategy between the bounds that the rules leave it, so a failure shrinks to its
limit.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Final

from hypothesis import event, note
from hypothesis import strategies as st

from kling_contracts.cases.case import Case
from kling_contracts.cases.choosers import CLASSES
from kling_contracts.cases.drawing import decoded, options
from kling_contracts.cases.factory import CaseFactory, factory_of
from kling_contracts.cases.goals import VALID
from kling_contracts.cases.requests import RequestGoal
from kling_contracts.contract import Contract
from kling_contracts.facts.world import World


def worlds(*, contract: Contract | None = None, operation: str = "") -> st.SearchStrategy[World]:
    """Return a strategy for worlds in which some task can be done.

    Raises as `valid` does.
    """
    return valid(contract=contract, operation=operation).map(lambda case: case.world)


__all__ = ["broken", "cases", "valid", "worlds"]


def valid(*, contract: Contract | None = None, operation: str = "") -> st.SearchStrategy[Case]:
    """Return a strategy for cases that break nothing.

    Raises `ValueError` where the contract has no such operation, and `DocumentError` where its rules cannot be solved.
    """
    return _cases(factory_of(contract, operation), (), 1)


def broken(
    rule: str | None = None, *, contract: Contract | None = None, operation: str = "", http: bool = True
) -> st.SearchStrategy[Case]:
    """Return a strategy for cases that break a rule, by default any that `Contract.report` judges.

    Rules that the broken one implies are broken as well; `Case.breaks` names all. `http=False` leaves out what
    is wrong with the request itself: every body is then a payload.

    Raises `ValueError` where the operation has no such rule, and as `valid` does.
    """
    factory = factory_of(contract, operation)
    return _cases(factory, factory.rules(rule, http), 0)


def cases(*, contract: Contract | None = None, operation: str = "", http: bool = True) -> st.SearchStrategy[Case]:
    """Return a strategy for cases, half of them valid; `http` as in `broken`.

    Raises as `valid` does.
    """
    factory = factory_of(contract, operation)
    rules = factory.rules(None, http)
    return _cases(factory, rules, len(rules))


@st.composite
def _cases(draw: st.DrawFn, factory: CaseFactory, rules: tuple[str, ...], sound: int) -> Case:
    """`sound`: how often a case is valid, against once for each of `rules`."""
    goals = factory.places(rules, sound)
    chooser = _DrawnChooser(draw)
    goal = goals[chooser.below(len(goals))]
    if isinstance(goal, RequestGoal):
        case = factory.asked(goal, factory.case(factory.draw(VALID, chooser)))
    else:
        case = factory.case(factory.draw(goal, chooser))
    for rule in case.breaks:
        event(f"breaks {rule}")
    note(_Drawing(case, factory))
    return case


class _DrawnChooser:
    """Draws through Hypothesis."""

    shrinks = True

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def below(self, options: int) -> int:
        """Return a number from 0 up to, but not including, `options`."""
        return self._draw(_integers(0, options - 1)) if options > 1 else 0

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`."""
        span = high - low
        # A new strategy costs as much as several draws, so spans are rounded up to few; what is too far is the last.
        spare = max(0, span.bit_length() - _BITS)
        digit = self._draw(_integers(0, ((span >> spare) + 1 << spare) - 1))
        return decoded(min(digit, span), low, high)

    def several(self, bounds: Sequence[tuple[int, int]]) -> Sequence[int]:
        """Return a number between each pair of bounds, all from one draw."""
        sizes = [options(low, high) for low, high in bounds]
        index = self.below(prod(sizes))
        found = []
        for (low, high), size in zip(bounds, sizes, strict=True):
            index, digit = divmod(index, size)
            found.append(decoded(digit, low, high))
        return found

    def beyond(self, most: int | None) -> int:
        """Return how far to go past the first distance behind a limit."""
        if most == 0:
            return 0
        low, high = CLASSES[max(0, self._draw(_CLASS) - len(CLASSES) + 1)]
        if most is not None:
            low, high = min(low, most), min(high, most)
        return low if low == high else self._draw(_integers(low, high))


_BITS: Final = 4
"""Bits of a span that are kept: it grows by an eighth at most."""
_CLASS = st.integers(0, 2 * (len(CLASSES) - 1))
"""Half of the time the first class."""


@lru_cache(maxsize=4096)
def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


class _Drawing:
    """Drawn only where Hypothesis shows it, with the smallest failure."""

    def __init__(self, case: Case, factory: CaseFactory) -> None:
        self._case = case
        self._factory = factory

    def __repr__(self) -> str:
        report = self._factory.contract.report(self._case.request, self._case.world)
        # A body that is no JSON has no facts.
        drawings = report.every_drawing(self._case.payload) if report.facts else ()
        return "\n".join([self._case.why, *drawings])


# Lets `st.from_type` and annotations find the strategies of our types. The entry point names this module and no
# function of it: Hypothesis loads its entry points while it is imported, also where this module is what imports it.
st.register_type_strategy(World, lambda _: worlds())
st.register_type_strategy(Case, lambda _: cases())

_hypothesis_setup_hook = None
"""For environments whose entry point was installed while it named a function of this module."""
