"""The mock's stand-in for speech: how long a text takes to say, and something to hear for just as long.

Upstream promises no pace; the one here is ours. It follows the text and the speed, which is what a client plans by.
"""

import math
import unicodedata
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from kling_contracts.media.wav_writer import wav_file

MIN_MS: Final = 300
"""No text is shorter than this, whatever the speed."""
MAX_MS: Final = 60 * 60 * 1000
"""The longest audio that is made."""
RATE: Final = 8_000
"""Samples per second of the audio."""

_CJK_MS: Final = 222
_LETTER_MS: Final = 71
_PAUSE_MS: Final = 180

_MIN_SPEED: Final = 0.1
_MAX_SPEED: Final = 10.0


def duration_ms(text: str, speed: float) -> int:
    """Return how long a text takes to say, in whole milliseconds, at least `MIN_MS`.

    At speed 1 these are about 4.5 Chinese, Japanese or Korean characters or 14 letters of other scripts a second, a
    punctuation mark is a pause of 180 ms, and space takes no time. The speed is rounded to one decimal, half up.

    Raises:
        ValueError: the speed is not from 0.1 to 10.
    """
    if not _MIN_SPEED <= speed <= _MAX_SPEED:
        raise ValueError(f"speed must be from {_MIN_SPEED} to {_MAX_SPEED}, not {speed}")
    # At first use, like everything that only some calls need.
    from decimal import ROUND_HALF_UP, Decimal

    tenths = int(Decimal(str(speed)).quantize(Decimal("0.1"), ROUND_HALF_UP) * 10)
    unhurried_ms = sum(map(_character_ms, text))
    return max(MIN_MS, (unhurried_ms * 10 + tenths // 2) // tenths)


def wav(duration_ms: int, voice: str = "") -> bytes:
    """Return so much audible babble as a wav file: PCM, 8 bits, 8 kHz, mono. Its pitch depends on the voice.

    Raises:
        ValueError: the duration is below 1 ms or above `MAX_MS`.
    """
    if not 1 <= duration_ms <= MAX_MS:
        raise ValueError(f"duration_ms must be from 1 to {MAX_MS}, not {duration_ms}")
    samples = duration_ms * RATE // 1000
    phrase = _phrase(_pitch(voice))
    babble = (phrase * (samples // len(phrase) + 1))[:samples]
    fading = min(_FADE_SAMPLES, samples)
    return wav_file(babble[:-fading] + _faded(babble[-fading:]), RATE)


@lru_cache(maxsize=4096)
def _character_ms(character: str) -> int:
    kind = unicodedata.category(character)[0]
    if kind in "ZC":
        return 0
    if kind == "P":
        return _PAUSE_MS
    return _CJK_MS if unicodedata.east_asian_width(character) in "WF" else _LETTER_MS


_MIN_HZ: Final = 110
_RANGE_HZ: Final = 140

_MIDDLE: Final = 128
_LOUDNESS: Final = 45
_HARMONICS: Final = (0.6, 0.3, 0.1)
_FADE_SAMPLES: Final = RATE // 50

# A sentence of seven syllables, each by how much its pitch differs, in percent; it falls towards its end.
_MELODY: Final = (100, 112, 106, 118, 104, 98, 88)
_SYLLABLE_SAMPLES: Final = RATE * 17 // 100
_GAP: Final = bytes([_MIDDLE]) * (RATE * 5 // 100)
_SENTENCE_GAP: Final = bytes([_MIDDLE]) * (RATE * 25 // 100)


def _pitch(voice: str) -> float:
    return _MIN_HZ + _RANGE_HZ * zlib.crc32(voice.encode("utf-8", "replace")) / 2**32


@lru_cache(maxsize=32)
def _phrase(pitch: float) -> bytes:
    """Return one sentence of babble, silent at both ends."""
    return b"".join(_syllable(pitch * percent / 100) + _GAP for percent in _MELODY) + _SENTENCE_GAP


def _syllable(pitch: float) -> bytes:
    step = math.tau * pitch / RATE
    rise = math.pi / _SYLLABLE_SAMPLES
    return _unsigned(_voiced(step * at) * math.sin(rise * at) ** 2 for at in range(_SYLLABLE_SAMPLES))


def _voiced(phase: float) -> float:
    return sum(part * math.sin(phase * number) for number, part in enumerate(_HARMONICS, 1))


def _unsigned(levels: Iterable[float]) -> bytes:
    return bytes(_MIDDLE + round(level * _LOUDNESS) for level in levels)


def _faded(samples: bytes) -> bytes:
    last = len(samples)
    return bytes(_MIDDLE + (sample - _MIDDLE) * (last - at) // last for at, sample in enumerate(samples, 1))
