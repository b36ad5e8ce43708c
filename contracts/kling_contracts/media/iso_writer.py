"""Boxes of ISO base media files (ISO 14496-12), as the makers of silent audio and still video write them."""

import struct
from typing import Final

MOVIE_TIMESCALE: Final = 1_000
"""Units per second of the times in a movie header: milliseconds."""
_NO_ROTATION: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_NO_LANGUAGE: Final = 0x55C4
_TRACK_ENABLED: Final = 3
_FULL_VOLUME: Final = 0x100
_NEXT_TRACK: Final = 3


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box of a kind that holds the parts, one after the other (4.2)."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


_THIS_FILE: Final = struct.pack(">II", 0, 1) + box(b"url ", struct.pack(">I", 1))
"""The one entry of a data reference: the media lie in the same file (8.7.2)."""


def movie_box(duration_ms: int, *parts: bytes) -> bytes:
    """Return the `moov` box of a movie of one or two tracks and what else describes it (8.2.1, 8.2.2)."""
    times = (0, 0, 0, MOVIE_TIMESCALE, duration_ms)
    header = struct.pack(">5IIH10x36s24xI", *times, 0x10000, _FULL_VOLUME, _NO_ROTATION, _NEXT_TRACK)
    return box(b"moov", box(b"mvhd", header), *parts)


def track_header_box(duration_ms: int, *, number: int = 1, volume: int = 0, width: int = 0, height: int = 0) -> bytes:
    """Return the `tkhd` box of a track (8.3.2); `width` and `height` in pixels, `volume` 0x100 for sound."""
    times = struct.pack(">6I", _TRACK_ENABLED, 0, 0, number, 0, duration_ms)
    shown = struct.pack(">12xH2x36sII", volume, _NO_ROTATION, width << 16, height << 16)
    return box(b"tkhd", times, shown)


def media_box(timescale: int, duration: int, handler: bytes, header: bytes, sample_table: bytes) -> bytes:
    """Return the `mdia` box of a track whose media lie in the same file (8.4.1 to 8.4.4, 8.7.2).

    `timescale` is in units per second, `duration` in those units; `header` is the box that the handler's kind of
    media requires.
    """
    times = struct.pack(">5IHH", 0, 0, 0, timescale, duration, _NO_LANGUAGE, 0)
    source = box(b"dinf", box(b"dref", _THIS_FILE))
    information = box(b"minf", header, source, sample_table)
    return box(b"mdia", box(b"mdhd", times), box(b"hdlr", struct.pack(">8x4s13x", handler)), information)


def sample_table_box(entry: bytes, *tables: bytes, sizes: bytes, chunk_samples: int, media_at: int) -> bytes:
    """Return the `stbl` box of media in one chunk of samples that begins at a byte of the file (8.5 to 8.7).

    `entry` describes the samples, `tables` are the boxes of their times, `sizes` is the body of the `stsz` box.
    """
    return box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), entry),
        *tables,
        box(b"stsc", struct.pack(">5I", 0, 1, 1, chunk_samples, 1)),
        box(b"stsz", sizes),
        box(b"stco", struct.pack(">3I", 0, 1, media_at)),
    )
