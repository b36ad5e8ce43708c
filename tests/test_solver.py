"""The solver of linear systems and the plans that it makes, held against z3."""

import os

import z3
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.cases.choosers import SeededChooser
from kling_contracts.cases.drawing import compiled
from kling_contracts.cases.factory import factory_of
from kling_contracts.cases.goals import VALID, Goal
from kling_contracts.cases.linear import Inequality, InfeasibleError, Solver
from kling_contracts.cases.plans import BEYOND
from support.serving import documented

CONTRACT = documented()
NAMES = "abcd"
NIGHTLY = "KLINGKIT_NIGHTLY" in os.environ
EVERY = 1 if NIGHTLY else 10
"""Here z3 looks at every tenth plan, in a nightly run at all."""


def row(coefficients, constant):
    terms = zip(NAMES, coefficients, strict=True)
    return Inequality(tuple((name, value) for name, value in terms if value), constant)


def rows(coefficient):
    return st.lists(st.builds(row, st.tuples(*[coefficient] * len(NAMES)), st.integers(-30, 30)), max_size=8)


def as_z3(inequality):
    return sum((value * z3.Int(name) for name, value in inequality.terms), z3.IntVal(inequality.constant)) >= 0


def possible(*formulas):
    solver = z3.Solver()
    solver.add(*formulas)
    return solver.check() == z3.sat


def solved(system):
    try:
        return Solver().solve(system)
    except InfeasibleError as failure:
        return failure


def drawn(parts, seed):
    values = {}
    for part in parts:
        compiled(part, BEYOND)(values, SeededChooser(seed))
    return values


@given(rows(st.integers(-1, 1)))
def test_with_unit_coefficients_what_is_feasible_is_decided_rightly_and_for_certain(system):
    found = solved(system)
    feasible = possible(*map(as_z3, system))
    assert isinstance(found, InfeasibleError) != feasible or not feasible
    if isinstance(found, InfeasibleError) and found.certain:
        assert not feasible


@given(rows(st.sampled_from([-500, -3, -2, -1, 0, 0, 0, 1, 2, 3, 500])))
def test_what_is_called_impossible_for_certain_is_impossible(system):
    found = solved(system)
    if isinstance(found, InfeasibleError):
        assert not (found.certain and possible(*map(as_z3, system)))


@given(rows(st.sampled_from([-500, -3, -2, -1, 0, 0, 0, 1, 2, 3, 500])), st.integers(0, 1000))
def test_no_draw_fails(system, seed):
    found = solved(system)
    if not isinstance(found, InfeasibleError):
        values = drawn(found, seed)
        for terms, constant in system:
            assert constant + sum(factor * values[name] for name, factor in terms) >= 0


@given(rows(st.sampled_from([-1, 0, 0, 1])), st.integers(0, 500), st.integers(500, 2000), st.integers(0, 1000))
def test_a_distance_that_must_be_larger_than_the_least_is_drawn_so(system, low, high, seed):
    bounds = [Inequality(((BEYOND, 1), ("a", 1)), -low), Inequality(((BEYOND, -1), ("a", -1)), high)]
    try:
        found = Solver().solve([*system, *bounds, Inequality((("a", -1),), 0)], BEYOND)
    except InfeasibleError:
        return
    values = drawn(found, seed)
    assert values["a"] <= 0
    assert values[BEYOND] >= low - values["a"]


def plans():
    number = 0
    for operation in CONTRACT.operations:
        factory = factory_of(CONTRACT, operation.name)
        goals = [goal for some in factory.goals.values() for goal in some if isinstance(goal, Goal)]
        for goal in (VALID, *goals):
            for mix in factory.mixes(goal).every:
                for ready in mix.plans:
                    number += 1
                    if number % EVERY == 0:
                        yield factory, goal, mix, ready.plan


def test_what_a_plan_keeps_is_feasible_and_what_it_drops_follows():
    for factory, goal, mix, plan in plans():
        kept = list(map(as_z3, plan.rows))
        assert possible(*kept), goal
        assignment = mix.outfits[0].assignment
        for index, parsed in enumerate(factory.model.rules):
            verdict = factory.model.whole(index, assignment)
            if parsed.rule.id in plan.breaks and parsed.rule.id != goal.rule and () not in verdict.false:
                holds = z3.Or([z3.And(list(map(as_z3, branch))) for branch in verdict.not_false])
                assert not possible(*kept, holds), (goal, parsed.rule.id)
