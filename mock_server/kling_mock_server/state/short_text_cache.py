"""Results kept by the text that they were made of: only short ones, since callers may send any number of long ones."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final, TypeVar

T = TypeVar("T")

MAX_LENGTH: Final = 4096
"""Characters of a text whose result is kept."""


def cached_for_short(maxsize: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """Keep the results of a function for the `maxsize` texts that it was asked for last; long ones are asked anew."""

    def decorated(work: Callable[[str], T]) -> Callable[[str], T]:
        kept = lru_cache(maxsize)(work)

        @wraps(work)
        def result(text: str) -> T:
            return kept(text) if len(text) <= MAX_LENGTH else work(text)

        return result

    return decorated
