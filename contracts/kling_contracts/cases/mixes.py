"""Mixes: the solved combinations of a goal, each with the choices that may stand in it, ready to be drawn."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from random import Random
from typing import Final, NamedTuple

from kling_contracts.cases.choosers import Chooser, SeededChooser, Simplest
from kling_contracts.cases.drawing import Draw, Values, compiled, compiled_at_once, loose
from kling_contracts.cases.fields import Choice
from kling_contracts.cases.linear import DrawStep
from kling_contracts.cases.model import Assignment
from kling_contracts.cases.payloads import Substitute
from kling_contracts.cases.plans import BEYOND, Plan
from kling_contracts.cases.realising import Realised
from kling_contracts.cases.texts import NUMBERS, flavours_of
from kling_contracts.cases.variants import Variant
from kling_contracts.facts.ways import OwnText

_SETS: Final = 8
"""Sets of numbers that are drawn once for a plan whose goal hangs on no number."""
_RARE: Final = 16
"""How much rarer a file inside a payload is than any other choice."""


class Outfit:
    """A choice for every node and a variant, realised once it is needed."""

    __slots__ = ("assignment", "quote", "realised", "shown", "substitute", "variant", "why")

    def __init__(self, assignment: Assignment, variant: Variant, substitute: Substitute | None = None) -> None:
        self.assignment = assignment
        self.variant = variant
        self.substitute = substitute
        self.realised: Realised | None = None
        self.why = ""
        """The sentence of a case, where it says no more than the goal and `shown`."""
        self.shown = ""
        """The choices that are not the usual ones, in words."""
        self.quote = ""


class Numbers:
    """The numbers of a solved system, and what draws them, which is compiled once it is needed."""

    def __init__(self, parts: Sequence[tuple[DrawStep, ...]]) -> None:
        self._parts = parts

    @cached_property
    def free(self) -> tuple[tuple[str, tuple[int, int]], ...]:
        """Numbers that have nothing to do with others, with their bounds."""
        found = [(part[0].name, bounds) for part in self._parts if (bounds := loose(part, BEYOND))]
        # The narrowest first: drawn at once, the first ones vary most.
        return tuple(sorted(found, key=lambda one: one[1][1] - one[1][0]))

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """The functions that draw all other numbers."""
        return tuple(compiled(part, BEYOND) for part in self._parts if not loose(part, BEYOND))

    @cached_property
    def seeded_draws(self) -> tuple[Draw, ...]:
        """The functions that draw all numbers from a seed."""
        tied = [part for part in self._parts if not loose(part, BEYOND)]
        return (compiled_at_once(self.free), *(compiled(part, BEYOND, is_seeded=True) for part in tied))

    def drawn(self, values: Values, chooser: Chooser, bounds: tuple[int, int]) -> int:
        """Put every number into `values`, and return another one, which lies between `bounds`."""
        number, *free = chooser.several([bounds, *(bounds for _, bounds in self.free)])
        values |= zip((name for name, _ in self.free), free, strict=True)
        for draw in self.draws:
            draw(values, chooser)
        return number

    @cached_property
    def sets(self) -> tuple[Values, ...]:
        """Numbers that were drawn once, the simplest first."""
        found: tuple[Values, ...] = tuple({} for _ in range(_SETS))
        seeded = SeededChooser(0)
        self.drawn(found[0], Simplest(), (0, 0))
        for values in found[1:]:
            seeded.below(1)
            for draw in self.seeded_draws:
                draw(values, seeded)
        return found


class ReadyPlan:
    """A plan with what draws its numbers."""

    __slots__ = ("_first", "_texts", "_width", "numbers", "plan")

    def __init__(
        self, plan: Plan, numbers: Numbers, texts: Mapping[int, Values], bounds: tuple[int, int] = (0, NUMBERS - 1)
    ) -> None:
        """`texts`: by the number that tells cases apart, what hangs on it alone; `bounds` are that number's."""
        self.plan = plan
        self.numbers = numbers
        self._texts = texts
        self._first, self._width = bounds[0], bounds[1] - bounds[0] + 1

    def values(self, chooser: Chooser) -> Values:
        """Draw all numbers."""
        if isinstance(chooser, SeededChooser):
            values = self._texts[self._first + chooser.below(self._width)].copy()
            for draw in self.numbers.seeded_draws:
                draw(values, chooser)
            return values
        values = {}
        number = self.numbers.drawn(values, chooser, (self._first, self._first + self._width - 1))
        return values | self._texts[number]

    def prepared(self, chooser: Chooser) -> Values:
        """Draw one of a few sets of numbers, and the number that tells cases apart."""
        number, place = divmod(chooser.below(NUMBERS * _SETS), _SETS)
        return self.numbers.sets[place] | self._texts[self._first + number % self._width]


class Mix(NamedTuple):
    """One combination of groups of shapes, solved."""

    outfits: tuple[Outfit, ...]
    plans: tuple[ReadyPlan, ...]
    pairs: tuple[tuple[ReadyPlan, Outfit], ...]
    """Each plan with each outfit."""
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


def mix_of(outfits: Iterable[Outfit], plans: Iterable[ReadyPlan]) -> Mix:
    """Return a combination; its outfits leave the same inequalities."""
    dressed, planned = tuple(outfits), tuple(plans)
    first = dressed[0].assignment
    padded = any(is_padded(ready.plan, first) for ready in planned)
    return Mix(dressed, planned, tuple(product(planned, dressed)), is_bulky(first), padded)


def mixed(every: Sequence[Mix]) -> Mixes:
    """Make those with a file in the payload rare."""
    small = [mix for mix in every if not mix.is_bulky]
    bulky = [mix for mix in every if mix.is_bulky]
    most = max((len(mix.pairs) for mix in every), default=0)
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
