"""Plans: a goal as a solved system with its label, which no draw changes any more."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from math import gcd
from typing import Final, NamedTuple

from kling_contracts.cases.fields import LEFT_OUT, Choice, Items, OpenNumber
from kling_contracts.cases.formulas import ALWAYS, NEVER, Branch, Formula, negated
from kling_contracts.cases.goals import Goal
from kling_contracts.cases.items import each_item, item_of, place_of
from kling_contracts.cases.linear import (
    DrawStep,
    Form,
    Inequality,
    InfeasibleError,
    Part,
    Solver,
    at_least_zero,
    variable,
)
from kling_contracts.cases.model import Assignment, Model
from kling_contracts.cases.shapes import falls

BEYOND: Final = "beyond"
"""The variable that is drawn first: how far past the limit, in steps."""
MAX_VARIANTS: Final = 8
"""Orders in which the other rules are kept, for each way to break one."""


class Soft(NamedTuple):
    """A rule that is kept where it can be."""

    rule: str
    formula: Formula
    labelled: bool
    """Whether dropping it breaks it; otherwise it only makes the case a better one."""


class Plan(NamedTuple):
    """A goal solved for one group of shapes."""

    parts: tuple[tuple[DrawStep, ...], ...]
    breaks: frozenset[str]
    first: int
    """The least distance past the limit, 0 where there is none."""
    step: int
    """The amount that each unit of `BEYOND` adds to it."""
    mirror: int
    """The number of units at which the limit is reached with the other sign; 0 where it never is."""
    rows: tuple[Inequality, ...]


class _Added(NamedTuple):
    """A branch that has solutions together with the rows before it."""

    branch: Branch
    parts: Sequence[Part]
    """All rows with it."""


class System(NamedTuple):
    """The rows of a goal with all others that can be kept, solved."""

    rows: tuple[Inequality, ...]
    dropped: frozenset[str]
    """The rules that fall."""
    parts: tuple[tuple[DrawStep, ...], ...]


class Planner:
    """Makes the plans of one operation and keeps them."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._solver = Solver()
        self._systems: dict[tuple[object, ...], System | bool] = {}
        self._world_rows = tuple(
            row
            for name in model.world_numbers
            for row in (
                at_least_zero(variable(f"world.{name}")),
                at_least_zero(variable(f"world.{name}").times(-1).shifted(MAX_OF_WORLD)),
            )
        )

    def valid(self, assignment: Assignment, exact: Sequence[Inequality] = ()) -> Sequence[Plan]:
        """Return the plans under which every rule holds. `exact` takes a number to its limit."""
        hard = [*self._hard(assignment, None), *exact]
        soft = self._all(assignment)
        plans: dict[tuple[Inequality, ...], Plan] = {}
        for turn in range(_turns(soft, several_sets=False)):
            try:
                found = self._kept(hard, soft, turn)
            except InfeasibleError:
                break
            if not found.dropped and found.rows not in plans:
                plans[found.rows] = Plan(self._parts(found, assignment), frozenset(), 0, 0, 0, found.rows)
        return list(plans.values())

    def contradiction(self, assignment: Assignment) -> frozenset[str]:
        """Return rules that cannot hold together, none of which can be spared."""
        hard, core = list(self._hard(assignment, None)), self._all(assignment)
        for one in list(core):
            others = [other for other in core if other is not one]
            if self._kept(hard, others, 0).dropped:
                core = others
        return frozenset(one.rule for one in core)

    def _all(self, assignment: Assignment) -> list[Soft]:
        """Return every rule on numbers, keywords included, as what has to hold."""
        soft = [
            Soft(self._rule(index), formula, True)
            for index, view in each_item(self._model, assignment)
            if (formula := self._model.whole(index, view).true) not in (ALWAYS, NEVER)
        ]
        return soft + [Soft(rule, ((row,),), True) for rule, row in self._keywords(assignment, None)]

    def limits(self, goal: Goal, assignment: Assignment) -> list[Form]:
        """Return the numbers that are 0 where a goal is only just not reached."""
        if goal.limit:
            return [goal.limit.form]
        if goal.target is None:
            return []
        part = self._model.verdicts(goal.target.rule, assignment)[goal.target.part]
        return [Form(row.terms, row.constant + 1).times(-1) for branch in part.false for row in branch]

    def exact(self, goal: Goal, assignment: Assignment) -> Sequence[Plan]:
        """Return the plans under which every rule holds and a goal is only just not reached."""
        found: list[Plan] = []
        for form in self.limits(goal, assignment):
            found += self.valid(assignment, [at_least_zero(form), at_least_zero(form.times(-1))])[:1]
        return found

    def broken(self, goal: Goal, assignment: Assignment) -> Sequence[Plan]:
        """Return the plans under which a goal is reached and as little else as possible falls.

        `assignment` chooses what stands everywhere, what the goal fixes included. Empty where the goal is out of reach.
        """
        faults = frozenset().union(*(choice.breaks for choice in assignment.values()))
        outright = {
            self._rule(index)
            for index, view in each_item(self._model, assignment)
            if falls(self._model.whole(index, view))
        }
        label = faults | outright | {goal.rule}
        hard = list(self._hard(assignment, goal))
        soft = list(self._soft(goal, assignment, label))
        plans: dict[tuple[frozenset[str], tuple[Inequality, ...]], Plan] = {}
        for rows, first, step, mirror in self._targets(goal, assignment):
            for turn in range(_turns(soft, several_sets=True)):
                try:
                    found = self._kept([*hard, *rows], soft, turn)
                except InfeasibleError:
                    break
                if (found.dropped, found.rows) not in plans:
                    plans[found.dropped, found.rows] = Plan(
                        self._parts(found, assignment), label | found.dropped, first, step, mirror, found.rows
                    )
                if not found.dropped and turn + 1 >= _turns(soft, several_sets=False):
                    break
        return _smallest(plans.values())

    def _parts(self, system: System, assignment: Assignment) -> tuple[tuple[DrawStep, ...], ...]:
        """Add the numbers that nothing bounds."""
        drawn = {step.name for part in system.parts for step in part}
        values = (choice.value for some in (assignment, self.ghost(assignment)) for choice in some.values())
        names = {name for value in values if isinstance(value, OpenNumber) for name, _ in value.form.terms}
        return (*system.parts, *(_unbounded(name) for name in sorted(names - drawn)))

    def _rule(self, index: int) -> str:
        return self._model.rules[index].rule.id

    # The system.

    def _hard(self, assignment: Assignment, goal: Goal | None) -> Iterator[Inequality]:
        yield from self._world_rows
        for choice in (*assignment.values(), *self.ghost(assignment).values()):
            yield from choice.rows
        if goal is not None:
            yield from (row for _, row in self._keywords(assignment, goal))

    def _keywords(self, assignment: Assignment, goal: Goal | None) -> Iterator[tuple[str, Inequality]]:
        """Yield the bounds of every number and text that is there, but that which is to be passed."""
        for node, choice in assignment.items():
            field, item = self._model.fields[place_of(node)[0]], item_of(node)
            if goal and goal.limit in field.limits and not item:
                continue
            if choice.value is LEFT_OUT and not choice.breaks:
                continue
            if choice.breaks:
                choice = next((one for one in field.sound if isinstance(one.value, OpenNumber)), choice)
            for limit in field.limits:
                if isinstance(choice.value, OpenNumber) or choice.rows:
                    yield limit.rule, at_least_zero(item.form(limit.form) if item else limit.form)

    def _targets(self, goal: Goal, assignment: Assignment) -> Iterator[tuple[list[Inequality], int, int, int]]:
        if goal.limit:
            yield _past(goal.limit.form)
        elif goal.target is None:
            yield [], 0, 0, 0
        else:
            part = self._model.verdicts(goal.target.rule, assignment)[goal.target.part]
            for branch in part.false:
                if not branch:
                    yield [], 0, 0, 0
                for place, row in enumerate(branch):
                    # The row holds where the rule falls: what is 0 at its edge is 1 past the limit.
                    rows, first, step, mirror = _past(Form(row.terms, row.constant + 1).times(-1))
                    yield [*rows, *branch[:place], *branch[place + 1 :]], first, step, mirror

    def _soft(self, goal: Goal, assignment: Assignment, label: frozenset[str]) -> Iterator[Soft]:
        if goal.limit:
            field = next(field for field in self._model.fields.values() if goal.limit in field.limits)
            others = (limit for limit in field.limits if limit != goal.limit)
            yield from (Soft(limit.rule, ((at_least_zero(limit.form),),), True) for limit in others)
        for index, view in each_item(self._model, assignment):
            verdict = self._model.whole(index, view)
            if self._rule(index) not in label and verdict.false not in (ALWAYS, NEVER):
                yield Soft(self._rule(index), verdict.not_false, True)
        yield from self._nice(goal, self.ghost(assignment))

    def _nice(self, goal: Goal, base: Assignment) -> Iterator[Soft]:
        """Yield what makes the rest of a case good, also for a server that overlooks one of two things given."""
        yield from self._good(goal, base)
        if self._is_broken(base):
            for node, choice in base.items():
                sound = self._model.fields[place_of(node)[0]].sound
                left_out = next((one for one in sound if one.value is LEFT_OUT), choice)
                lesser = {**base, node: left_out}
                if choice.value is not LEFT_OUT and left_out is not choice and not self._is_broken(lesser):
                    yield from self._good(goal, lesser)

    def _is_broken(self, assignment: Assignment) -> bool:
        """Return whether a rule falls, whatever the numbers are."""
        return any(falls(self._model.whole(index, assignment)) for index, _ in enumerate(self._model.rules))

    def _good(self, goal: Goal, base: Assignment) -> Iterator[Soft]:
        for index, view in each_item(self._model, base):
            for place, verdict in enumerate(self._model.verdicts(index, view)):
                is_aimed = view is base and goal.target == (index, place)
                if not is_aimed and verdict.true not in (ALWAYS, NEVER):
                    yield Soft("", verdict.true, False)

    def ghost(self, assignment: Assignment) -> Assignment:
        """Return the assignment with a sound choice in place of each fault, which makes the rest a good case."""
        return {node: choice if choice.sound else self._sound_instead(choice) for node, choice in assignment.items()}

    def _sound_instead(self, choice: Choice) -> Choice:
        sound = self._model.fields[choice.node].sound
        return next(
            (one for one in sound if one.value == choice.value and isinstance(one.value, OpenNumber | Items)), sound[0]
        )

    def _kept(self, hard: Sequence[Inequality], soft: Sequence[Soft], turn: int) -> System:
        """Add what can be kept, and remember it: most goals lead to systems that others led to, too.

        Raises `InfeasibleError` where the hard rows alone contradict each other.
        """
        key = (tuple(hard), tuple(soft), turn)
        found = self._systems.get(key)
        if found is None:
            try:
                found = self._extended(hard, soft, turn)
            except InfeasibleError as failure:
                found = failure.certain
            self._systems[key] = found
        if isinstance(found, bool):
            raise InfeasibleError(found)
        return found

    def _extended(self, hard: Sequence[Inequality], soft: Sequence[Soft], turn: int) -> System:
        parts = self._solver.joined((), hard, BEYOND)
        dropped = set()
        rows = tuple(hard)
        for labelled in (True, False):
            chosen = [one for one in soft if one.labelled == labelled]
            plain = tuple(row for one in chosen if len(one.formula) == 1 for row in one.formula[0])
            together, _ = self._with_one_of((plain,), parts, 0)
            if together is None:
                left: Sequence[Soft] = chosen
            else:
                rows, parts = (*rows, *plain), together.parts
                left = [one for one in chosen if len(one.formula) > 1]
            start = turn % len(left) if left else 0
            for one in (*left[start:], *left[:start]):
                added, certain = self._with_one_of(one.formula, parts, turn)
                if added is None and labelled:
                    dropped.add(one.rule)
                    # Whether it falls by itself could not be shown, so it is made to fall.
                    added = None if certain else self._with_one_of(negated(one.formula), parts, turn)[0]
                    if added is None and not certain:
                        raise InfeasibleError(False)
                if added:
                    rows, parts = (*rows, *added.branch), added.parts
        every = tuple(dict.fromkeys(rows))
        return System(every, frozenset(dropped), self._solver.solve(every, BEYOND))

    def _with_one_of(self, formula: Formula, parts: Sequence[Part], turn: int) -> tuple[_Added | None, bool]:
        """Return a branch that can be added, None where there is none; and whether that is certain."""
        certain = True
        start = turn % len(formula) if formula else 0
        for branch in (*formula[start:], *formula[:start]):
            try:
                return _Added(branch, self._solver.joined(parts, branch, BEYOND)), True
            except InfeasibleError as failure:
                certain = certain and failure.certain
        return None, certain


MAX_OF_WORLD: Final = 50
"""The most that a number of a world is that belongs to no entry: integrators report slacks of 20 to 50 ms."""


@cache
def _unbounded(name: str) -> tuple[DrawStep, ...]:
    return (DrawStep(name, (), ()),)


def _past(form: Form) -> tuple[list[Inequality], int, int, int]:
    """Return the rows for a limit ``form >= 0`` that is passed, the least distance, the step and the mirror.

    The distance is ``first + step * BEYOND``: the row has whole solutions for no other.
    """
    step = gcd(*(coefficient for _, coefficient in form.terms)) or 1
    first = -form.constant % step or step
    passed = form.shifted(first).plus(variable(BEYOND), step)
    rows = [at_least_zero(passed), at_least_zero(passed.times(-1)), at_least_zero(variable(BEYOND))]
    mirror = max(0, -2 * form.constant - first) // step
    return rows, first, step, mirror


def _turns(soft: Sequence[Soft], several_sets: bool) -> int:
    branches = max((len(one.formula) for one in soft if one.labelled), default=1)
    labelled = sum(one.labelled for one in soft) if several_sets else 1
    return min(max(branches, labelled, 1), MAX_VARIANTS)


def _smallest(plans: Iterable[Plan]) -> list[Plan]:
    """Leave out plans that break more than another does."""
    every = list(plans)
    return [plan for plan in every if not any(other.breaks < plan.breaks for other in every)]
