"""The boundary catalogue: every rule from both sides, ordered by what each row adds to those before it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from kling_contracts.cases.case import Case
from kling_contracts.cases.choosers import CLASSES
from kling_contracts.cases.factory import CaseFactory, Drawn
from kling_contracts.cases.generator import factories
from kling_contracts.cases.goals import VALID, Goal, choices_read, spans_fields
from kling_contracts.cases.mixes import Mix, Outfit, ReadyPlan
from kling_contracts.cases.model import OTHER_TEXT
from kling_contracts.cases.plans import Plan
from kling_contracts.cases.requests import RequestGoal, server_goals
from kling_contracts.cases.texts import flavours_of
from kling_contracts.contract import Contract
from kling_contracts.facts.made_worlds import OTHERS
from kling_contracts.facts.ways import OwnText

MAX_ROWS: Final = 600
MAX_BYTES: Final = 16_000
"""Bytes of a body that a row may have."""
_VALID_ROWS: Final = 60
_MIXES: Final = 6
"""Combinations of shapes that one goal is tried in."""


def catalogue(contract: Contract | None = None, *, operation: str = "") -> tuple[Case, ...]:
    """Return the boundary catalogue: every rule from both sides, every kind of source, what lies near a rule.

    Always the same for one contract, by default the documented one. `operation` as in `generate`. Every row is small,
    and what it breaks is judged by `Contract.report`. The rows that tell most come first.

    Raises `ValueError` where the contract has no such operation, and `DocumentError` where its rules cannot be solved.
    """
    return tuple(case for factory in factories(contract, operation) for case in _kept(factory))


def server_catalogue(contract: Contract | None = None, *, operation: str = "") -> tuple[Case, ...]:
    """Return what `catalogue` leaves out: token times and body sizes, which only a server judges, and rows of MBs.

    Raises as `catalogue` does.
    """
    return tuple(case for factory in factories(contract, operation) for case in _server_rows(factory))


def _kept(factory: CaseFactory) -> tuple[Case, ...]:
    # A suite asks for the rows of one contract many times, and to choose them takes a second.
    derived, key = factory.contract.derived, f"catalogue of {factory.operation.name}"
    if key not in derived:
        derived[key] = tuple(_ordered(_candidates(factory)))
    rows: tuple[Case, ...] = derived[key]
    return rows


class _Candidate(NamedTuple):
    """A row, and what it tells."""

    case: Case
    features: Mapping[Any, int]
    """The features that it shows, and their value."""


class _Fixed:
    """Chooses always the same end: the catalogue has no luck in it."""

    shrinks = False

    def __init__(self, end: str, steps: int = 0, seed: int = 0, number: int = 0) -> None:
        self._end = end
        self._steps = steps
        self._number = number
        self._bits = Random(seed)

    def below(self, options: int) -> int:
        """Return the simplest."""
        return 0

    def between(self, low: int, high: int) -> int:
        """Return one of the ends, or a number in the middle."""
        if self._end == "low":
            return low
        if self._end == "high":
            return high
        return self._bits.choice((low, high)) if self._end == "ends" else self._bits.randint(low, high)

    def several(self, bounds: Sequence[tuple[int, int]]) -> Sequence[int]:
        """Return a number between each pair of bounds; the first one, which tells cases apart, is given."""
        first, last = bounds[0]
        return [first + self._number % (last - first + 1), *(self.between(low, high) for low, high in bounds[1:])]

    def beyond(self, most: int | None) -> int:
        """Return the number of steps that was asked for, as far as that is possible."""
        return self._steps if most is None else min(self._steps, most)


MAX_OTHERS: Final = max(map(len, OTHERS.values()))
"""How many texts may stand in an entry for one that no rule names."""
_MUCH: Final = 2
"""The value of a limit, or of a way to break one."""
_OWN: Final = 3
"""The value of what one row alone can show."""
_NONE: Final[Mapping[Any, int]] = MappingProxyType({})
_ENDS: Final = ("middle", "low", "high", "ends")
_SAYS: Final = {"low": "the numbers are the least", "high": "the numbers are the most", "ends": "many lie at limits"}


def _candidates(factory: CaseFactory) -> Iterator[_Candidate]:
    yield from _valid(factory)
    yield from _flavoured(factory)
    yield from _harmless(factory)
    for goals in factory.goals.values():
        for goal in goals:
            if isinstance(goal, Goal):
                yield from _broken(factory, goal)
    sound = factory.case(factory.draw(VALID, _Fixed("middle")))
    for rule in factory.breakable:
        for asked in factory.goals[rule]:
            if isinstance(asked, RequestGoal):
                yield _Candidate(factory.asked(asked, sound), {("request", asked.says): _OWN})
    for asked in factory.harmless_requests:
        yield _Candidate(factory.asked(asked, sound), {("request", asked.says): _OWN})


def _harmless(factory: CaseFactory) -> Iterator[_Candidate]:
    for goal in factory.harmless:
        for mix in factory.mixes(goal).every:
            drawn = factory.drawn(goal, mix, mix.plans[0], mix.outfits[0], _Fixed("middle"))
            yield _candidate(factory, drawn, "", _of_look_alike(factory, goal))


def _valid(factory: CaseFactory) -> Iterator[_Candidate]:
    mixes = factory.mixes(VALID).every
    count = max(_VALID_ROWS, 4 * len(mixes))
    for place in range(count):
        mix = mixes[place % len(mixes)]
        end = _ENDS[place // len(mixes) % len(_ENDS)]
        drawn = _draw(factory, VALID, mix, _Fixed(end, seed=place, number=place), place // len(mixes))
        yield _candidate(factory, drawn, f"{_SAYS[end]}" if end in _SAYS else f"number {place}")
    for goals in factory.goals.values():
        for goal in goals:
            if isinstance(goal, Goal):
                for place, mix in enumerate(factory.exact(goal)):
                    drawn = _draw(factory, VALID, mix, _Fixed("middle", seed=place), 0)
                    read = choices_read(factory.model, goal, mix.outfits[0].assignment)
                    features: dict[Any, int] = {("exact", goal.says, read): _MUCH}
                    features |= {("exact", goal.says, place): _MUCH} if spans_fields(factory.model, goal) else {}
                    yield _candidate(factory, drawn, f"{goal.rule} is only just kept", features)


def _broken(factory: CaseFactory, goal: Goal) -> Iterator[_Candidate]:
    # A value of a wrong type is one whatever stands beside it.
    for place, mix in enumerate(factory.first_mixes(goal, _MIXES if goal.target else 1)):
        for planned, ready in enumerate(mix.plans[:4]):
            others = sorted(ready.plan.breaks - {goal.rule})
            also = f"with it {', '.join(others)}" if others else ""
            outfit = mix.outfits[place % len(mix.outfits)]
            for step in _steps(ready.plan) if place == planned == goal.more == 0 else (0,):
                # Small numbers fit into the worlds of others.
                is_small = goal.target and 0 < step < CLASSES[4][0] and step != ready.plan.mirror
                chooser = _Fixed("low" if is_small else "middle", step, place)
                drawn = factory.drawn(goal, mix, ready, outfit, chooser)
                is_look_alike = outfit.substitute and factory.keyword(goal.rule)
                features = _features(factory, drawn, step, place, planned)
                yield _candidate(factory, drawn, also, _of_look_alike(factory, goal) if is_look_alike else features)
            if goal.target and place == planned == goal.more == 0:
                yield from _with_others(factory, goal, mix, ready, outfit)
            if goal.target and ready.plan.first and place == planned == goal.more == 0:
                drawn = factory.drawn(goal, mix, ready, outfit, _Fixed("high"))
                says = f"{also}; {_SAYS['high']}" if also else _SAYS["high"]
                yield _candidate(factory, drawn, says, {(goal.rule, goal.says, "high"): _OWN})


def _with_others(factory: CaseFactory, goal: Goal, mix: Mix, ready: ReadyPlan, outfit: Outfit) -> Iterator[_Candidate]:
    """Yield the row of a text that no rule names with each text that may stand for it."""
    ways = [choice.way for choice in outfit.assignment.values() if choice.way]
    entries = [entry for way in ways for entry in way.entries.values() if isinstance(entry, Mapping)]
    if any(OTHER_TEXT in entry.values() for entry in entries):
        for number in range(1, MAX_OTHERS):
            drawn = factory.drawn(goal, mix, ready, outfit, _Fixed("middle", number=number))
            yield _candidate(
                factory, drawn, f"with other text {number}", {(goal.rule, goal.says, "other", number): _OWN}
            )


def _steps(plan: Plan) -> Sequence[int]:
    """Return how many steps past the first distance are tried."""
    if not plan.first:
        return (0,)
    return tuple(dict.fromkeys((0, 1, CLASSES[3][0], CLASSES[4][1], CLASSES[5][1], plan.mirror)))


def _features(factory: CaseFactory, drawn: Drawn, step: int, place: int, planned: int) -> Mapping[Any, int]:
    """The features of a broken row: a conjunct or bound just past its limit is worth more than a wrong type.

    Values beside it count most where the rule reads them: a server may judge each source in a way of its own.
    """
    goal = drawn.goal
    way = (goal.rule, goal.says)
    around = (
        *way,
        step,
        choices_read(factory.model, goal, drawn.outfit.assignment),
        drawn.plan.breaks if planned else goal.more,
    )
    if step or planned or goal.more:
        # A server that lets a second step pass lets the first one pass, too, unless that is far away.
        is_spare = planned or (0 < step < CLASSES[4][0] and step != drawn.plan.mirror)
        return {around: 1 if is_spare else _MUCH if goal.more else _OWN}
    if goal.target or goal.limit:
        repeated = {(*way, place): _MUCH} if spans_fields(factory.model, goal) else {}
        return {**dict.fromkeys([way, (*way, "first"), around], _MUCH), **repeated}
    return {way: _OWN}


def _of_look_alike(factory: CaseFactory, goal: Goal) -> Mapping[Any, int]:
    """The features of a look-alike that is alike in all fields of a type: the first one tells most."""
    kind = ("near", goal.says.partition(" ")[2])
    if goal.rule and factory.keyword(goal.rule) == "required":
        # A misspelt name leaves a field out, whichever it is.
        return {kind: _MUCH}
    return {kind: _MUCH, ("near", goal.says): _MUCH}


def _flavoured(factory: CaseFactory) -> Iterator[_Candidate]:
    """Yield each flavour of a file at a limit of its length, and past it: in turn at all of these limits."""
    for file in _files(factory):
        sides = list(_sides(factory, file))
        for number, kind in enumerate(flavours_of(file)[1:] if sides else (), 1):
            for goal, mix in sides[number % len(sides)]:
                drawn = _draw(factory, goal, mix, _Fixed("low", number=number), 0)
                yield _Candidate(factory.case(drawn), {("flavour", file, kind, goal.rule == ""): _OWN})


def _files(factory: CaseFactory) -> list[OwnText]:
    """Return the files with flavours that stand in valid payloads."""
    written = (file for mix in factory.mixes(VALID).every if mix.is_bulky for file in _written(mix))
    return [file for file in dict.fromkeys(written) if flavours_of(file)]


def _sides(factory: CaseFactory, file: OwnText) -> Iterator[tuple[tuple[Goal, Mix], ...]]:
    """Yield, for each limit on the length of a file, how it is only just kept, and how it is passed."""
    length = f"{file.field}.duration_ms"
    valid = next(mix for mix in factory.mixes(VALID).every if file in _written(mix))
    for goal, form in factory.limits(valid.outfits[0].assignment):
        if length in dict(form.terms) and not goal.more:
            kept = [(VALID, mix) for mix in factory.exact(goal) if file in _written(mix)]
            past = [(goal, mix) for mix in factory.mixes(goal).every if file in _written(mix)]
            if kept and past:
                yield kept[0], past[0]


def _written(mix: Mix) -> list[OwnText]:
    """Return the texts of their own that stand in a payload."""
    return [one.value for one in mix.outfits[0].assignment.values() if isinstance(one.value, OwnText)]


def _draw(factory: CaseFactory, goal: Goal, mix: Mix, chooser: _Fixed, dressed: int) -> Drawn:
    return factory.drawn(
        goal, mix, mix.plans[dressed % len(mix.plans)], mix.outfits[dressed % len(mix.outfits)], chooser
    )


def _candidate(factory: CaseFactory, drawn: Drawn, says: str, features: Mapping[Any, int] = _NONE) -> _Candidate:
    case = factory.case(drawn)
    if says:
        case = replace(case, why=f"{case.why.removesuffix('.')}; {says}.")
    found: dict[Any, int] = {
        **features,
        **{(rule, "falls"): 1 for rule in case.breaks},
        case.breaks: _MUCH,
    }
    if not case.breaks:
        found |= {("stands", choice.number): 1 for choice in drawn.outfit.assignment.values()}
        found |= {(goal.rule, goal.target, "limit"): 2 for goal in _only_just_kept(factory, drawn)}
    return _Candidate(case, found)


def _only_just_kept(factory: CaseFactory, drawn: Drawn) -> Iterator[Goal]:
    """Yield the goals whose limit a valid case stands exactly at."""
    values = drawn.values
    for goal, form in factory.limits(drawn.outfit.assignment):
        is_drawn = all(name in values for name, _ in form.terms)
        if is_drawn and form.constant + sum(factor * values[name] for name, factor in form.terms) == 0:
            yield goal


def _ordered(candidates: Iterable[_Candidate]) -> list[Case]:
    """Order by a greedy cover: always the row that adds most to those before it; the rest as it comes."""
    left = list(_distinct(candidates))
    seen: set[Any] = set()
    rows: list[Case] = []
    gains = [sum(one.features.values()) for one in left]
    while left and len(rows) < MAX_ROWS:
        best = _best(left, gains, seen)
        seen |= left[best].features.keys()
        rows.append(left.pop(best).case)
        gains.pop(best)
    return rows


def _best(left: list[_Candidate], gains: list[int], seen: set[Any]) -> int:
    """Return the place of the row that adds most. A gain only falls, so most need no second look."""
    order = sorted(range(len(left)), key=lambda place: -gains[place])
    best, most = order[0], -1
    for place in order:
        if gains[place] <= most:
            break
        gains[place] = sum(worth for feature, worth in left[place].features.items() if feature not in seen)
        if gains[place] > most:
            best, most = place, gains[place]
    return best


def _distinct(candidates: Iterable[_Candidate]) -> Iterator[_Candidate]:
    """Leave out what is too large, and what sends the same into the same world or says the same once more."""
    sent, said = set(), set()
    for one in candidates:
        key = repr((one.case.request, one.case.world, one.case.others))
        if len(one.case.request.body) <= MAX_BYTES and key not in sent and one.case.why not in said:
            sent.add(key)
            said.add(one.case.why)
            yield one


def _server_rows(factory: CaseFactory) -> Iterator[Case]:
    sound = factory.case(factory.draw(VALID, _Fixed("middle")))
    largest = factory.contract.largest_file or 0
    for goal in server_goals(largest):
        if goal.rule in factory.about:
            yield factory.asked(goal, sound)
    yield from factory.huge(_Fixed("low"))
