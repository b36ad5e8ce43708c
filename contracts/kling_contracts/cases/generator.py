"""Seeded generation without Hypothesis, for corpora and load."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from random import Random
from typing import Final

from kling_contracts.cases.case import Case
from kling_contracts.cases.generation.changes import Change
from kling_contracts.cases.generation.maker import Maker, draw_change, maker_of
from kling_contracts.cases.generation.plans import Below, draw_plan, pick
from kling_contracts.contract import Contract

_FAULTS: Final = 7
"""How often a plan is broken."""


def generate(
    seed: int,
    n: int,
    contract: Contract | None = None,
    *,
    valid: bool | None = None,
    rule: str | None = None,
    http: bool = True,
) -> Iterator[Case]:
    """Yield `n` cases, always the same for one seed and one contract, by default the documented one.

    A valid case is followed by the same one broken in seven ways, unless `valid` or `rule` asks for one kind
    only. `http=False` leaves out what is wrong with the request itself: every body is then a payload. Raises
    `ValueError` where `rule` is none of the contract's, or is to be broken by valid cases.
    """
    if valid and rule:
        raise ValueError(f"a valid case does not break {rule!r}")
    maker = maker_of(contract)
    bits = Random(seed).getrandbits
    families = _families(lambda options: bits(32) % options, maker, maker.ways(rule, http), 0 if valid else _FAULTS)
    if rule or valid is False:
        families = (broken for _, *broken in families)
    return islice(chain.from_iterable(families), n)


def _families(below: Below, maker: Maker, ways: Sequence[Sequence[Change]], faults: int) -> Iterator[list[Case]]:
    """A valid case, and the same one broken so many times."""
    while True:
        plan = draw_plan(below, maker.limits)
        sound = maker.valid(plan)
        drawn = [draw_change(below, pick(below, ways)) for _ in range(faults)]
        yield [sound, *[maker.changed(plan, by, change, sound) for by, change in drawn]]
