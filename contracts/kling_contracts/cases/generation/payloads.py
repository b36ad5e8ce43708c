"""From a plan to the payload that asks for it and the world in which it can be done."""

import base64
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from kling_contracts.cases.generation.plans import Plan
from kling_contracts.facts.world import Audio, Face, File, Session, World
from kling_contracts.media import silent_audio

Payload = dict[str, Any]

NOW_MS: Final = 1_750_000_000_000
"""The instant of every world, Unix time in ms."""
URLS: Final = (
    "https://files.example/voice.mp3",
    "http://files.example/voice",
    "HTTPS://files.example/voice.ogg",
    "https://files.example/voice?name=a.flac#t=1",
)
"""A file's format is that of its content, whatever it is called."""

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
_WIDE: Final = Session(_HOUR_MS, {OTHER_FACE: Face(0, _HOUR_MS)})
_NARROW: Final = Session(1, {OTHER_FACE: Face(0, 1)})
_FACES_BESIDE: Final = {"7": Face(0, _HOUR_MS), "8": Face(0, 0)}
_LONG: Final = Audio(59_000)
_SHORT: Final = Audio(1)
_OTHER_FILE: Final = File("unknown", 1, 1)
# An earlier task without an external id does not use up the empty string.
_TAKEN: Final = frozenset(["", TAKEN])


class Names(NamedTuple):
    """What the ids of one plan are."""

    session_id: str
    audio_id: str
    face_id: str
    url: str


@cache
def names_of(number: int) -> Names:
    """Return the ids of the plan of that number; 0 has those of the vendor's example."""
    url, face_id = URLS[number % len(URLS)], _FACES[number % len(_FACES)]
    return Names(str(_SESSION + number), str(_AUDIO + number), face_id, url)


def payload_of(plan: Plan) -> Payload:
    """Return the payload of a plan."""
    names = names_of(plan.number)
    item: Payload = {
        "face_id": names.face_id,
        "sound_start_time": plan.start,
        "sound_end_time": plan.start + plan.clip,
        "sound_insert_time": plan.insert,
        "sound_volume": plan.volumes[0],
        "original_audio_volume": plan.volumes[1],
    }
    if plan.source in ("audio_id", "both"):
        item["audio_id"] = names.audio_id
    if plan.source in ("url", "both"):
        item["sound_file"] = names.url
    if plan.source == "inline":
        item["sound_file"] = inline(plan.format, plan.audio)
    return _DRESSINGS[plan.dressing]({"session_id": names.session_id, "face_choose": [item]}, item, plan)


def world_of(plan: Plan) -> World:
    """Return the world in which the plan can be done, whichever source the audio comes from."""
    names = names_of(plan.number)
    session = Session(plan.video, {**_FACES_BESIDE, names.face_id: plan.face}, _created(plan.session_age))
    issued = Audio(plan.audio, _created(plan.audio_age), plan.flagged)
    held = File(plan.format, plan.size, plan.audio if plan.decodes else None, plan.decodes, plan.flagged)
    sessions = {OTHER_SESSION: _WIDE, names.session_id: session, "1": _NARROW}
    audios = {OTHER_AUDIO: _LONG, names.audio_id: issued, "2": _SHORT}
    return World(NOW_MS, sessions, audios, {OTHER_URL: _OTHER_FILE, names.url: held}, _TAKEN, plan.slack)


@lru_cache(maxsize=256)
def inline(audio_format: str, duration_ms: int) -> str:
    """Return a silent file as Base64."""
    return base64.b64encode(silent_audio.make(audio_format, duration_ms)).decode()


def _created(age_ms: int | None) -> int | None:
    return None if age_ms is None else NOW_MS - age_ms


def _bare(payload: Payload, item: Payload, plan: Plan) -> Payload:
    return payload


def _with_empty_strings(payload: Payload, item: Payload, plan: Plan) -> Payload:
    item.setdefault("audio_id", "")
    item.setdefault("sound_file", "")
    return {**payload, "external_task_id": "", "callback_url": ""}


def _with_everything(payload: Payload, item: Payload, plan: Plan) -> Payload:
    return {**payload, "external_task_id": f"task-{plan.number}", "callback_url": "https://client.example/hook"}


def _with_unknown_fields(payload: Payload, item: Payload, plan: Plan) -> Payload:
    item["sound_starttime"] = None
    return {**payload, "watermark_info": {"enabled": False}}


def _with_floats(payload: Payload, item: Payload, plan: Plan) -> Payload:
    # Beyond 2^53 a float is another number.
    item.update({name: float(value) for name, value in item.items() if type(value) is int and abs(value) < 2**53})
    return payload


def _backwards(payload: Payload, item: Payload, plan: Plan) -> Payload:
    return {"callback_url": "", "face_choose": [dict(reversed(item.items()))], "session_id": payload["session_id"]}


DRESSINGS: Final[Mapping[str, Callable[[Payload, Payload, Plan], Payload]]] = {
    "Nothing optional is given.": _bare,
    "An empty string counts as not given.": _with_empty_strings,
    "Everything optional is given.": _with_everything,
    "Unknown fields are accepted.": _with_unknown_fields,
    "A fraction of .0 is a whole number.": _with_floats,
    "The order of members does not matter.": _backwards,
}
"""What a payload may do without changing what it asks for."""
_DRESSINGS: Final = tuple(DRESSINGS.values())
