"""A sorted list of tuples, looked up by how they begin."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

_LEAST = "\0"
"""Less than any character that is printable."""


class Ordered:
    """Tuples in order. To insert one moves those behind it: some microseconds among 10,000."""

    def __init__(self) -> None:
        self._items: list[tuple[Any, ...]] = []

    def add(self, item: tuple[Any, ...]) -> None:
        """Add a tuple."""
        insort(self._items, item)

    def remove(self, item: tuple[Any, ...]) -> None:
        """Remove a tuple that is there."""
        del self._items[bisect_left(self._items, item)]

    def first(self, *beginning: Any) -> tuple[Any, ...] | None:
        """Return the least tuple with that beginning; None where there is none."""
        at = bisect_left(self._items, beginning)
        found = self._items[at] if at < len(self._items) else None
        return found if found and found[: len(beginning)] == beginning else None

    def up_to(self, number: int) -> list[tuple[Any, ...]]:
        """Return the tuples whose first member is not above a number, the least first."""
        return self._items[: bisect_left(self._items, (number + 1,))]

    def names(self) -> Iterator[str]:
        """Yield the first members, printable texts, each once."""
        at = 0
        while at < len(self._items):
            name: str = self._items[at][0]
            yield name
            at = bisect_left(self._items, (name + _LEAST,), at)
