"""The format and duration of an audio file, told from its bytes alone.

The payload is not decoded: a duration comes from the headers, frames and sample tables that a decoder would
follow, less what it would trim. Every walk through a file is bounded, so that no upload can hold up a server.
"""

import struct

from kling_contracts.media.audio import m4a, mp3, wav
from kling_contracts.media.audio.duration import AudioError
from kling_contracts.media.audio.sniffing import identify
from kling_contracts.media.iso_media import IsoMediaError

__all__ = ["MEASURED_FORMATS", "AudioError", "identify", "measure"]

_READERS = {"wav": wav.measure, "mp3": mp3.measure, "m4a": m4a.measure}

MEASURED_FORMATS: frozenset[str] = frozenset(_READERS)
"""The names of the formats whose duration can be measured."""


def measure(data: bytes, audio_format: str) -> int:
    """Return the duration of an audio file in whole milliseconds, always at least 1.

    The duration is that of the decoded samples, rounded down, after edit lists and gapless trimming.

    Raises `AudioError` where the bytes do not decode as that format, or hold less than a millisecond of audio. Raises
    `ValueError` where the format is not one of `MEASURED_FORMATS`.
    """
    if audio_format not in _READERS:
        raise ValueError(f"audio_format must be one of {', '.join(sorted(_READERS))}")
    try:
        return _READERS[audio_format](data)
    except IsoMediaError as error:
        raise AudioError(str(error)) from error
    except struct.error as error:
        raise AudioError("A header of the file ends before its fields do.") from error
