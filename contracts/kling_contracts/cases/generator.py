"""Seeded generation without Hypothesis, for corpora and load."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final

from kling_contracts.cases.case import Case
from kling_contracts.cases.choosers import SeededChooser
from kling_contracts.cases.factory import CaseFactory, factory_of
from kling_contracts.cases.goals import VALID, Goal
from kling_contracts.cases.requests import RequestGoal
from kling_contracts.contract import Contract

_FAULTS: Final = 7
"""How many broken cases follow a valid one."""

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

    A valid case is followed by seven broken ones, unless `valid` or `rule` asks for one kind only. `operation` is
    the short name of another than the contract's first one, or `all`: its operations in turn. `http=False` leaves
    out what is wrong with the request itself: every body is then a payload.

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
        goals = factory.places(() if valid else factory.rules(rule, http))
        streams.append(
            _families(factory, goals, chooser, 0 if valid else _FAULTS, is_broken=bool(rule) or valid is False)
        )
    return islice(chain.from_iterable(_in_turn(streams)), n)


def factories(contract: Contract | None, operation: str) -> list[CaseFactory]:
    """Return the factories that `operation` names: the first one's, that of a name, or those of all."""
    if operation != ALL:
        return [factory_of(contract, operation)]
    first = factory_of(contract)
    return [factory_of(first.contract, one.name) for one in first.contract.operations]


def _families(
    factory: CaseFactory, goals: Sequence[Goal | RequestGoal], chooser: SeededChooser, faults: int, *, is_broken: bool
) -> Iterator[list[Case]]:
    """Yield a valid case, unless only broken ones are wanted, and those that follow it."""
    while True:
        sound = factory.case(factory.draw(VALID, chooser))
        rest = [_broken(factory, goals, chooser, sound) for _ in range(faults)]
        yield rest if is_broken else [sound, *rest]


def _broken(factory: CaseFactory, goals: Sequence[Goal | RequestGoal], chooser: SeededChooser, sound: Case) -> Case:
    goal = goals[chooser.below(len(goals))]
    if isinstance(goal, RequestGoal):
        return factory.asked(goal, sound)
    return factory.case(factory.draw(goal, chooser))


def _in_turn(streams: list[Iterator[list[Case]]]) -> Iterator[list[Case]]:
    while True:
        for stream in streams:
            yield next(stream)
