"""From a plan to the payload that asks for it and the world in which it can be done."""

import base64
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from kling_contracts import silence
from kling_contracts.generation.plans import Plan
from kling_contracts.world import Audio, Face, File, Session, Video, World

Payload = dict[str, Any]

NOW_MS: Final = 1_750_000_000_000
"""The instant of every world, Unix time in ms."""
FILE_URL: Final = "https://files.example/voice.mp3"

# Whatever else the world holds would decide otherwise, so that a server that takes any entry is caught.
OTHER_SESSION: Final = "700000000000000001"
OTHER_FACE: Final = "5"
"""A face of that session alone."""
OTHER_AUDIO: Final = "700000000000000002"
OTHER_URL: Final = "https://files.example/other.mp3"
TAKEN: Final = "taken"
"""The external task id of an earlier task."""

_SESSION: Final = 825465778199224380
_AUDIO: Final = 825451760499568680
"""The ids of the vendor's example; other plans count up from there."""
_FACES: Final = ("-1", "0", "1")
_HOUR_MS: Final = 3_600_000
_WIDE: Final = Session(Video(_HOUR_MS), {OTHER_FACE: Face(0, _HOUR_MS)})
_NARROW: Final = Session(Video(1), {OTHER_FACE: Face(0, 1)})
_FACES_BESIDE: Final = {"7": Face(0, _HOUR_MS), "8": Face(0, 0)}
_AUDIOS_BESIDE: Final = {OTHER_AUDIO: Audio(59_000), "2": Audio(1)}
_TAKEN: Final = frozenset([TAKEN])


def payload_of(plan: Plan) -> Payload:
    """Return the payload of a plan."""
    item = {
        "face_id": _FACES[plan.number % len(_FACES)],
        **_source_of(plan),
        "sound_start_time": plan.start,
        "sound_end_time": plan.start + plan.clip,
        "sound_insert_time": plan.insert,
        "sound_volume": plan.volumes[0],
        "original_audio_volume": plan.volumes[1],
    }
    payload = {"session_id": str(_SESSION + plan.number), "face_choose": [item]}
    return DRESSINGS[plan.dressing % len(DRESSINGS)](payload, item, plan)


def world_of(plan: Plan) -> World:
    """Return the world in which the plan can be done."""
    faces = {**_FACES_BESIDE, _FACES[plan.number % len(_FACES)]: plan.face}
    session = Session(Video(plan.video), faces, _created(plan.session_age))
    audios = _AUDIOS_BESIDE
    files = {OTHER_URL: File(plan.format, 16_000, 8000)}
    if plan.source == "audio_id":
        issued = Audio(plan.audio, _created(plan.audio_age), plan.flagged)
        audios = {**audios, str(_AUDIO + plan.number): issued}
    elif plan.source == "url":
        duration_ms = plan.audio if plan.decodes else None
        files[FILE_URL] = File(plan.format, plan.size, duration_ms, plan.decodes, plan.flagged)
    sessions = {OTHER_SESSION: _WIDE, str(_SESSION + plan.number): session, "1": _NARROW}
    return World(NOW_MS, sessions, audios, files, _TAKEN, plan.slack)


@lru_cache(maxsize=256)
def inline(audio_format: str, duration_ms: int) -> str:
    """Return a silent file as Base64."""
    return base64.b64encode(silence.make(audio_format, duration_ms)).decode()


def _source_of(plan: Plan) -> Payload:
    if plan.source == "audio_id":
        return {"audio_id": str(_AUDIO + plan.number)}
    return {"sound_file": FILE_URL if plan.source == "url" else inline(plan.format, plan.audio)}


def _created(age_ms: int | None) -> int | None:
    return None if age_ms is None else NOW_MS - age_ms


def _bare(payload: Payload, item: Payload, plan: Plan) -> Payload:
    return payload


def _with_empty_strings(payload: Payload, item: Payload, plan: Plan) -> Payload:
    item["sound_file" if plan.source == "audio_id" else "audio_id"] = ""
    return {**payload, "external_task_id": "", "callback_url": ""}


def _with_everything(payload: Payload, item: Payload, plan: Plan) -> Payload:
    return {**payload, "external_task_id": f"task-{plan.number}", "callback_url": "https://client.example/hook"}


def _with_unknown_fields(payload: Payload, item: Payload, plan: Plan) -> Payload:
    item["sound_starttime"] = None
    return {**payload, "watermark_info": {"enabled": False}}


def _with_floats(payload: Payload, item: Payload, plan: Plan) -> Payload:
    item.update({name: float(value) for name, value in item.items() if type(value) is int})
    return payload


def _backwards(payload: Payload, item: Payload, plan: Plan) -> Payload:
    return {"callback_url": "", "face_choose": [dict(reversed(item.items()))], "session_id": payload["session_id"]}


DRESSINGS: Final[tuple[Callable[[Payload, Payload, Plan], Payload], ...]] = (
    _bare,
    _with_empty_strings,
    _with_everything,
    _with_unknown_fields,
    _with_floats,
    _backwards,
)
"""What a payload may do without changing what it asks for."""
