"""Garbage collection of a command: rare while it starts, none at its end."""

import atexit
import gc
from typing import Final

_RARE: Final = 100_000
"""Objects made between two collections; a command imports about half as many, and none of them is garbage."""
_USUAL: Final = gc.get_threshold()


def collect_rarely() -> None:
    """Collect garbage rarely, and none when the process ends: all its memory goes back then."""
    gc.set_threshold(_RARE, *_USUAL[1:])
    atexit.register(gc.freeze)


def collect_as_usual() -> None:
    """Collect garbage as Python does by itself, but among new objects only; a server calls it once it is ready.

    Its modules and its contract are never garbage, and looking through it again would cost every request.
    """
    gc.freeze()
    gc.set_threshold(*_USUAL)
