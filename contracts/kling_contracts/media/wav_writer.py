"""Wav files: RIFF chunks around PCM samples of 8 bits, mono."""

import struct

_PCM, _MONO, _BITS = 1, 1, 8


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a RIFF chunk."""
    return struct.pack("<4sI", kind, len(body)) + body


def wav_file(samples: bytes, rate: int) -> bytes:
    """Return the file of unsigned samples of 8 bits, `rate` of them per second."""
    header = chunk(b"fmt ", struct.pack("<HHIIHH", _PCM, _MONO, rate, rate, 1, _BITS))
    # A chunk takes an even number of bytes; the one too many does not count as its own.
    return chunk(b"RIFF", b"WAVE" + header + chunk(b"data", samples) + bytes(len(samples) % 2))
