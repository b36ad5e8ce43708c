"""Mixes: the solved combinations of a goal, each with the choices that may stand in it, ready to be drawn."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from kling_contracts.cases.choosers import Chooser, SeededChooser, Simplest
from kling_contracts.cases.drawing import Draw, Values, compiled, loose
from kling_contracts.cases.fields import Choice
from kling_contracts.cases.model import Assignment
from kling_contracts.cases.plans import BEYOND, Plan
from kling_contracts.cases.realising import Make, Substitute
from kling_contracts.cases.texts import NUMBERS, flavours_of
from kling_contracts.cases.variants import Variant
from kling_contracts.facts.ways import OwnText

_SETS: Final = 8
"""Sets of numbers that are drawn once for a plan whose goal hangs on no number."""
_RARE: Final = 8
"""How much rarer a file inside a payload is than any other choice."""


class Outfit:
    """A choice for every node and a variant, with the function that realises both once it is needed."""

    __slots__ = ("assignment", "make", "quote", "shown", "substitute", "variant")

    def __init__(self, assignment: Assignment, variant: Variant, substitute: Substitute | None = None) -> None:
        self.assignment = assignment
        self.variant = variant
        self.substitute = substitute
        self.make: Make | None = None
        self.shown = ""
        self.quote = ""


class ReadyPlan(NamedTuple):
    """A plan with its compiled draws."""

    plan: Plan
    draws: tuple[Draw, ...]
    loose: tuple[str, ...]
    """The numbers that have nothing to do with others, drawn at once."""
    bounds: tuple[tuple[int, int], ...]
    """Theirs, and those of a number that tells cases apart."""
    sets: list[Values]
    """Numbers that were drawn before, the simplest first; empty until some are needed."""

    def values(self, chooser: Chooser) -> Values:
        """Draw all numbers."""
        values: Values = dict(zip(self.loose, chooser.several(self.bounds), strict=True))
        for draw in self.draws:
            draw(values, chooser)
        return values

    def prepared(self, chooser: Chooser) -> Values:
        """Draw one of a few sets of numbers, and the number that tells cases apart."""
        if not self.sets:
            seeded = SeededChooser(0)
            self.sets[:] = [self.values(Simplest()), *(self.values(seeded) for _ in range(_SETS - 1))]
        number, place = divmod(chooser.below(NUMBERS * _SETS), _SETS)
        first, last = self.bounds[0]
        return {**self.sets[place], "n": first + number % (last - first + 1)}


class Mix(NamedTuple):
    """One combination of groups of shapes, solved."""

    outfits: tuple[Outfit, ...]
    plans: tuple[ReadyPlan, ...]
    is_bulky: bool
    """Whether a file stands in the payload, which costs more than all the rest of it."""
    is_padded: bool
    """Whether that file must have exactly the size that is drawn."""


class Mixes(NamedTuple):
    """All solved combinations of a goal, and the same with the bulky ones made rare."""

    every: tuple[Mix, ...]
    weighted: tuple[Mix, ...]
    most: int
    """The most plans and outfits, multiplied, that one of them has."""


def is_padded(plan: Plan, assignment: Assignment) -> bool:
    """Whether a file may have to be larger than it is by itself: a rule asks for more bytes."""
    sizes = {f"{choice.node}.size_bytes" for choice in assignment.values() if _is_file(choice)}
    own = {row for choice in assignment.values() for row in choice.rows}
    return any(name in sizes and factor > 0 and row not in own for row in plan.rows for name, factor in row.terms)


def _is_file(choice: Choice) -> bool:
    return isinstance(choice.value, OwnText) and choice.value.kind == "base64"


def is_bulky(assignment: Assignment) -> bool:
    """Whether a file stands in the payload."""
    return any(map(_is_file, assignment.values()))


def flavours(assignment: Assignment, number: int) -> str:
    """Return in words how the files of a case are written, where not plainly; `number` tells cases apart."""
    kinds = [flavours_of(choice.value) for choice in assignment.values() if isinstance(choice.value, OwnText)]
    said = [some[number % len(some)] for some in kinds if some]
    return "".join(f", {one}" for one in said if one)


def ready(plan: Plan, numbers: tuple[int, int] = (0, NUMBERS - 1)) -> ReadyPlan:
    """Compile the draws of a plan; `numbers` are the bounds of the number that tells cases apart."""
    free = {part[0].name: found for part in plan.parts if (found := loose(part, BEYOND))}
    draws = tuple(compiled(part, BEYOND) for part in plan.parts if part[0].name not in free)
    # The narrowest first: drawn at once, the first ones vary most.
    bounds = {"n": numbers, **dict(sorted(free.items(), key=lambda one: one[1][1] - one[1][0]))}
    return ReadyPlan(plan, draws, tuple(bounds), tuple(bounds.values()), [])


def mixed(every: Sequence[Mix]) -> Mixes:
    """Make those with a file in the payload rare."""
    small = [mix for mix in every if not mix.is_bulky]
    bulky = [mix for mix in every if mix.is_bulky]
    most = max((len(mix.plans) * len(mix.outfits) for mix in every), default=0)
    return Mixes(tuple(every), (*small * (_RARE if bulky else 1), *bulky), most)


def indexes(sizes: Sequence[int], most: int) -> Iterator[tuple[int, ...]]:
    """Yield which shape of each component goes together, each shape at least once; the first is the simplest."""
    seen = set()
    bits = Random(0)
    for turn in range(4 * most):
        picked = tuple(turn % size if turn < max(sizes, default=1) else bits.randrange(size) for size in sizes)
        if picked not in seen:
            seen.add(picked)
            yield picked
        if len(seen) >= most:
            return
