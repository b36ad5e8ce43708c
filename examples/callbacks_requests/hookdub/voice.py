"""The recording, and where in the video it goes. All times in ms."""

import base64
import wave
from pathlib import Path
from typing import Any, NamedTuple

from .kling import JobError

LARGEST = 5 * 1024 * 1024
MIN_MS, MAX_MS = 2000, 60_000
# The service measures audios a little shorter than we do, and reports the end of a face a little late.
AUDIO_MARGIN_MS, FACE_MARGIN_MS = 50, 100


class Voice(NamedTuple):
    """A WAV file, as the API wants it: raw Base64 without a data: prefix."""

    sound_file: str
    duration_ms: int


def read(path: Path) -> Voice:
    """Read a WAV file. Raises `JobError` where the service would not take it, `OSError` where it cannot be read."""
    content = path.read_bytes()
    if len(content) > LARGEST:
        raise JobError(f"{path} has more than 5 MB")
    try:
        with wave.open(str(path)) as sound:
            duration_ms = sound.getnframes() * 1000 // sound.getframerate()
    except (wave.Error, EOFError, ZeroDivisionError) as error:
        raise JobError(f"{path} is no WAV file: {error}") from error
    if not MIN_MS + AUDIO_MARGIN_MS <= duration_ms <= MAX_MS:
        raise JobError(f"{path} lasts {duration_ms} ms; {MIN_MS + AUDIO_MARGIN_MS} to {MAX_MS} are needed")
    return Voice(base64.b64encode(content).decode(), duration_ms)


def face_choose(faces: Any, voice: Voice) -> list[dict[str, Any]]:
    """Let the face that is seen longest speak from its first moment.

    Raises `JobError` where none is seen for long enough.
    """
    if not faces:
        raise JobError("there is no face in the video")
    try:
        seen_ms, face = max(((one["end_time"] - one["start_time"], one) for one in faces), key=lambda pair: pair[0])
        face_id = str(face["face_id"])
    except (LookupError, TypeError) as error:
        raise JobError(f"the faces of the video cannot be read: {error!r}") from error
    clip_ms = min(voice.duration_ms - AUDIO_MARGIN_MS, seen_ms - FACE_MARGIN_MS)
    if clip_ms < MIN_MS:
        raise JobError(f"no face can be seen for {MIN_MS + FACE_MARGIN_MS} ms at a stretch")
    return [
        {
            "face_id": face_id,
            "sound_file": voice.sound_file,
            "sound_start_time": 0,
            "sound_end_time": clip_ms,
            "sound_insert_time": face["start_time"],
            "sound_volume": 1,
            "original_audio_volume": 0,
        }
    ]
