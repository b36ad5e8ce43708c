"""Hypothesis strategies: worlds, valid cases, and cases that break exactly what they say.

`contract` is the documented one unless another is given. Every number is drawn from one strategy that exists once,
and its bounds are arithmetic: building a strategy for each example is what would cost.
"""

from collections.abc import Sequence
from typing import Final

from hypothesis import event, note
from hypothesis import strategies as st

from kling_contracts.cases.case import Case
from kling_contracts.cases.generation.changes import Change
from kling_contracts.cases.generation.maker import Maker, draw_change, maker_of
from kling_contracts.cases.generation.payloads import world_of
from kling_contracts.cases.generation.plans import Below, Plan, draw_plan
from kling_contracts.contract import Contract
from kling_contracts.facts.world import World

_NUMBERS: Final = st.integers(0, 2**20 - 1)

__all__ = ["broken", "cases", "valid", "worlds"]


def worlds(*, contract: Contract | None = None) -> st.SearchStrategy[World]:
    """Return a strategy for worlds in which some task can be done."""
    return _worlds(maker_of(contract))


def valid(*, contract: Contract | None = None) -> st.SearchStrategy[Case]:
    """Return a strategy for cases that break nothing."""
    return _cases(maker_of(contract), (), sound=1)


def broken(rule: str | None = None, *, contract: Contract | None = None, http: bool = True) -> st.SearchStrategy[Case]:
    """Return a strategy for cases that break a rule, by default any that `Contract.report` judges.

    What breaking that rule implies is broken as well; `Case.breaks` names all of it. `http=False` leaves out what
    is wrong with the request itself: every body is then a payload. Raises `ValueError` where the contract has no
    such rule.
    """
    maker = maker_of(contract)
    return _cases(maker, maker.ways(rule, http), sound=0)


def cases(*, contract: Contract | None = None, http: bool = True) -> st.SearchStrategy[Case]:
    """Return a strategy for cases, half of them valid; `http` as in `broken`."""
    maker = maker_of(contract)
    ways = maker.ways(None, http)
    return _cases(maker, ways, sound=len(ways))


@st.composite
def _worlds(draw: st.DrawFn, maker: Maker) -> World:
    return world_of(draw_plan(_below(draw), maker.limits))


@st.composite
def _cases(draw: st.DrawFn, maker: Maker, ways: Sequence[Sequence[Change]], sound: int) -> Case:
    """`sound`: how often a case is valid, against once for each rule of `ways`."""
    below = _below(draw)
    options = sound + len(ways)
    chosen = (below(options) if options > 1 else 0) - sound
    if chosen < 0:
        plan = draw_plan(below, maker.limits)
        return _told(maker.valid(plan), plan, maker)
    by, change = draw_change(below, ways[chosen])
    plan = draw_plan(below, maker.limits)
    return _told(maker.changed(plan, by, change), plan, maker)


def _below(draw: st.DrawFn) -> Below:
    return lambda options: draw(_NUMBERS) % options


def _told(case: Case, plan: Plan, maker: Maker) -> Case:
    event(f"the face window lies {plan.relation} the insertion")
    for rule in case.breaks:
        event(f"breaks {rule}")
    note(_Drawing(case, maker.contract))
    return case


class _Drawing:
    """Drawn only where Hypothesis shows it, with the smallest failure."""

    def __init__(self, case: Case, contract: Contract) -> None:
        self._case = case
        self._contract = contract

    def __repr__(self) -> str:
        report = self._contract.report(self._case.request, self._case.world)
        # A body that is no JSON has no facts.
        drawings = report.every_drawing(self._case.payload) if report.facts else ()
        return "\n".join([self._case.why, *drawings])


# Lets `st.from_type` and annotations find the strategies of our types. The entry point names this module and no
# function of it: Hypothesis loads its entry points while it is imported, also where this module is what imports it.
st.register_type_strategy(World, lambda _: worlds())
st.register_type_strategy(Case, lambda _: cases())

_hypothesis_setup_hook = None
"""For environments whose entry point was installed while it named a function of this module."""
