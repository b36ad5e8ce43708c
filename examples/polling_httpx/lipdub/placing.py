"""Choosing the face, the stretch of audio, and the moment at which it is said. All times in ms."""

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from .errors import KlingError

SHORTEST = 2000
LONGEST = 60_000
AUDIO_MARGIN = 50
"""The service decodes audios a little shorter than it says they are."""
FACE_MARGIN = 100
"""The end of a face interval is reported later than the true one."""


class Placing(NamedTuple):
    """What to say where: a stretch from the start of the audio, from the moment the face appears."""

    face_id: str
    insert_at: int
    clip: int

    def face_choose(self, audio_id: str) -> list[dict[str, Any]]:
        """Return the member of that name of a create request."""
        face = {
            "face_id": self.face_id,
            "audio_id": audio_id,
            "sound_start_time": 0,
            "sound_end_time": self.clip,
            "sound_insert_time": self.insert_at,
            "sound_volume": 1,
            "original_audio_volume": 0,
        }
        return [face]


def milliseconds(seconds: Any) -> int:
    """Return a duration that the API writes as a string of seconds. Raises `KlingError` where it is none."""
    try:
        return int(Decimal(str(seconds)) * 1000)
    except (InvalidOperation, ValueError, OverflowError):
        raise KlingError(f"the audio has no usable duration: {seconds!r}") from None


def place(faces: Any, audio_ms: int) -> Placing:
    """Let the face that is seen longest say as much of the audio as fits.

    Raises `KlingError` where nobody is seen, or heard, for long enough.
    """
    sound = audio_ms - AUDIO_MARGIN
    if sound < SHORTEST:
        raise KlingError(f"the audio lasts {audio_ms} ms and must last {SHORTEST + AUDIO_MARGIN}: use a longer text")
    seen = [_Seen(str(face["face_id"]), face["start_time"], face["end_time"]) for face in faces or () if _usable(face)]
    if not seen:
        raise KlingError("no face was found in the video")
    face = max(seen, key=lambda one: one.end - one.start)
    room = face.end - FACE_MARGIN - face.start
    if room < SHORTEST:
        raise KlingError(f"no face is seen for {SHORTEST + FACE_MARGIN} ms at a stretch")
    return Placing(face.face_id, face.start, min(sound, room, LONGEST))


class _Seen(NamedTuple):
    face_id: str
    start: int
    end: int


def _usable(face: Any) -> bool:
    # A face id of 0 is one like any other.
    times = ("start_time", "end_time")
    return (
        isinstance(face, dict) and face.get("face_id") is not None and all(isinstance(face.get(t), int) for t in times)
    )
