"""Silent audio in formats that are recognised and not measured, so that nothing but the format can be wrong with it.

Each file decodes, and plays for as long as asked or up to one frame longer.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Final

from kling_contracts.media import silent_audio, still_video

_OPUS_RATE: Final = 48_000
_OPUS_PACKET: Final = b"\xfb\x06" + b"\xff\xfe" * 6
"""Six frames of 20 ms of silence, mono (RFC 6716)."""
_OPUS_PACKET_MS: Final = 120
_OPUS_LATE: Final = 312
"""Samples that a decoder drops at the start."""
_OPUS_HEAD: Final = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, _OPUS_LATE, _OPUS_RATE, 0, 0)
_OPUS_TAGS: Final = b"OpusTags" + struct.pack("<I4sI", 4, b"none", 0)
_PACKETS_IN_A_PAGE: Final = 50
_ADTS_FRAME_MS: Final = 128
_AMR_FRAME_MS: Final = 20
_FLAC_BLOCK: Final = 4_000
_FLAC_RATE: Final = 8_000
_AIFF_RATE: Final = bytes.fromhex("4008 FA00000000000000")
"""1 kHz as an extended float of 80 bits."""
_SEGMENT_SIDE: Final = (64, 64)
"""Pixels of a picture that nobody looks at."""


def ogg(duration_ms: int) -> bytes:
    """Return Opus in Ogg (RFC 3533, RFC 7845)."""
    pages = [_ogg_page([_OPUS_HEAD], 0, 0, 2), _ogg_page([_OPUS_TAGS], 0, 1, 0)]
    packets, end = _opus_packets(duration_ms), _OPUS_LATE + duration_ms * _OPUS_RATE // 1000
    for first in range(0, packets, _PACKETS_IN_A_PAGE):
        last = min(first + _PACKETS_IN_A_PAGE, packets)
        position = min(last * _OPUS_PACKET_MS * _OPUS_RATE // 1000, end)
        pages.append(_ogg_page([_OPUS_PACKET] * (last - first), position, len(pages), 4 * (last == packets)))
    return b"".join(pages)


def _opus_packets(duration_ms: int) -> int:
    late_ms = -(-_OPUS_LATE * 1000 // _OPUS_RATE)
    return -(-(duration_ms + late_ms) // _OPUS_PACKET_MS)


def _ogg_page(packets: list[bytes], position: int, number: int, flags: int) -> bytes:
    sizes = bytes(map(len, packets))
    header = struct.pack("<4sBBqII", b"OggS", 0, flags, position, 1, number)
    rest = bytes([len(sizes)]) + sizes + b"".join(packets)
    checksum = _checksum(header + bytes(4) + rest, 32, 0x04C11DB7)
    return header + checksum.to_bytes(4, "little") + rest


def _checksum(data: bytes, bits: int, polynomial: int) -> int:
    """Return a cyclic redundancy check, the highest bit first, begun with 0."""
    value, mask, remainders = 0, (1 << bits) - 1, _remainders(bits, polynomial)
    for byte in data:
        value = value << 8 & mask ^ remainders[value >> bits - 8 ^ byte]
    return value


@cache
def _remainders(bits: int, polynomial: int) -> tuple[int, ...]:
    """Return the check of each byte."""
    top, mask, found = 1 << bits - 1, (1 << bits) - 1, []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
        found.append(value)
    return tuple(found)


def webm(duration_ms: int) -> bytes:
    """Return Opus in WebM (RFC 8794, RFC 9559)."""
    head = _element("1A45DFA3", _number("4286", 1), _number("42F7", 1), _element("4282", b"webm"), _number("4287", 2))
    sound = _element("E1", _element("B5", struct.pack(">d", _OPUS_RATE)), _number("9F", 1))
    track = _element(
        "AE",
        *(_number(name, 1) for name in ("D7", "73C5")),
        _number("83", 2),
        _element("86", b"A_OPUS"),
        _element("63A2", _OPUS_HEAD),
        sound,
    )
    information = _element(
        "1549A966",
        _number("2AD7B1", 1_000_000),
        _element("4489", struct.pack(">d", duration_ms)),
        *(_element(name, b"none") for name in ("4D80", "5741")),
    )
    segment = _element("18538067", information, _element("1654AE6B", track), *_clusters(_opus_packets(duration_ms)))
    return head + segment


def _clusters(packets: int) -> Iterator[bytes]:
    for first in range(0, packets, _PACKETS_IN_A_PAGE):
        count = min(packets - first, _PACKETS_IN_A_PAGE)
        blocks = (b"\x81" + struct.pack(">hB", n * _OPUS_PACKET_MS, 0x80) + _OPUS_PACKET for n in range(count))
        yield _element("1F43B675", _number("E7", first * _OPUS_PACKET_MS), *(_element("A3", block) for block in blocks))


def _element(name: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes.fromhex(name) + (len(body) | 1 << 28).to_bytes(4) + body


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, -(-value.bit_length() // 8))))


def adts(duration_ms: int) -> bytes:
    """Return bare AAC-LC at 8 kHz, mono (ISO 14496-3, annex 1.A)."""
    frame = silent_audio.AAC_FRAMES[1]
    # No checksum; LC, 8 kHz, one channel; the length has 13 bits.
    header = (0xFFF1 << 40 | 1 << 38 | 11 << 34 | 1 << 30 | len(frame) + 7 << 13 | 0x7FF << 2).to_bytes(7)
    return (header + frame) * -(-duration_ms // _ADTS_FRAME_MS)


def amr(duration_ms: int) -> bytes:
    """Return AMR of frames of zeros at 4.75 kbit/s (RFC 4867, section 5)."""
    return b"#!AMR\n" + b"\x04".ljust(13, b"\0") * -(-duration_ms // _AMR_FRAME_MS)


def aiff(duration_ms: int) -> bytes:
    """Return AIFF of 8 bits at 1 kHz, mono."""
    common = struct.pack(">hIh", 1, duration_ms, 8) + _AIFF_RATE
    sound = bytes(8 + duration_ms + duration_ms % 2)
    chunks = b"COMM" + struct.pack(">I", len(common)) + common + b"SSND" + struct.pack(">I", 8 + duration_ms) + sound
    return b"FORM" + struct.pack(">I", 4 + len(chunks)) + b"AIFF" + chunks


def flac(duration_ms: int) -> bytes:
    """Return FLAC of blocks without a change, 16 bits at 8 kHz, mono (RFC 9639)."""
    blocks = -(-duration_ms * _FLAC_RATE // 1000 // _FLAC_BLOCK) or 1
    described = (_FLAC_RATE << 44 | 15 << 36 | blocks * _FLAC_BLOCK).to_bytes(8)
    information = struct.pack(">HH6x", _FLAC_BLOCK, _FLAC_BLOCK) + described + bytes(16)
    return b"fLaC\x80\0\0\x22" + information + b"".join(map(_flac_block, range(blocks)))


def _flac_block(number: int) -> bytes:
    # Its number is written as UTF-8 does; the size of the block follows.
    header = b"\xff\xf8\x74\x08" + chr(number).encode() + struct.pack(">H", _FLAC_BLOCK - 1)
    block = header + _checksum(header, 8, 0x07).to_bytes() + bytes(3)
    return block + _checksum(block, 16, 0x8005).to_bytes(2)


def filmed(duration_ms: int) -> bytes:
    """Return an mp4 with the sound of an m4a, and a picture beside it."""
    return still_video.mp4(duration_ms, *_SEGMENT_SIDE, silent_audio.AacTrack(duration_ms))


FOREIGN: Final[Mapping[str, Callable[[int], bytes]]] = {
    "ogg": ogg,
    "webm": webm,
    "aac": adts,
    "mov": partial(silent_audio.m4a, brand=b"qt  "),
    "3gp": partial(silent_audio.m4a, brand=b"3gp4"),
    "mp4": filmed,
    "flac": flac,
    "amr": amr,
    "aiff": aiff,
}
"""By format, what makes a file from a duration in ms: from 1 to an hour."""
