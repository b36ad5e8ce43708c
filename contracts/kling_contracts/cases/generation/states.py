"""The rules about ids, sources and files: what they name is unknown, used up or not an audio."""

import base64
from collections.abc import Iterator
from typing import Any, Final

from kling_contracts.cases.generation.changes import ABSENT, Change, ChangePayload, plan_with, put, put_in_item
from kling_contracts.cases.generation.limits import Limits
from kling_contracts.cases.generation.payloads import OTHER_AUDIO, OTHER_FACE, OTHER_SESSION, OTHER_URL, TAKEN, inline
from kling_contracts.media import silent_audio

_VOICE_MS: Final = 3000
"""A length for files whose length decides nothing."""


def state_changes(limits: Limits) -> Iterator[Change]:
    """Yield the ways in which an id, a source or a file breaks a rule."""
    for rule, says, of_payload in _IDS:
        source = "audio_id" if rule == "audio-id-unknown" else ""
        yield Change(rule, says, source, payload=of_payload)
    yield Change("audio-source-conflict", "An id and a URL are given.", "both")
    for name in limits.made:
        says = f"An id and a {name} file in Base64 are given."
        yield Change("audio-source-conflict", says, "audio_id", payload=put_in_item(sound_file=inline(name, _VOICE_MS)))
    for rule, says, text in _files(limits):
        yield Change(rule, says, payload=put_in_item(audio_id=ABSENT, sound_file=text))
    for name in (name for name in (*_NO_AUDIO, "mp4") if name not in limits.formats):
        says = f"The URL holds {name}, whatever it is called."
        yield Change("sound-file-format", says, "url", plan=plan_with(format=name))
    yield Change("audio-content", "Moderation refuses the audio.", "audio_id", plan=plan_with(flagged=True))
    yield Change("audio-content", "Moderation refuses the file of the URL.", "url", plan=plan_with(flagged=True))
    yield Change("audio-content", "The file of the URL does not decode.", "url", plan=plan_with(decodes=False))


def _with_a_space(name: str) -> ChangePayload:
    def change(payload: Any, by: int) -> Any:
        holder = payload if name in payload else payload["face_choose"][0]
        holder[name] += " "
        return payload

    return change


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


_IDS: Final = (
    ("session-unknown", "No session has this id.", put("session_id", value="825465778199300000")),
    ("session-unknown", "An empty session id names no session.", put("session_id", value="")),
    ("session-unknown", "An audio's id names no session.", put("session_id", value=OTHER_AUDIO)),
    ("session-unknown", "A session id with a space behind it is another one.", _with_a_space("session_id")),
    ("face-unknown", "The face belongs to another session.", put_in_item(face_id=OTHER_FACE)),
    ("face-unknown", "No session has this face.", put_in_item(face_id="17")),
    ("face-unknown", "An empty face id names no face.", put_in_item(face_id="")),
    ("face-unknown", "A face id with a space behind it is another one.", _with_a_space("face_id")),
    ("audio-id-unknown", "No audio has this id.", put_in_item(audio_id="825451760499500000")),
    ("audio-id-unknown", "A session's id names no audio.", put_in_item(audio_id=OTHER_SESSION)),
    ("audio-id-unknown", "A space is a value, and names no audio.", put_in_item(audio_id=" ")),
    ("audio-source-missing", "No audio source is there.", put_in_item(audio_id=ABSENT, sound_file=ABSENT)),
    ("audio-source-missing", "Both audio sources are empty.", put_in_item(audio_id="", sound_file="")),
    ("audio-source-missing", "The only source is an empty id.", put_in_item(audio_id="", sound_file=ABSENT)),
    ("audio-source-missing", "The only source is an empty file.", put_in_item(audio_id=ABSENT, sound_file="")),
    ("external-task-id-duplicate", "An earlier task has this id.", put("external_task_id", value=TAKEN)),
)

_UNREADABLE: Final = {
    "A data: URL is not raw Base64.": f"data:audio/mp4;base64,{inline('m4a', _VOICE_MS)}",
    "Base64 without its padding is not Base64.": _encoded(bytes(4)).rstrip("="),
    "Base64 of the URL-safe alphabet is another alphabet.": base64.urlsafe_b64encode(b"\xfb\xff\xfe").decode(),
    "Base64 in lines is not Base64.": base64.encodebytes(silent_audio.m4a(_VOICE_MS)).decode(),
    "A sentence is neither Base64 nor a URL.": "my voice, please",
    "A space is a value, and no file.": " ",
    "An ftp URL is not an http one.": "ftp://files.example/voice.mp3",
    "A path is not a URL.": "./voice.mp3",
    "A URL needs a host.": "https://",
}
_UNREACHABLE: Final = {
    "The URL does not answer.": "https://files.example/missing.mp3",
    "A URL with a letter in upper case is another one.": OTHER_URL.replace("other", "Other"),
}
_NO_AUDIO: Final = {
    "ogg": b"OggS",
    "flac": b"fLaC",
    "amr": b"#!AMR\n",
    "webm": b"\x1aE\xdf\xa3",
    "wma": b"0&\xb2u\x8ef\xcf\x11",
    "aiff": b"FORM\0\0\0\x38AIFF",
    "aac": b"\xff\xf1\x50\x80\x01\xff\xfc",
    "unknown": b"These bytes are no audio.",
}
"""How files of formats begin that nobody can make here."""
_CUT_OFF: Final = {
    "m4a": silent_audio.m4a(_VOICE_MS)[:40],
    "mp3": silent_audio.mp3(_VOICE_MS)[:180],
    "wav": silent_audio.wav(_VOICE_MS)[:20],
}
"""Files of which no more is left than what tells their formats."""


def _files(limits: Limits) -> Iterator[tuple[str, str, str]]:
    for says, text in _UNREADABLE.items():
        yield "sound-file-unreadable", says, text
    for says, text in _UNREACHABLE.items():
        yield "sound-file-unreachable", says, text
    for name, begin in _NO_AUDIO.items():
        if name not in limits.formats:
            yield "sound-file-format", f"The Base64 holds {name}.", _encoded(begin.ljust(64, b"\0"))
    for name in limits.made:
        yield "audio-content", f"The {name} file in Base64 does not decode.", _encoded(_CUT_OFF[name])
