"""Facts: what a world says about one payload. Python measures here; the document judges."""

import binascii
import re
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from kling_contracts.facts.world import Face, File, Session, Video, World
from kling_contracts.unknown import Absent, Unknown

Measured = TypeVar("Measured")
NO_WORLD: Final = Unknown("no world was given")


class SessionFacts(NamedTuple):
    """`age_ms`: time since identify-face issued the session."""

    age_ms: int


class PreviewFacts(NamedTuple):
    """`age_ms`: time since the preview call generated the audio."""

    age_ms: int


class FileFacts(NamedTuple):
    """What `sound_file` holds; `kind` is base64, url, data_url or other."""

    kind: str
    reachable: bool | Unknown
    format: str | Unknown
    size_bytes: int | Unknown


class AudioFacts(NamedTuple):
    """The one audio of an item, whichever source it comes from."""

    duration_ms: int | Unknown
    end_ms: int | Unknown
    decodes: bool | Unknown
    flagged: bool | Unknown


class TaskFacts(NamedTuple):
    """The account's earlier task with the same `external_task_id`."""


class Facts(NamedTuple):
    """The facts that a rule may name; `components.schemas.Facts` of the effective document declares them."""

    session: SessionFacts | Unknown
    video: Video | Unknown
    face: Face | Unknown
    preview: PreviewFacts | Unknown
    file: FileFacts | Unknown
    audio: AudioFacts | Unknown
    task: TaskFacts | Unknown


Fetch = Callable[[str], "File | Unknown"]
"""Resolves a URL to what it holds: `Absent` where it does not answer, `Unknown` where it may not be fetched."""

_NO_ITEM = Unknown("it belongs to one item of face_choose")
_NO_SESSION = Unknown("the session is not known")
_NO_AUDIO = Unknown("there is no audio")
_NO_FILE = Unknown("there is no sound_file")
NOT_USABLE = Unknown("the field that names it is missing or broken")
_CONFLICT = Unknown("with both sources given there is no one audio")
UNREACHABLE = Unknown("the URL does not answer")
UNFETCHED = Unknown("the URL was not fetched")
_UNREADABLE = Unknown("sound_file cannot be read")
NOT_MEASURED: Final = Unknown("the file was not measured")
_TOO_LARGE = Unknown("the file is too large to be looked into")
NO_SUCH_ID: Final = Absent("the world does not know the id")
_TASK: Final = TaskFacts()


def unfetched(url: str) -> Unknown:
    """Fetch nothing."""
    return UNFETCHED


class Measures(Protocol):
    """Measures the facts of one payload of one operation."""

    def of_request(self, payload: Any) -> Any:
        """Return the facts that hang on no item of an array."""

    def of_item(self, payload: Any, item: Any, request: Any) -> Any:
        """Return `request`, the facts of the whole payload, with those of one item of its array."""


class Meter(NamedTuple):
    """Measures the facts of one payload against one world, or against none."""

    world: World | None = None
    fetch: Fetch = unfetched
    """Resolves the URLs that the world does not list."""
    largest_file: int | None = None
    """Size in bytes beyond which a Base64 text is not decoded; None: no bound."""
    now_ms: int | None = None
    """The instant to judge at, Unix time in ms; None: the world's own, or real time."""
    advanced_ms: int = 0
    """How far a clock was advanced: the age of what has no `created_ms`."""

    def of_request(self, payload: Any) -> Facts:
        """Return the facts that hang on no item of face_choose; the others are unknown."""
        fields = payload if isinstance(payload, dict) else {}
        session = self._session(fields.get("session_id"))
        task = self._task(fields.get("external_task_id"))
        if isinstance(session, Unknown):
            hanging = _NO_SESSION if type(session) is Absent else session
            return Facts(session, hanging, hanging, _NO_ITEM, _NO_ITEM, _NO_ITEM, task)
        age = SessionFacts(self._age(session.created_ms))
        return Facts(age, session.video, _NO_ITEM, _NO_ITEM, _NO_ITEM, _NO_ITEM, task)

    def of_item(self, payload: Any, item: Any, request: Facts) -> Facts:
        """Return `request`, the facts of the whole payload, with those of one item of face_choose."""
        fields = item if isinstance(item, dict) else {}
        face = self._face(payload, fields.get("face_id")) if request.face is _NO_ITEM else request.face
        audio_id, sound_file = fields.get("audio_id", ""), fields.get("sound_file", "")
        preview, issued = self._preview(audio_id)
        file, held = self._file(sound_file)
        if audio_id and sound_file:
            sound: AudioFacts | Unknown = _CONFLICT
        else:
            sound = held if sound_file else issued
        return Facts(request.session, request.video, face, preview, file, sound, request.task)

    def _session(self, session_id: object) -> Session | Unknown:
        if not isinstance(session_id, str):
            return NOT_USABLE
        if self.world is None:
            return NO_WORLD
        return self.world.sessions.get(session_id, NO_SUCH_ID)

    def _face(self, payload: Any, face_id: object) -> Face | Unknown:
        if not isinstance(face_id, str):
            return NOT_USABLE
        # Looked up once more: a world may be replaced while it is read.
        session = self._session(payload["session_id"])
        return _NO_SESSION if isinstance(session, Unknown) else session.faces.get(face_id, NO_SUCH_ID)

    def _task(self, external_task_id: object) -> TaskFacts | Unknown:
        if not isinstance(external_task_id, str):
            return NOT_USABLE
        if self.world is None:
            return NO_WORLD
        return _TASK if external_task_id in self.world.external_task_ids else NO_SUCH_ID

    def _preview(self, audio_id: object) -> tuple[PreviewFacts | Unknown, AudioFacts | Unknown]:
        if audio_id == "":
            return _NO_AUDIO, _NO_AUDIO
        if not isinstance(audio_id, str):
            return NOT_USABLE, NOT_USABLE
        if self.world is None:
            return NO_WORLD, NO_WORLD
        issued = self.world.audios.get(audio_id)
        if issued is None:
            return NO_SUCH_ID, NO_SUCH_ID
        end = issued.duration_ms - self.world.audio_slack_ms
        sound = AudioFacts(issued.duration_ms, end, True, issued.flagged)
        return PreviewFacts(self._age(issued.created_ms)), sound

    def _file(self, sound_file: object) -> tuple[FileFacts | Unknown, AudioFacts | Unknown]:
        if sound_file == "":
            return _NO_FILE, _NO_AUDIO
        if not isinstance(sound_file, str):
            return NOT_USABLE, NOT_USABLE
        if URL.match(sound_file):
            return self._url(sound_file)
        if sound_file[:5].lower() == "data:":
            return FileFacts("data_url", _UNREADABLE, _UNREADABLE, _UNREADABLE), _UNREADABLE
        return self._base64(sound_file)

    def _url(self, url: str) -> tuple[FileFacts, AudioFacts | Unknown]:
        listed = self.world.files if self.world else None
        file = self.fetch(url) if listed is None else listed.get(url, NO_SUCH_ID)
        if type(file) is Absent:
            return FileFacts("url", False, UNREACHABLE, UNREACHABLE), UNREACHABLE
        if isinstance(file, Unknown):
            return FileFacts("url", file, named_format(url) or file, file), file
        return FileFacts("url", True, file.format, file.size_bytes), self._sound(file)

    def _base64(self, text: str) -> tuple[FileFacts, AudioFacts | Unknown]:
        size = len(text) * 3 // 4 - text[-2:].count("=")
        if self.largest_file is not None and size > self.largest_file:
            return FileFacts("base64", True, _TOO_LARGE, size), _TOO_LARGE
        data = base64_bytes(text)
        if data is None:
            return FileFacts("other", _UNREADABLE, _UNREADABLE, _UNREADABLE), _UNREADABLE
        file = measure(data)
        return FileFacts("base64", True, file.format, file.size_bytes), self._sound(file)

    def _sound(self, file: File) -> AudioFacts:
        slack = self.world.audio_slack_ms if self.world else 0
        if file.duration_ms is None:
            return AudioFacts(NOT_MEASURED, NOT_MEASURED, known(file.decodes), file.flagged)
        return AudioFacts(file.duration_ms, file.duration_ms - slack, known(file.decodes), file.flagged)

    def _age(self, created_ms: int | None) -> int:
        return age_ms(created_ms, self.world, self.now_ms, self.advanced_ms)


def age_ms(created_ms: int | None, world: World | None, now_ms: int | None, advanced_ms: int) -> int:
    """Return how old something is: as old as the clock was advanced, where it has no time of its own."""
    if created_ms is None:
        return advanced_ms
    if now_ms is None and world:
        now_ms = world.now_ms
    return (time.time_ns() // 1_000_000 if now_ms is None else now_ms) - created_ms


def base64_bytes(text: str) -> bytes | None:
    """Return what a Base64 text holds; None where it is not RFC 4648 to the letter, padding included."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    # Python 3.11 lets more padding pass than there may be.
    return data if len(text) == (len(data) + 2) // 3 * 4 else None


def measure(data: bytes) -> File:
    """Return format, size and duration of the bytes of an audio file, by content.

    The format is `"unknown"` where nothing recognises it; `decodes` and `duration_ms` are None for a format that
    is recognised but not measured.
    """
    # At first use: payloads that name an audio by its id need none of the readers.
    from kling_contracts.media import audio

    name = audio.identify(data)
    if name not in audio.MEASURED_FORMATS:
        return File(name or "unknown", len(data), None, None)
    try:
        return File(name, len(data), audio.measure(data, name), True)
    except audio.AudioError:
        return File(name, len(data), None, False)


URL: Final = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
"""How an http(s) URL begins."""
_EXTENSION = re.compile(r"^[^?#]*/[^/?#]*\.([A-Za-z0-9]+)(?:[?#]|$)")
_NAMED = {
    name: name
    for name in ("mp3", "wav", "m4a", "ogg", "flac", "aac", "amr", "aiff", "webm", "wma", "mp4", "avi", "mkv")
}
_NAMED |= {"oga": "ogg", "opus": "ogg", "aif": "aiff", "wave": "wav", "mov": "mp4"}


def named_format(url: str) -> str | None:
    """Return the format that a path's extension names: the only evidence about a file that was not fetched."""
    match = _EXTENSION.match(url.partition("://")[2])
    return _NAMED.get(match[1].lower()) if match else None


def known(value: Measured | None) -> Measured | Unknown:
    """Return what was measured, an `Unknown` in place of None: it is never 0 and never good."""
    return NOT_MEASURED if value is None else value
