"""The world: the server's side of a contract, as plain JSON and as frozen records."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kling_contracts.facts.task import Task, tasks_from_json, tasks_json
from kling_contracts.jsonio.numbers import whole

if TYPE_CHECKING:
    from kling_contracts.jsonio.keywords import Checker


class Face(NamedTuple):
    """The interval of the video, in ms, in which a face can be lip-synced."""

    start_ms: int
    end_ms: int


class Session(NamedTuple):
    """A session that identify-face issued: a video of `video_ms` and its faces by id.

    `created_ms` None means new, and ageing only as a clock is advanced. `video_id` and `video_url` are what the
    video was given as; empty where nobody said.
    """

    video_ms: int
    faces: Mapping[str, Face]
    created_ms: int | None = None
    video_id: str = ""
    video_url: str = ""


class Audio(NamedTuple):
    """An audio that the preview call issued. `created_ms` as in `Session`; `flagged`: moderation refuses it."""

    duration_ms: int
    created_ms: int | None = None
    flagged: bool = False


class File(NamedTuple):
    """The file behind a URL or in a Base64 text; None where it was not measured."""

    format: str
    size_bytes: int
    duration_ms: int | None
    decodes: bool | None = True
    flagged: bool = False
    brand: str | None = None
    """The major brand of an ISO media file, four characters (ISO 14496-12, section 4.3); empty for any other file."""


class VideoFile(NamedTuple):
    """The video behind an id or a URL; None where it was not measured.

    `created_ms` as in `Session`, `flagged` as in `Audio`.
    """

    format: str
    size_bytes: int | None
    duration_ms: int | None
    width_px: int | None
    height_px: int | None
    faces: Mapping[str, Face] | None
    created_ms: int | None = None
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everything that the server's side knows; an id that it does not list does not exist.

    `now_ms` None means real time. `files` None leaves URLs to whoever fetches; otherwise a URL that it does not
    list does not answer. `videos`, by id or URL, likewise. `voices`: the language each speaks; None: any voice may
    exist. `flagged_words`: a text with one of them does not pass moderation. `audio_slack_ms`: how much earlier
    than its measured end an audio ends for upstream's own decoder (integrators report 20 to 50 ms). `tasks`, by their
    ids; None leaves them to whoever resolves them. Their external ids are taken, listed or not.
    """

    now_ms: int | None = None
    sessions: Mapping[str, Session] = field(default_factory=dict)
    audios: Mapping[str, Audio] = field(default_factory=dict)
    files: Mapping[str, File] | None = None
    external_task_ids: Set[str] = field(default_factory=frozenset)
    audio_slack_ms: int = 0
    videos: Mapping[str, VideoFile] | None = None
    voices: Mapping[str, str] | None = None
    flagged_words: tuple[str, ...] = ()
    tasks: Mapping[str, Task] | None = None

    def __post_init__(self) -> None:
        """Take the external ids of the tasks."""
        if self.tasks:
            taken = {task.external_task_id for task in self.tasks.values()} - {""}
            object.__setattr__(self, "external_task_ids", frozenset(self.external_task_ids) | taken)

    @classmethod
    def of(cls, world: "World | Mapping[str, Any] | None") -> "World | None":
        """Return a world that is given as one, as its JSON form, or not at all. Raises `ValueError` as `from_json`."""
        return world if world is None or isinstance(world, World) else cls.from_json(world)

    @classmethod
    def from_json(cls, value: Any) -> "World":
        """Build a world from its JSON form. Raises `ValueError` with one line per mistake."""
        _refuse(value, "World")
        files, videos, tasks = value.get("files"), value.get("videos"), value.get("tasks")
        return cls(
            now_ms=whole(value.get("now_ms")),
            sessions={name: _session(entry) for name, entry in value.get("sessions", {}).items()},
            audios={name: _audio(entry) for name, entry in value.get("audios", {}).items()},
            files=None if files is None else {url: _file(entry) for url, entry in files.items()},
            external_task_ids=frozenset(value.get("external_task_ids", ())),
            audio_slack_ms=int(value.get("audio_slack_ms", 0)),
            videos=None if videos is None else {name: _video(entry) for name, entry in videos.items()},
            voices=value.get("voices"),
            flagged_words=tuple(value.get("flagged_words", ())),
            tasks=None if tasks is None else tasks_from_json(tasks),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; what is left out there has its default."""
        value: dict[str, Any] = {
            "sessions": {name: session_json(entry) for name, entry in self.sessions.items()},
            "audios": {name: plain_json(entry) for name, entry in self.audios.items()},
            "external_task_ids": sorted(self.external_task_ids),
        }
        if self.now_ms is not None:
            value["now_ms"] = self.now_ms
        if self.files is not None:
            value["files"] = {url: plain_json(entry) for url, entry in self.files.items()}
        if self.audio_slack_ms:
            value["audio_slack_ms"] = self.audio_slack_ms
        if self.videos is not None:
            value["videos"] = {name: video_json(entry) for name, entry in self.videos.items()}
        if self.voices is not None:
            value["voices"] = dict(self.voices)
        if self.flagged_words:
            value["flagged_words"] = list(self.flagged_words)
        if self.tasks is not None:
            value["tasks"] = tasks_json(self.tasks)
        return value


TABLES: Final[Mapping[str, type | None]] = {
    "sessions": Session,
    "audios": Audio,
    "files": File,
    "videos": VideoFile,
    "voices": str,
    "external_task_ids": None,
    "tasks": Task,
}
"""The tables that a declared fact may look into, and what their entries are: a record, a text, or ids alone."""
NESTED_TABLES: Final[Mapping[str, type]] = {"faces": Face}
"""The tables inside an entry."""


def session_from_json(value: Any) -> Session:
    """Build one entry of `sessions`. Raises `ValueError` with one line per mistake."""
    _refuse(value, "Session")
    return _session(value)


def audio_from_json(value: Any) -> Audio:
    """Build one entry of `audios`. Raises `ValueError` with one line per mistake."""
    _refuse(value, "Audio")
    return _audio(value)


def file_from_json(value: Any) -> File:
    """Build one entry of `files`. Raises `ValueError` with one line per mistake."""
    _refuse(value, "File")
    return _file(value)


def video_from_json(value: Any) -> VideoFile:
    """Build one entry of `videos`. Raises `ValueError` with one line per mistake."""
    _refuse(value, "VideoFile")
    return _video(value)


_SCHEMA_FILE: Final = Path(__file__).with_name("world.schema.json")


def _refuse(value: object, definition: str) -> None:
    broken = _checker(definition).broken(value)
    if broken:
        raise ValueError("\n".join(f"{fault.pointer or '/'}: {fault.message}" for fault in broken))


@cache
def _checker(definition: str) -> "Checker":
    # At first use: a check without a world needs none of it.
    import json

    from kling_contracts.jsonio.keywords import Checker

    definitions = json.loads(_SCHEMA_FILE.read_bytes())["$defs"]
    return Checker({**definitions[definition], "$defs": definitions})


def _session(value: Mapping[str, Any]) -> Session:
    return Session(
        video_ms=int(value["video_ms"]),
        faces=_faces(value),
        created_ms=whole(value.get("created_ms")),
        video_id=value.get("video_id", ""),
        video_url=value.get("video_url", ""),
    )


def _faces(value: Mapping[str, Any]) -> dict[str, Face]:
    return {name: Face(int(start), int(end)) for name, (start, end) in value.get("faces", {}).items()}


def _audio(value: Mapping[str, Any]) -> Audio:
    return Audio(int(value["duration_ms"]), whole(value.get("created_ms")), value.get("flagged", False))


def _file(value: Mapping[str, Any]) -> File:
    return File(
        format=value["format"],
        size_bytes=int(value["size_bytes"]),
        duration_ms=whole(value.get("duration_ms")),
        decodes=value.get("decodes", True),
        flagged=value.get("flagged", False),
        brand=value.get("brand"),
    )


def _video(value: Mapping[str, Any]) -> VideoFile:
    return VideoFile(
        format=value.get("format", "mp4"),
        size_bytes=whole(value.get("size_bytes")),
        duration_ms=int(value["duration_ms"]),
        width_px=int(value.get("width_px", 1280)),
        height_px=int(value.get("height_px", 720)),
        faces=_faces(value),
        created_ms=whole(value.get("created_ms")),
        flagged=value.get("flagged", False),
    )


def session_json(session: Session) -> dict[str, Any]:
    """Return one entry of `sessions` as JSON."""
    value: dict[str, Any] = {"video_ms": session.video_ms}
    if session.created_ms is not None:
        value["created_ms"] = session.created_ms
    value["faces"] = _faces_json(session.faces)
    named = {"video_id": session.video_id, "video_url": session.video_url}
    return value | {name: text for name, text in named.items() if text}


def video_json(video: VideoFile) -> dict[str, Any]:
    """Return one entry of `videos` as JSON."""
    return {**plain_json(video), "faces": _faces_json(video.faces or {})}


def _faces_json(faces: Mapping[str, Face]) -> dict[str, list[int]]:
    return {name: [face.start_ms, face.end_ms] for name, face in faces.items()}


def plain_json(entry: Audio | File | VideoFile) -> dict[str, Any]:
    """Return one entry of `audios` or `files` as JSON."""
    members = ((name, getattr(entry, name)) for name in entry._fields)
    return {name: member for name, member in members if member is not None}
