"""Memory of large bodies that goes back to the system once they are answered."""

import sys
from contextlib import suppress
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_THRESHOLD: Final = 128 * 1024
"""Bytes; glibc's own value at the start of a process."""


def return_large_blocks() -> None:
    """Let glibc give each large block back to the system as soon as it is free; elsewhere nothing is changed.

    By itself it raises both thresholds (mallopt(3)) to the size of the largest block that was freed: after one body of
    7 MB every thread keeps up to 14 MB.
    """
    if not sys.platform.startswith("linux"):
        return
    # Late: it would cost every start of the command some milliseconds.
    import ctypes

    # Another C library has no such function.
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD)
