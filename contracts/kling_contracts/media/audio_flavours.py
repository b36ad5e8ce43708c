"""Flavours of a format: silent files of one duration that are written in different ways, all of them right.

A reader that takes the short way is found by them: it counts the bytes of a stereo file as those of a mono one, or
looks for the samples of a wav at byte 44.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Final, NamedTuple

from kling_contracts.media import silent_audio
from kling_contracts.media.iso_writer import box
from kling_contracts.media.wav_writer import chunk, wav_file

_WAV_RATE: Final = 1_000
_PNG_IN_ISO: Final = 14
_FRONT_COVER: Final = 3


class Flavour(NamedTuple):
    """One way to write a format."""

    says: str
    """Completes "is an m4a …": in stereo, with a cover; empty for the plain one."""
    make: Callable[[int], bytes]
    """Takes a duration in ms, from 1 to a day, and returns a silent file of exactly that duration."""


def _wav(sample: bytes, channels: int, bits: int, duration_ms: int, *, extensible: bool = False) -> bytes:
    return wav_file(sample * duration_ms, _WAV_RATE, channels=channels, bits=bits, extensible=extensible)


def _wav_with_list(duration_ms: int) -> bytes:
    written_by = chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"Lavf60.16.100\0"))
    return wav_file(b"\x80" * duration_ms, _WAV_RATE, before=written_by)


@cache
def _png() -> bytes:
    """Return a black picture of one pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0", 9)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(body)) + kind + body + _crc(kind + body) for kind, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4)


def _id3_frame(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">I2x", len(body)) + body


def _tagged_mp3(duration_ms: int, *, with_cover: bool = False) -> bytes:
    title = _id3_frame(b"TIT2", b"\0Voice")
    cover = b"\0image/png\0" + bytes([_FRONT_COVER]) + b"\0" + _png()
    return silent_audio.id3_tag(title + _id3_frame(b"APIC", cover) * with_cover) + silent_audio.mp3(duration_ms)


def _m4a_with_cover(duration_ms: int) -> bytes:
    """Return an m4a with a picture where iTunes has it: in the list of a metadata box."""
    picture = box(b"covr", box(b"data", struct.pack(">II", _PNG_IN_ISO, 0) + _png()))
    handler = box(b"hdlr", struct.pack(">8x4s4s9x", b"mdir", b"appl"))
    described = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", picture)))
    return silent_audio.m4a(duration_ms, described=described)


FLAVOURS: Final[Mapping[str, tuple[Flavour, ...]]] = {
    "m4a": (
        Flavour("", silent_audio.m4a),
        Flavour("of the brand mp42", partial(silent_audio.m4a, brand=b"mp42")),
        Flavour("of the brand isom", partial(silent_audio.m4a, brand=b"isom")),
        Flavour("with a cover", _m4a_with_cover),
        Flavour("in stereo", partial(silent_audio.m4a, channels=2)),
        Flavour("with its index in front", partial(silent_audio.m4a, index_first=True)),
    ),
    "mp3": (
        Flavour("", silent_audio.mp3),
        Flavour("with an ID3v2 tag", _tagged_mp3),
        Flavour("with a cover in its ID3v2 tag", partial(_tagged_mp3, with_cover=True)),
        Flavour("in stereo", partial(silent_audio.mp3, channels=2)),
    ),
    "wav": (
        Flavour("", silent_audio.wav),
        Flavour("in stereo", partial(_wav, b"\x80\x80", 2, 8)),
        Flavour("of 16 bits", partial(_wav, b"\0\0", 1, 16)),
        Flavour("of WAVE_FORMAT_EXTENSIBLE", partial(_wav, b"\x80", 1, 8, extensible=True)),
        Flavour("with a LIST chunk before its samples", _wav_with_list),
    ),
}
"""By format, its flavours, the plain one first."""


def flavoured(audio_format: str, number: int, duration_ms: int, size_bytes: int | None = None) -> bytes:
    """Return a silent file of a flavour, counted around from 0, padded as `silent_audio.make` does."""
    flavours = FLAVOURS[audio_format]
    audio = flavours[number % len(flavours)].make(duration_ms)
    return audio if size_bytes is None else silent_audio.padded(audio_format, audio, size_bytes)
