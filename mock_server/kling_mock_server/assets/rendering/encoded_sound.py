"""The sound of a video as frames of AAC; those of the tone alone are the same for all videos of a length and volume.

A frame hangs on the 2048 samples around its beginning, and encoders look one frame ahead; between frames of a steady
tone, those of one encoder can go on with those of another.
"""

from functools import lru_cache
from typing import Final

from kling_mock_server.assets.rendering.sound import RATE, SAMPLE_BYTES, framed, mixed, silence

FRAME: Final = 1024
"""Samples of a frame. The first one is before the sound, and a decoder drops it."""
# A file is made while somebody waits: the encoder's quicker way takes half of the time.
OPTIONS: Final = {"b": "64k", "aac_coder": "fast"}
_SETTLED: Final = 3
"""Frames after which a change is over for the encoder: it has written long windows again."""
_MAX_TONES: Final = 4
"""Tones that are kept, each of 240 kB a minute."""


def aac_frames(voice: bytes, first: int, total: int, voice_volume: float, tone_volume: float) -> tuple[bytes, ...]:
    """Return the frames of `total` samples, in which a voice (samples, too) begins with sample `first`."""
    voice = voice[: max(0, total - first) * SAMPLE_BYTES]
    if not voice:
        return _tone(total, tone_volume)
    count = -(-total // FRAME) + 1
    begin = max(0, first // FRAME - _SETTLED)
    end = min(count, (first + len(voice) // SAMPLE_BYTES) // FRAME + 2 + _SETTLED)
    # The frames to be used, between some that are thrown away.
    warm = max(0, begin - _SETTLED)
    start, stop = warm * FRAME, min(total, (end + _SETTLED) * FRAME)
    placed = (silence(first - start) + voice).ljust((stop - start) * SAMPLE_BYTES, b"\0")
    made = _encoded(mixed(placed[: (stop - start) * SAMPLE_BYTES], start, voice_volume, tone_volume))
    used = made[begin - warm : end - warm]
    if len(used) == count:
        return used
    tone = _tone(total, tone_volume)
    return tone[:begin] + used + tone[end:]


@lru_cache(_MAX_TONES)
def _tone(total: int, volume: float) -> tuple[bytes, ...]:
    return _encoded(mixed(silence(total), 0, 0, volume))


def _encoded(samples: bytes) -> tuple[bytes, ...]:
    from av.audio.codeccontext import AudioCodecContext

    encoder = AudioCodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "fltp"
    encoder.options = OPTIONS
    return tuple(bytes(packet) for frame in (framed(samples, 0), None) for packet in encoder.encode(frame))
