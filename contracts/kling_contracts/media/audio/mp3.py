"""MP3: MPEG 1, 2 and 2.5 layer III. Every frame is walked, because the frame count in a header may lie.

A file may hold several recordings, one after the other: each frame lasts as long as its own rate and layer say, and
decoders play frames of layers I and II in between as well. The tables are those of ISO 11172-3 and 13818-3.
"""

import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from kling_contracts.media.audio.duration import AudioError, milliseconds

_MAX_TAGS = 16
_HEADER_BYTES = 4
# Bytes without frames that are searched in all, and the least that each break between frames is taken for.
# Before the first frame decoders skip as many, and any number of zeros.
_MAX_LOST = 65_536
_LEAST_LOST = 64
# No layer III frame is longer, so a recording that was cut out of a stream has a frame start before this.
_MAX_FRAME_BYTES = 1_441
# Frames in a row that make an mp3 of what begins with more than the rest of one frame.
_FRAMES_IN_A_ROW = 4

# The layer bits and, per layer, the kbit/s of MPEG 1 and of later versions. Free format (the first 0) names no length.
_LAYER_1, _LAYER_2, _LAYER_3 = 3, 2, 1
_SLOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_BITRATES = {
    _LAYER_1: (
        (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0),
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0),
    ),
    _LAYER_2: ((0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0), _SLOW),
    _LAYER_3: ((0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0), _SLOW),
}
_SAMPLES = {_LAYER_1: (384, 384), _LAYER_2: (1152, 1152), _LAYER_3: (1152, 576)}
_MPEG_1 = 3
# Hz by the version bits.
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TICKS: Final = 14_112_000
"""Ticks in a second, a multiple of every sample rate: frames of several rates add up exactly."""

_USABLE = bytes(byte for byte in range(256) if 0 < byte >> 4 < 15 and byte >> 2 & 3 != 3)
_THIRD = b"[" + re.escape(_USABLE) + b"]"
_HEADER = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]" + _THIRD, re.DOTALL)
_ANY_HEADER = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]" + _THIRD, re.DOTALL)
_ZEROS = re.compile(rb"\0*")
_INFO = re.compile(rb"Xing|Info|VBRI")
# Which fields follow the mark: frames, bytes, seek table, quality, by their flags and with their sizes.
_INFO_FIELDS = ((1, 4), (2, 4), (4, 100), (8, 4))

# Decoders run late by so many samples, on top of the delay that the encoder noted.
_DECODER_DELAY = 529
# The encoders that note their delay and padding where LAME does.
_GAPLESS = (b"LAME", b"Lavf", b"Lavc")


@dataclass(frozen=True, slots=True)
class _Info:
    """The information in a first frame that holds no audio; samples to drop at the start and at the end."""

    frames: int
    start: int = 0
    end: int = 0


def is_mp3(data: bytes) -> bool:
    """Tell whether a file starts with frames of layer III, or with no more before them than decoders skip."""
    first = _first_frame(data, 0)
    if first is None or first < _MAX_FRAME_BYTES:
        return first is not None
    headers, _ = _run(data, first, _FRAMES_IN_A_ROW)
    return len(headers) == _FRAMES_IN_A_ROW


def is_older_layer(data: bytes, position: int = 0) -> bool:
    """Tell whether frames of layer I or II start at that place."""
    return _HEADER.match(data, position) is None and _next_frame(data, position, position + 3) is not None


def skip_tags(data: bytes, position: int = 0) -> int:
    """Return where the ID3v2 tags at that place end; the end of the file if one claims more."""
    for _ in range(_MAX_TAGS):
        header = data[position : position + 10]
        if len(header) < 10 or not header.startswith(b"ID3") or max(header[6:]) > 127:
            break
        size = header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9]
        position = min(position + 10 + size, len(data))
    return position


def measure(data: bytes) -> int:
    """Return the duration of an mp3 file in whole milliseconds.

    Raises `AudioError` where it holds no two frames of layer III in a row, or no audio. Raises `struct.error` where a
    header ends before its fields do.
    """
    first = _first_frame(data, skip_tags(data))
    if first is None:
        raise AudioError("The file does not start with mp3 frames.")
    headers = _headers(data, first)
    info = _info(data, first)
    unheard = 0 if info is None else _unheard(info, len(headers) - 1, headers[0])
    return milliseconds(_ticks(headers) - unheard, _TICKS)


def _unheard(info: _Info, frames: int, header: bytes) -> int:
    """Return the ticks that a gapless decoder does not play: the first frame's, and what its encoder added."""
    # The end to drop is that of the last frame promised; without that frame there is nothing to drop.
    end = info.end if 0 < info.frames <= frames else 0
    _, samples, rate = _described(header)
    return (samples + info.start + end) * (_TICKS // rate)


def _first_frame(data: bytes, start: int) -> int | None:
    """Return where the first frame of layer III starts that its like or the end of the file follows."""
    zeros = _ZEROS.match(data, start)
    begin = zeros.end() if zeros else start
    return _find_frame(_HEADER, data, begin, begin + _MAX_LOST)


def _next_frame(data: bytes, start: int, stop: int) -> int | None:
    """Return where the first frame of any layer starts that its like or the end of the file follows."""
    return _find_frame(_ANY_HEADER, data, start, stop)


def _find_frame(pattern: re.Pattern[bytes], data: bytes, start: int, stop: int) -> int | None:
    lengths = _lengths()
    for match in pattern.finditer(data, start, stop):
        header = match[0]
        following = match.start() + lengths[header]
        if following == len(data) or _alike(header, data[following : following + 3]):
            return match.start()
    return None


def _alike(header: bytes, other: bytes) -> bool:
    """Tell whether two frames are of one stream: same version, layer and rate."""
    # The last bit of the second byte only says whether a checksum follows.
    return other in _lengths() and header[1] | 1 == other[1] | 1 and header[2] & 0x0C == other[2] & 0x0C


def _headers(data: bytes, position: int) -> list[bytes]:
    """Return the first three bytes of every frame, until too many bytes between the frames were lost."""
    headers: list[bytes] = []
    allowance = _MAX_LOST
    found: int | None = position
    while found is not None:
        run, end = _run(data, found)
        headers += run
        end = skip_tags(data, end)
        found = _next_frame(data, end, end + allowance) if allowance > 0 else None
        allowance -= max((found or end) - end, _LEAST_LOST)
    return headers


def _run(data: bytes, position: int, most: int | None = None) -> tuple[list[bytes], int]:
    """Return the first three bytes of the frames that follow one another, `most` at most, and where those end.

    Decoders play the rest of a frame that the end of the file cuts, so it counts.
    """
    lengths = _lengths()
    headers: list[bytes] = []
    last = len(data) - _HEADER_BYTES
    while position <= last and (length := lengths.get(header := data[position : position + 3])):
        headers.append(header)
        position += length
        if len(headers) == most:
            break
    return headers, position


def _info(data: bytes, frame: int) -> _Info | None:
    """Return what the first frame says, None if it holds audio."""
    # The mark stands behind the side information, whose length varies with version, channels and checksum.
    mark = _INFO.search(data, frame + 13, frame + 42)
    if mark is None:
        return None
    if mark[0] == b"VBRI":
        return _Info(frames=0)
    flags, frames = struct.unpack_from(">II", data, mark.end())
    encoder = mark.end() + 4 + sum(size for bit, size in _INFO_FIELDS if flags & bit)
    return _gapless(data, encoder, frames if flags & 1 else 0)


def _gapless(data: bytes, encoder: int, frames: int) -> _Info:
    """Return what to drop, if the encoder named at that place says so."""
    if data[encoder : encoder + 4] not in _GAPLESS:
        return _Info(frames)
    (trims,) = struct.unpack_from(">I", data, encoder + 20)
    delay, padding = trims >> 12 & 0xFFF, trims & 0xFFF
    # The decoder's delay at the start is also its delay at the end.
    return _Info(frames, delay + _DECODER_DELAY, max(padding - _DECODER_DELAY, 0))


def _ticks(headers: list[bytes]) -> int:
    """Return how long frames play, one after the other.

    When the rate changes, the first frame is still played at the rate before: FFmpeg names the new one a frame late.
    """
    kinds = {header: _described(header)[1:] for header in set(headers)}
    if len({rate for _, rate in kinds.values()}) == 1:
        return sum(count * kinds[header][0] for header, count in Counter(headers).items()) * (
            _TICKS // kinds[headers[0]][1]
        )
    rates = (kinds[header][1] for header in (headers[0], *headers[:-1]))
    return sum(kinds[header][0] * (_TICKS // rate) for header, rate in zip(headers, rates, strict=True))


def _described(header: bytes) -> tuple[int, int, int]:
    """Return length in bytes, samples and samples per second of a frame, by the first three bytes of it."""
    _, second, third = header
    version, layer, padding = second >> 3 & 3, second >> 1 & 3, third >> 1 & 1
    later = version != _MPEG_1
    rate = _RATES[version][third >> 2 & 3]
    samples, bitrate = _SAMPLES[layer][later], _BITRATES[layer][later][third >> 4]
    if layer == _LAYER_1:
        # It is padded by slots of four bytes.
        return (bitrate * 12_000 // rate + padding) * 4, samples, rate
    return samples * 125 * bitrate // rate + padding, samples, rate


@cache
def _lengths() -> Mapping[bytes, int]:
    """Return the length in bytes of every frame by its first three bytes."""
    seconds = [0xE0 | version << 3 | layer << 1 | crc for version in _RATES for layer in _SAMPLES for crc in (0, 1)]
    headers = (bytes((0xFF, second, third)) for second in seconds for third in _USABLE)
    return {header: _described(header)[0] for header in headers}
