"""The rules about ids, sources and files: what they name is unknown, used up or not an audio."""

import base64
from collections.abc import Iterator
from typing import Any, Final

from kling_contracts import silence
from kling_contracts.generation.changes import ABSENT, Change, ChangePayload, plan_with, put, put_in_item
from kling_contracts.generation.limits import Limits
from kling_contracts.generation.payloads import (
    OTHER_AUDIO,
    OTHER_FACE,
    OTHER_SESSION,
    OTHER_URL,
    TAKEN,
    inline,
)

_VOICE: Final = inline("m4a", 2000)


def _with_a_space(*path: str | int) -> ChangePayload:
    def change(payload: Any, by: int) -> Any:
        holder = payload
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] += " "
        return payload

    return change


def _sound(text: str) -> ChangePayload:
    return put_in_item(audio_id=ABSENT, sound_file=text)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


SESSIONS: Final = (
    Change("session-unknown", "No session has this id.", payload=put("session_id", value="825465778199300000")),
    Change("session-unknown", "An empty session id names no session.", payload=put("session_id", value="")),
    Change("session-unknown", "An audio's id names no session.", payload=put("session_id", value=OTHER_AUDIO)),
    Change("session-unknown", "An id with a space behind it is another one.", payload=_with_a_space("session_id")),
    Change("face-unknown", "The face belongs to another session.", payload=put_in_item(face_id=OTHER_FACE)),
    Change("face-unknown", "No session has this face.", payload=put_in_item(face_id="17")),
    Change("face-unknown", "An empty face id names no face.", payload=put_in_item(face_id="")),
    Change(
        "face-unknown",
        "An id with a space behind it is another one.",
        payload=_with_a_space("face_choose", 0, "face_id"),
    ),
    Change(
        "external-task-id-duplicate",
        "An earlier task has this external id.",
        payload=put("external_task_id", value=TAKEN),
    ),
)

SOURCES: Final = (
    Change(
        "audio-source-missing",
        "Neither audio source is there.",
        payload=put_in_item(audio_id=ABSENT, sound_file=ABSENT),
    ),
    Change("audio-source-missing", "Both audio sources are empty.", payload=put_in_item(audio_id="", sound_file="")),
    Change(
        "audio-source-missing", "The only audio source is empty.", payload=put_in_item(audio_id="", sound_file=ABSENT)
    ),
    Change(
        "audio-source-missing", "The only audio source is empty.", payload=put_in_item(audio_id=ABSENT, sound_file="")
    ),
    Change(
        "audio-source-conflict",
        "An id and a file in Base64 are given.",
        source="audio_id",
        payload=put_in_item(sound_file=_VOICE),
    ),
    Change("audio-source-conflict", "An id and a URL are given.", source="both"),
    Change(
        "audio-id-unknown",
        "No audio has this id.",
        source="audio_id",
        payload=put_in_item(audio_id="825451760499500000"),
    ),
    Change(
        "audio-id-unknown",
        "A session's id names no audio.",
        source="audio_id",
        payload=put_in_item(audio_id=OTHER_SESSION),
    ),
    Change(
        "audio-id-unknown",
        "A space is a value, and names no audio.",
        source="audio_id",
        payload=put_in_item(audio_id=" "),
    ),
)

_UNREADABLE: Final = {
    "A data: URL is not raw Base64.": f"data:audio/mp4;base64,{_VOICE}",
    "Base64 without its padding is not Base64.": _encoded(bytes(4)).rstrip("="),
    "Base64 of the URL-safe alphabet is another alphabet.": base64.urlsafe_b64encode(b"\xfb\xff\xfe").decode(),
    "Base64 in lines is not Base64.": base64.encodebytes(silence.m4a(2000)).decode(),
    "A sentence is neither Base64 nor a URL.": "my voice, please",
    "A space is a value, and no file.": " ",
    "An ftp URL is not an http one.": "ftp://files.example/voice.mp3",
    "A path is not a URL.": "./voice.mp3",
    "A URL needs a host.": "https://",
}

_NOT_AUDIO: Final = {
    "ogg": b"OggS".ljust(64, b"\0"),
    "flac": b"fLaC".ljust(64, b"\0"),
    "amr": b"#!AMR\n".ljust(64, b"\0"),
    "webm": b"\x1aE\xdf\xa3".ljust(64, b"\0"),
    "wma": b"0&\xb2u\x8ef\xcf\x11".ljust(64, b"\0"),
    "aiff": b"FORM\0\0\0\x38AIFF".ljust(64, b"\0"),
    "aac": b"\xff\xf1\x50\x80\x01\xff\xfc".ljust(64, b"\0"),
    "unknown": b"these bytes are no audio at all",
}
"""The first bytes of files in formats that no kind of change to the document makes into mp3, wav or m4a."""

_UNDECODABLE: Final = {
    "wav": silence.wav(2000)[:20],
    "mp3": silence.mp3(2000)[:180],
    "m4a": silence.m4a(2000)[:40],
}
"""The beginnings of files, cut where their formats can be told and their lengths cannot."""


def file_changes(limits: Limits) -> Iterator[Change]:
    """Yield the ways in which a file breaks a rule."""
    for says, text in _UNREADABLE.items():
        yield Change("sound-file-unreadable", says, payload=_sound(text))
    yield Change(
        "sound-file-unreachable", "The URL does not answer.", payload=_sound("https://files.example/missing.mp3")
    )
    yield Change("sound-file-unreachable", "A URL with a letter in upper case is another one.", payload=_sound(OTHER_URL.replace("other", "Other")))
    for name in (name for name in (*_NOT_AUDIO, "mp4") if name not in limits.formats):
        yield Change(
            "sound-file-format",
            f"The URL holds {name}, whatever it is called.",
            source="url",
            plan=plan_with(format=name),
        )
    for name, data in _NOT_AUDIO.items():
        if name not in limits.formats:
            yield Change("sound-file-format", f"The Base64 holds {name}.", payload=_sound(_encoded(data)))
    for name in limits.formats:
        if name in _UNDECODABLE:
            cut = _encoded(_UNDECODABLE[name])
            yield Change("audio-content", f"The {name} file in Base64 does not decode.", payload=_sound(cut))
    yield Change("audio-content", "Moderation refuses the audio.", source="audio_id", plan=plan_with(flagged=True))
    yield Change("audio-content", "Moderation refuses the file of the URL.", source="url", plan=plan_with(flagged=True))
    yield Change("audio-content", "The file of the URL does not decode.", source="url", plan=plan_with(decodes=False))
