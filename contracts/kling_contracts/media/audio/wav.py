"""WAV: RIFF, RF64 and BW64 files with PCM or compressed samples."""

import struct
from dataclasses import dataclass

from kling_contracts.media.audio import mp3
from kling_contracts.media.audio.duration import AudioError, milliseconds

_MAX_CHUNKS = 20_000
_UNKNOWN_SIZE = 0xFFFFFFFF

# Format tags: PCM, IEEE float, A-law, mu-law.
_UNCOMPRESSED = frozenset({1, 3, 6, 7})
_MP3 = 0x55
_EXTENSIBLE = 0xFFFE

_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


@dataclass(frozen=True, slots=True)
class _Coding:
    tag: int
    channels: int
    rate: int
    bytes_per_second: int
    block_bytes: int
    bits: int
    block_samples: int


def is_wav(data: bytes) -> bool:
    """Tell whether the bytes start as a wav file does."""
    return data[:4] in (b"RIFF", b"RF64", b"BW64") and data[8:12] == b"WAVE"


def measure(data: bytes) -> int:
    """Return the duration of a wav file in whole milliseconds.

    Raises `AudioError` where it is not a wav file, or holds no audio. Raises `struct.error` where a header ends before
    its fields do.
    """
    if not is_wav(data):
        raise AudioError("A wav file starts with a RIFF header.")
    chunks = _chunks(data)
    coding = _coding(data, *chunks[b"fmt "])
    audio = _audio(data, chunks)
    if coding.tag == _MP3:
        return mp3.measure(bytes(audio))
    if coding.tag in _UNCOMPRESSED:
        return milliseconds(_plain_samples(coding, len(audio)), coding.rate)
    if coding.block_samples and coding.block_bytes:
        return milliseconds(_block_samples(coding, len(audio), _promised(data, chunks)), coding.rate)
    return milliseconds(len(audio), coding.bytes_per_second)


def _chunks(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Return where the chunks up to the audio start and the size they claim, the first of each kind."""
    chunks: dict[bytes, tuple[int, int]] = {}
    position = 12
    for _ in range(_MAX_CHUNKS):
        if b"data" in chunks or position + _CHUNK.size > len(data):
            break
        kind, size = _CHUNK.unpack_from(data, position)
        position += _CHUNK.size
        chunks.setdefault(kind, (position, size))
        position += size + size % 2
    if not chunks.keys() >= {b"fmt ", b"data"}:
        raise AudioError("The wav file does not describe its audio, or has none.")
    return chunks


def _coding(data: bytes, start: int, size: int) -> _Coding:
    tag, channels, rate, bytes_per_second, block_bytes, bits = _FORMAT.unpack_from(data, start)
    block_samples = _uint16(data, start + 18) if size >= 20 else 0
    if tag == _EXTENSIBLE:
        tag = _uint16(data, start + 24)
    return _Coding(tag, channels, rate, bytes_per_second, block_bytes, bits, block_samples)


def _audio(data: bytes, chunks: dict[bytes, tuple[int, int]]) -> memoryview:
    """Return the audio, to the end of the file if its size is unknown or beyond it."""
    start, size = chunks[b"data"]
    if size == _UNKNOWN_SIZE and b"ds64" in chunks:
        (size,) = struct.unpack_from("<8xQ", data, chunks[b"ds64"][0])
    # A writer that cannot seek back leaves 0 or the greatest size; both mean that it did not know.
    return memoryview(data)[start : start + (size or _UNKNOWN_SIZE)]


def _promised(data: bytes, chunks: dict[bytes, tuple[int, int]]) -> int:
    """Return how many samples the fact chunk says there are, 0 without one."""
    if b"fact" not in chunks:
        return 0
    (samples,) = struct.unpack_from("<I", data, chunks[b"fact"][0])
    return int(samples)


def _plain_samples(coding: _Coding, size: int) -> int:
    width = max(coding.block_bytes, coding.channels * ((coding.bits + 7) // 8))
    if width == 0:
        raise AudioError("The wav header says that a sample takes no bytes.")
    return size // width


def _block_samples(coding: _Coding, size: int, promised: int) -> int:
    """Return the samples in whole compressed blocks. The promise only tells where the last one ends."""
    held = size // coding.block_bytes * coding.block_samples
    return promised if held - coding.block_samples < promised < held else held


def _uint16(data: bytes, position: int) -> int:
    (value,) = struct.unpack_from("<H", data, position)
    return int(value)
