"""Choosers: where the decisions and numbers of a case come from."""

from collections.abc import Sequence
from random import Random
from typing import Final, Protocol

CLASSES: Final = ((0, 0), (1, 1), (2, 98), (99, 9_998), (9_999, 10**6), (2**32 - 999, 2**32 - 2))
"""Steps past the limit: at once behind it, one further, about 1 %, more, and so far that a swapped pair shows.

The last ones are those that a number of 32 bits takes for one just within the limit.
"""


class Chooser(Protocol):
    """Draws numbers: from a seed, or through Hypothesis."""

    shrinks: bool
    """Whether a failure is shrunk to the fewest draws."""

    def below(self, options: int) -> int:
        """Return a number from 0 up to, but not including, `options`; 0 is the simplest."""

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`; the one nearest to 0 is the simplest."""

    def several(self, bounds: Sequence[tuple[int, int]]) -> Sequence[int]:
        """Return a number between each pair of bounds, all at once; often one of the two."""

    def beyond(self, most: int | None) -> int:
        """Return how many steps to go past the first distance behind a limit; None: as many as wanted."""


class SeededChooser:
    """Draws from a seed; what lies at an end is drawn often."""

    shrinks = False

    def __init__(self, seed: int) -> None:
        self.random = Random(seed).random
        """Return a fraction from 0 up to, but not including, 1."""

    def below(self, options: int) -> int:
        """Return a number from 0 up to, but not including, `options`."""
        return int(self.random() * options)

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, one time in five one of the two."""
        drawn = self.random() * 1.25
        if drawn < 1:
            return low + int(drawn * (high - low + 1))
        return low if drawn < 1.125 else high

    def several(self, bounds: Sequence[tuple[int, int]]) -> Sequence[int]:
        """Return a number between each pair of bounds."""
        return [self.between(low, high) for low, high in bounds]

    def beyond(self, most: int | None) -> int:
        """Return how far to go past the first distance: not at all half of the time."""
        if self.random() < 0.5 or most == 0:
            return 0
        low, high = CLASSES[1 + self.below(len(CLASSES) - 1)]
        if most is not None:
            low, high = min(low, most), min(high, most)
        return low + self.below(high - low + 1)


class Simplest:
    """Chooses the simplest of everything."""

    shrinks = False

    def below(self, options: int) -> int:
        """Return 0."""
        return 0

    def between(self, low: int, high: int) -> int:
        """Return the number nearest to 0."""
        return min(max(0, low), high)

    def several(self, bounds: Sequence[tuple[int, int]]) -> Sequence[int]:
        """Return the number nearest to 0 between each pair of bounds."""
        return [self.between(low, high) for low, high in bounds]

    def beyond(self, most: int | None) -> int:
        """Return the first distance."""
        return 0
