"""How large the picture of a video track is, as it is shown."""

import struct
from typing import Final

from kling_contracts.media.iso_media import IsoMediaError, Track, required

_FIXED_POINT: Final = 16
"""Sizes in the track header count in parts of a pixel: 2 to the 16th."""

_LONG_DATES: Final = 12
"""Bytes that dates and duration take more in the second version of the track header."""


def size(track: Track) -> tuple[int, int]:
    """Return width and height in pixels, swapped where the picture is turned by a quarter.

    Raises `IsoMediaError` where both the track and its coding leave the size out. Raises `struct.error` where a box
    ends before its fields do.
    """
    header = required(track, b"tkhd")
    skipped = _LONG_DATES * (bytes(header[:1]) == b"\1")
    a, b, c, d, *scaled = struct.unpack_from(">ii4xii16xII", header, 40 + skipped)
    width, height = (round(length / 2**_FIXED_POINT) for length in scaled)
    if not (width and height):
        width, height = _coded_size(required(track, b"stsd"))
    turned = a == d == 0 and b and c
    return (height, width) if turned else (width, height)


def _coded_size(descriptions: memoryview) -> tuple[int, int]:
    """Return the size of the picture in its first coding."""
    width, height = struct.unpack_from(">40xHH", descriptions)
    if not (width and height):
        raise IsoMediaError("The video track does not say how large its picture is.")
    return width, height
