"""Ids as upstream issues them: 18 decimal digits that grow with time."""

import os
import threading
from collections.abc import Iterator
from itertools import count
from os import urandom
from typing import Final
from weakref import WeakSet

from kling_mock_server.state.stores.store import real_ms

_EPOCH_MS: Final = 1_704_067_200_000
"""2024: from then on ids have 18 digits until 2031."""
_TIME_AT: Final = 22
_MAKER_AT: Final = 10
_MAKERS: Final = 1 << (_TIME_AT - _MAKER_AT)


class Ids:
    """Ever growing ids: milliseconds, a number of their maker (others may share the store), a counter.

    Every second number is left free, for what an id's owner makes.
    """

    _last: int

    def __init__(self) -> None:
        self._enter_process()
        _EVERY.add(self)

    def next(self) -> str:
        """Return an id that was never returned before."""
        with self._lock:
            self._last = max(self._last + 2, (real_ms() - _EPOCH_MS) << _TIME_AT | self._maker << _MAKER_AT)
            return str(self._last)

    def made(self, made_id: str) -> bool:
        """Return whether an id was made here; of one that another process made, it may rarely be wrong."""
        return (_number(made_id) >> _MAKER_AT) % _MAKERS == self._maker

    def _enter_process(self) -> None:
        self._lock = threading.Lock()
        self._maker, self._last = next(_makers) % _MAKERS, 0


def enter_process() -> None:
    """Let all ids be of this process: those that a server forks begin as copies of each other."""
    global _makers
    _makers = _numbers_of_makers()
    for ids in list(_EVERY):
        ids._enter_process()


def _numbers_of_makers() -> Iterator[int]:
    # Drawn once and then counted: no two makers of a process share a number.
    return count(int.from_bytes(urandom(2), "big"))


_makers = _numbers_of_makers()
_EVERY: Final[WeakSet[Ids]] = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=enter_process)


def made_ms(made_id: str) -> int:
    """Return when an id was made, Unix time in ms."""
    return (_number(made_id) >> _TIME_AT) + _EPOCH_MS


def _number(made_id: str) -> int:
    # A world gives its tasks any id.
    return int(made_id) if made_id.isdecimal() and len(made_id) <= _MAX_DIGITS else 0


_MAX_DIGITS: Final = 31
