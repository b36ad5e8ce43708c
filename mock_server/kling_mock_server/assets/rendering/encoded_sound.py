"""The sound of a video as frames of AAC. A clip is encoded once with the tone around it, wherever it is inserted.

A frame hangs on the 2048 samples around its beginning, and encoders look one frame ahead; between frames of a steady
tone, those of one encoder can go on with those of another. Frames and tone are counted from the beginning of the clip,
so that videos which differ in where it is inserted are made of the same frames.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from kling_mock_server.assets.rendering.sound import RATE, SAMPLE_BYTES, decoded, framed, mixed, silence

FRAME: Final = 1024
"""Samples of a frame."""
# A file is made while somebody waits: without these tools the encoder takes less than half of the time.
OPTIONS: Final = {"b": "64k", "aac_coder": "fast", "aac_tns": "0", "aac_pns": "0"}
_SETTLED: Final = 3
"""Frames after which a change is over for the encoder: it has written long windows again."""
_REPEATED: Final = 75
"""Frames after which the tone is the same again: as many samples as 32 of its periods."""
_MAX_KEPT: Final = 4
"""Clips, and volumes of the tone, whose frames are kept; 2.4 MB hold a clip of five minutes."""


class Clip(NamedTuple):
    """A part of a wav, mp3 or m4a file, in ms, and how loud it and the tone are."""

    sound: bytes
    start_ms: int
    end_ms: int
    volume: float
    tone_volume: float


class EncodedSound(NamedTuple):
    """Frames one behind the other; `first_sample`: where the first one begins, before the sound by a frame or more."""

    first_sample: int
    frames: tuple[bytes, ...]


def encoded(clip: Clip, first: int, total: int) -> EncodedSound:
    """Return `total` samples of the tone, over which a clip begins with sample `first`.

    Raises:
        RenderError: the sound is no wav, mp3 or m4a file, or does not decode.
    """
    heard, tone = _clip(clip), _tone(clip.tone_volume)
    # A decoder needs the frame before the first one that is heard.
    begin, end = -first // FRAME - 1, -((first - total) // FRAME)
    frames = (heard.get(number) or tone[number % _REPEATED] for number in range(begin, end))
    return EncodedSound(first + begin * FRAME, tuple(frames))


@lru_cache(_MAX_KEPT)
def _clip(clip: Clip) -> dict[int, bytes]:
    """Return the frames that hang on a clip, by their number from its beginning."""
    voice = decoded(clip.sound, clip.start_ms, clip.end_ms)
    if not voice:
        return {}
    count = len(voice) // SAMPLE_BYTES // FRAME + 1
    made = _encoded(voice, count, clip.volume, clip.tone_volume)
    return {number: made[number + 2 * _SETTLED + 1] for number in range(-_SETTLED - 1, count + _SETTLED)}


@lru_cache(_MAX_KEPT)
def _tone(volume: float) -> tuple[bytes, ...]:
    return _encoded(b"", _REPEATED, 0, volume)[2 * _SETTLED + 1 :][:_REPEATED]


def _encoded(voice: bytes, count: int, volume: float, tone_volume: float) -> tuple[bytes, ...]:
    """Return the frames of so many frames of sound, between twice `_SETTLED` of the tone; a silent one comes first."""
    from av.audio.codeccontext import AudioCodecContext

    before = 2 * _SETTLED * FRAME
    placed = (silence(before) + voice).ljust((count * FRAME + 2 * before) * SAMPLE_BYTES, b"\0")
    samples = framed(mixed(placed, -before, volume, tone_volume), 0)
    encoder = AudioCodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "fltp"
    encoder.options = OPTIONS
    return tuple(bytes(packet) for frame in (samples, None) for packet in encoder.encode(frame))
