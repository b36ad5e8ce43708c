"""MP3: MPEG 1, 2 and 2.5 layer III. Every frame is walked, because the frame count in a header may lie."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from kling_contracts.media.audio.duration import AudioError, milliseconds

_MAX_TAGS = 16
_HEADER_BYTES = 4
# Bytes without frames that are searched in all, and the least that each break between frames is taken for.
_MAX_LOST = 65_536
_LEAST_LOST = 64
# No layer III frame is longer, so a recording that was cut out of a stream has a frame start before this.
_LONGEST_FRAME = 1_441

_MPEG_1 = 3
# kbit/s, and Hz by the version bits. Free format (the first 0) names no frame length to follow.
_BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}

_USABLE = bytes(byte for byte in range(256) if 0 < byte >> 4 < 15 and byte >> 2 & 3 != 3)
_HEADER = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][" + re.escape(_USABLE) + rb"]", re.DOTALL)
_INFO = re.compile(rb"Xing|Info|VBRI")
# Which fields follow the mark: frames, bytes, seek table, quality, by their flags and with their sizes.
_INFO_FIELDS = ((1, 4), (2, 4), (4, 100), (8, 4))

# Decoders run late by so many samples, on top of the delay that the encoder noted.
_DECODER_DELAY = 529
# The encoders that note their delay and padding where LAME does.
_GAPLESS = (b"LAME", b"Lavf", b"Lavc")


@dataclass(frozen=True, slots=True)
class _Stream:
    """What the frames of one file have in common, and their lengths by the first three bytes."""

    rate: int
    samples: int
    lengths: dict[bytes, int]


@dataclass(frozen=True, slots=True)
class _Info:
    """What the first frame says instead of holding audio; samples to drop at the start and at the end."""

    frames: int
    start: int = 0
    end: int = 0


def is_mp3(data: bytes) -> bool:
    """Tell whether frames of layer III start within the length of one."""
    return _find_frame(data, 0, _LONGEST_FRAME) is not None


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

    Raises:
        AudioError: it holds no two frames of layer III in a row, or no audio.
        struct.error: a header ends before its fields do.
    """
    start = skip_tags(data)
    first = _find_frame(data, start, start + _MAX_LOST)
    if first is None:
        raise AudioError("The file does not start with mp3 frames.")
    stream = _stream_at(data, first)
    frames = sum(_runs(data, first, stream))
    info = _info(data, first)
    if info is None:
        return milliseconds(frames * stream.samples, stream.rate)
    return milliseconds(_trimmed(info, frames - 1, stream.samples), stream.rate)


def _trimmed(info: _Info, frames: int, frame_samples: int) -> int:
    """Return the samples that a gapless decoder plays of so many frames of audio."""
    # The end to drop is that of the last frame promised; without that frame there is nothing to drop.
    end = info.end if 0 < info.frames <= frames else 0
    return frames * frame_samples - info.start - end


def _find_frame(data: bytes, start: int, stop: int, stream: _Stream | None = None) -> int | None:
    """Return where the first frame (of a stream) starts that its like or the end of the file follows."""
    for match in _HEADER.finditer(data, start, stop):
        position = match.start()
        lengths = (stream or _stream_at(data, position)).lengths
        length = lengths.get(match[0], 0)
        following = position + length
        if length and (following == len(data) or data[following : following + 3] in lengths):
            return position
    return None


def _runs(data: bytes, position: int, stream: _Stream) -> Iterator[int]:
    """Yield the number of frames in each unbroken run, until too many bytes between them were lost."""
    allowance = _MAX_LOST
    while allowance > 0:
        frames, end = _run(data, position, stream.lengths)
        yield frames
        end = skip_tags(data, end)
        found = _find_frame(data, end, end + allowance, stream)
        if found is None:
            return
        allowance -= max(found - end, _LEAST_LOST)
        position = found


def _run(data: bytes, position: int, lengths: dict[bytes, int]) -> tuple[int, int]:
    """Return how many frames follow one another, and where they end.

    Decoders play the rest of a frame that the end of the file cuts, so it counts.
    """
    frames = 0
    last = len(data) - _HEADER_BYTES
    while position <= last and (length := lengths.get(data[position : position + 3])):
        frames += 1
        position += length
    return frames, position


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
    # What the decoder is late at the start, it is late at the end.
    return _Info(frames, delay + _DECODER_DELAY, max(padding - _DECODER_DELAY, 0))


def _stream_at(data: bytes, header: int) -> _Stream:
    return _stream(data[header + 1] >> 3 & 3, data[header + 2] >> 2 & 3)


@cache
def _stream(version: int, rate_index: int) -> _Stream:
    rate = _RATES[version][rate_index]
    samples, bitrates = (1152, _BITRATES_1) if version == _MPEG_1 else (576, _BITRATES_2)
    lengths: dict[bytes, int] = {}
    for third in _USABLE:
        if third >> 2 & 3 == rate_index:
            length = samples * 125 * bitrates[third >> 4] // rate + (third >> 1 & 1)
            # The last bit of the second byte only says whether a checksum follows.
            lengths |= {bytes((0xFF, 0xE2 | version << 3 | bit, third)): length for bit in (0, 1)}
    return _Stream(rate, samples, lengths)
