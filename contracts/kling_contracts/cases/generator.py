"""Seeded generation without Hypothesis, for corpora and load."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from kling_contracts.cases.case import Case
from kling_contracts.cases.choosers import SeededChooser
from kling_contracts.cases.factory import CaseFactory, factory_of
from kling_contracts.cases.goals import VALID
from kling_contracts.cases.requests import RequestGoal
from kling_contracts.contract import Contract

_FAULTS: Final = 7
"""How many broken cases follow a valid one."""
_LOOKS_WRONG: Final = 4
"""One valid case of so many looks wrong."""

ALL: Final = "all"
"""Stands for the names of all operations."""


def generate(
    seed: int,
    n: int,
    contract: Contract | None = None,
    *,
    operation: str = "",
    valid: bool | None = None,
    rule: str | None = None,
    http: bool = True,
) -> Iterator[Case]:
    """Yield `n` cases, always the same for one seed and one contract, by default the documented one.

    A valid case is followed by seven broken ones, unless `valid` or `rule` asks for one kind only. A quarter of the
    valid ones look wrong: odd spellings that break nothing. `operation` is the short name of another than the
    contract's first one, or `all`: its operations in turn. `http=False` leaves out what is wrong, or odd, with the
    request itself: every body is then a payload.

    Raises `ValueError` where `rule` is none of the operation's, or is to be broken by valid cases, and
    `DocumentError` where the contract's rules cannot be solved.
    """
    if valid and rule:
        raise ValueError(f"a valid case does not break {rule!r}")
    chooser = SeededChooser(seed)
    made = factories(contract, operation)
    if rule and len(made) > 1:
        made = [factory for factory in made if rule in factory.goals] or made
    streams = []
    for factory in made:
        # The goals of broken cases are solved where some are wanted.
        broken = _Broken(factory, () if valid else factory.rules(rule, http), chooser)
        streams.append(_families(factory, broken, chooser, valid, rule, http))
    return islice(chain.from_iterable(_in_turn(streams)), n)


def factories(contract: Contract | None, operation: str) -> list[CaseFactory]:
    """Return the factories that `operation` names: the first one's, that of a name, or those of all."""
    if operation != ALL:
        return [factory_of(contract, operation)]
    first = factory_of(contract)
    return [factory_of(first.contract, one.name) for one in first.contract.operations]


class _Broken:
    """Broken cases of one factory."""

    def __init__(self, factory: CaseFactory, rules: tuple[str, ...], chooser: SeededChooser) -> None:
        self._factory = factory
        self._goals = factory.places(rules)
        self._chooser = chooser

    def several(self, sound: Case) -> list[Case]:
        """Return the broken cases that follow a valid one."""
        return [self._draw(sound) for _ in range(_FAULTS)]

    def _draw(self, sound: Case) -> Case:
        goal = self._goals[self._chooser.below(len(self._goals))]
        if isinstance(goal, RequestGoal):
            return self._factory.asked(goal, sound)
        return self._factory.case(self._factory.draw(goal, self._chooser))


class _Valid:
    """Valid cases of one factory."""

    def __init__(self, factory: CaseFactory, chooser: SeededChooser, http: bool) -> None:
        self._factory = factory
        self._chooser = chooser
        self._odd = factory.looks_wrong(http)
        self._places = max(1, _LOOKS_WRONG * len(self._odd))

    def draw(self) -> tuple[Case, Case | None]:
        """Return a valid case, and a plain one where that is at hand."""
        place = self._chooser.below(self._places)
        goal = self._odd[place] if place < len(self._odd) else VALID
        if not isinstance(goal, RequestGoal):
            case = self._factory.case(self._factory.draw(goal, self._chooser))
            return case, case if goal is VALID else None
        plain = self._factory.plain(self._chooser)
        return self._factory.asked(goal, plain), plain


def _families(
    factory: CaseFactory, broken: _Broken, chooser: SeededChooser, valid: bool | None, rule: str | None, http: bool
) -> Iterator[list[Case]]:
    """Yield a valid case and the broken ones that follow it."""
    if rule or valid is False:
        while True:
            yield broken.several(factory.plain(chooser))
    sound = _Valid(factory, chooser, http)
    while True:
        case, plain = sound.draw()
        yield [case] if valid else [case, *broken.several(plain or factory.plain(chooser))]


def _in_turn(streams: list[Iterator[list[Case]]]) -> Iterator[list[Case]]:
    while True:
        for stream in streams:
            yield next(stream)
