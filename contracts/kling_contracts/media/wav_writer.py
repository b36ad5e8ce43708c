"""Wav files: RIFF chunks around PCM samples."""

import struct
from typing import Final

_PCM, _EXTENSIBLE = 1, 0xFFFE
# The subformat of WAVE_FORMAT_EXTENSIBLE: a format tag, and what makes a GUID of it.
_OF_A_TAG: Final = bytes.fromhex("0000 0000 1000 8000 00AA 00389B71")


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a RIFF chunk."""
    return struct.pack("<4sI", kind, len(body)) + body


def wav_file(
    samples: bytes, rate: int, *, channels: int = 1, bits: int = 8, extensible: bool = False, before: bytes = b""
) -> bytes:
    """Return the file of PCM samples, `rate` of them per second and channel; those of 8 bits are unsigned.

    `before` are chunks in front of the samples; `extensible` describes these as WAVE_FORMAT_EXTENSIBLE.
    """
    block = channels * bits // 8
    tag = _EXTENSIBLE if extensible else _PCM
    coding = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    if extensible:
        coding += struct.pack("<HHIH", 22, bits, (1 << channels) - 1, _PCM) + _OF_A_TAG
    # A chunk takes an even number of bytes; the one too many does not count as its own.
    data = chunk(b"data", samples) + bytes(len(samples) % 2)
    return chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", coding) + before + data)
