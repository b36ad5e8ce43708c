"""The smallest playable mp4 of an exact duration: a still picture of flat grey.

Players seek in it, and `kling_contracts.media.video` measures it to the millisecond and the pixel.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from kling_contracts.media.iso_writer import (
    MOVIE_TIMESCALE,
    box,
    media_box,
    movie_box,
    sample_table_box,
    track_header_box,
)
from kling_contracts.media.silent_audio import AacTrack

_MAX_MS: Final = 60 * 60 * 1000
_MIN_SIDE: Final = 2
_MAX_SIDE: Final = 4_096

_PICTURE_MS: Final = 1_000
"""How long a picture is shown, except for the last."""

_BLOCK: Final = 16
"""Pixels along each side of a macroblock."""

_LEVELS: Final = (
    (99, 10),
    (396, 11),
    (792, 21),
    (1_620, 22),
    (3_600, 31),
    (5_120, 32),
    (8_192, 40),
    (22_080, 50),
    (36_864, 51),
    (139_264, 60),
)
"""The most macroblocks of a picture, and the level of H.264 that its decoders are of at least."""

_BASELINE: Final = 66
_ANY_BASELINE_DECODER: Final = 0xC0

# Kinds of units in the bitstream, and of pictures.
_SEQUENCE, _SETTINGS, _KEY_PICTURE, _NEXT_PICTURE = 0x67, 0x68, 0x65, 0x41
_PREDICTED, _INTRA = 5, 7

# Mean of its neighbours, mid-grey for the first, and nothing on top: in brightness, colour, quantisation and detail.
_GREY_BLOCK: Final = "00100111"

_PRINT_RESOLUTION: Final = 72 << 16


class _Film(NamedTuple):
    """The contents that the tables of the file describe; `sizes` are those of its pictures in bytes."""

    duration_ms: int
    width: int
    height: int
    sizes: list[int]


def mp4(duration_ms: int, width: int = 1280, height: int = 720, sound: AacTrack | None = None) -> bytes:
    """Return a video of a grey picture, one a second: H.264 constrained baseline, without sound unless one is given.

    Raises `ValueError` where the duration is below 1 ms or above an hour, or a side is odd, below 2 or above 4096
    pixels.
    """
    _check(duration_ms, width, height)
    pictures = list(_pictures(-(-duration_ms // _PICTURE_MS), _blocks(width) * _blocks(height)))
    film = _Film(duration_ms, width, height, [len(picture) for picture in pictures])
    brand = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp42")
    # The size of the tables does not depend on where the pictures start.
    start = len(brand) + len(_moov(film, 0, sound)) + 8
    return brand + _moov(film, start, sound) + box(b"mdat", *pictures, sound.media if sound else b"")


def _check(duration_ms: int, width: int, height: int) -> None:
    if not 1 <= duration_ms <= _MAX_MS:
        raise ValueError(f"duration_ms must be from 1 to {_MAX_MS}, not {duration_ms}")
    for name, side in (("width", width), ("height", height)):
        if side % 2 or not _MIN_SIDE <= side <= _MAX_SIDE:
            raise ValueError(f"{name} must be even and from {_MIN_SIDE} to {_MAX_SIDE} pixels, not {side}")


def _blocks(side: int) -> int:
    return -(-side // _BLOCK)


def _unsigned(value: int) -> str:
    """Return the Exp-Golomb code of a number: as many zeros as digits follow its first."""
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _unit(kind: int, bits: str) -> bytes:
    """Return a unit of the bitstream, ended by a 1 and zeros up to a whole byte.

    Bytes that look like the start of a unit would have to be escaped; within the bounds of `mp4`, none do.
    """
    bits = f"{kind:08b}{bits}1"
    whole = bits.ljust(-(-len(bits) // 8) * 8, "0")
    return int(whole, 2).to_bytes(len(whole) // 8)


def _sequence(width: int, height: int) -> bytes:
    """Return the parameters of the whole sequence: pictures are shown as they come, and copy the last one at most."""
    numbering = _unsigned(0) + _unsigned(12) + _unsigned(2) + _unsigned(1) + "0"
    blocks = _unsigned(_blocks(width) - 1) + _unsigned(_blocks(height) - 1)
    # Right and bottom of the last macroblocks are cut off, in steps of two pixels.
    cut = "1" + "".join(_unsigned(0) + _unsigned(-side % _BLOCK // 2) for side in (width, height))
    parameters = f"{_BASELINE:08b}{_ANY_BASELINE_DECODER:08b}{_level(width, height):08b}"
    return _unit(_SEQUENCE, parameters + numbering + blocks + "11" + cut + "0")


def _level(width: int, height: int) -> int:
    across, down = _blocks(width), _blocks(height)
    # No side may be longer than that of eight squares of the largest picture.
    needed = max(across * down, -(-(max(across, down) ** 2) // 8))
    return next(level for most, level in _LEVELS if needed <= most)


def _settings() -> bytes:
    """Return the parameters of all pictures: none of them uses anything, but each says how it is deblocked."""
    return _unit(_SETTINGS, "1100111000111100")


def _pictures(count: int, blocks: int) -> Iterator[bytes]:
    """Yield a grey picture and copies of it, each with its length in front."""
    yield _picture(_KEY_PICTURE, _INTRA, 0, _unsigned(0) + "00", _GREY_BLOCK * blocks)
    skipped = _unsigned(blocks)
    for number in range(1, count):
        yield _picture(_NEXT_PICTURE, _PREDICTED, number, "000", skipped)


def _picture(unit: int, kind: int, number: int, references: str, content: str) -> bytes:
    start = _unsigned(0) + _unsigned(kind) + _unsigned(0) + f"{number:016b}"
    same_quantisation, not_deblocked = "1", "010"
    picture = _unit(unit, start + references + same_quantisation + not_deblocked + content)
    return struct.pack(">I", len(picture)) + picture


def _moov(film: _Film, media_at: int, sound: AacTrack | None) -> bytes:
    header = box(b"vmhd", struct.pack(">I8x", 1))
    media = media_box(MOVIE_TIMESCALE, film.duration_ms, b"vide", header, _sample_table(film, media_at))
    shown = track_header_box(film.duration_ms, width=film.width, height=film.height)
    heard = sound.box(media_at + sum(film.sizes), number=2) if sound else b""
    return movie_box(film.duration_ms, box(b"trak", shown, media), heard)


def _sample_table(film: _Film, media_at: int) -> bytes:
    count = len(film.sizes)
    return sample_table_box(
        _entry(film.width, film.height),
        box(b"stts", _durations(film.duration_ms, count)),
        box(b"stss", struct.pack(">3I", 0, 1, 1)),
        sizes=struct.pack(f">{3 + count}I", 0, 0, count, *film.sizes),
        chunk_samples=count,
        media_at=media_at,
    )


def _durations(duration_ms: int, count: int) -> bytes:
    last = struct.pack(">II", 1, duration_ms - (count - 1) * _PICTURE_MS)
    if count == 1:
        return struct.pack(">II", 0, 1) + last
    return struct.pack(">4I", 0, 2, count - 1, _PICTURE_MS) + last


def _entry(width: int, height: int) -> bytes:
    sequence, settings = _sequence(width, height), _settings()
    decoder = struct.pack(">B3sBBH", 1, sequence[1:4], 0xFF, 0xE1, len(sequence)) + sequence
    decoder += struct.pack(">BH", 1, len(settings)) + settings
    picture = struct.pack(">6xH16xHHII4xH32xHh", 1, width, height, *(_PRINT_RESOLUTION,) * 2, 1, 24, -1)
    return box(b"avc1", picture, box(b"avcC", decoder))
