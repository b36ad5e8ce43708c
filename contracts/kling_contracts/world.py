"""The world: the server's side of a contract, as plain JSON and as frozen records."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from kling_contracts.keywords import Checker


class Video(NamedTuple):
    """The video of a session."""

    duration_ms: int


class Face(NamedTuple):
    """The interval of the video, in ms, in which a face can be lip-synced."""

    start_ms: int
    end_ms: int


class Session(NamedTuple):
    """What identify-face issued: a video and its faces by id.

    `created_ms` None means new, and ageing only as a clock is advanced.
    """

    video: Video
    faces: Mapping[str, Face]
    created_ms: int | None = None


class Audio(NamedTuple):
    """What the preview call issued. `created_ms` as in `Session`; `flagged`: moderation refuses it."""

    duration_ms: int
    created_ms: int | None = None
    flagged: bool = False


class File(NamedTuple):
    """What a URL or the bytes of a Base64 text hold; None where it was not measured."""

    format: str
    size_bytes: int
    duration_ms: int | None
    decodes: bool | None = True
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everything that the server's side knows; an id that it does not list does not exist.

    `now_ms` None means real time. `files` None leaves URLs to whoever fetches; otherwise a URL that it does not
    list does not answer. `audio_slack_ms`: how much earlier than its measured end an audio ends for upstream's
    own decoder (integrators report 20 to 50 ms).
    """

    now_ms: int | None = None
    sessions: Mapping[str, Session] = field(default_factory=dict)
    audios: Mapping[str, Audio] = field(default_factory=dict)
    files: Mapping[str, File] | None = None
    external_task_ids: Set[str] = field(default_factory=frozenset)
    audio_slack_ms: int = 0

    @classmethod
    def from_json(cls, value: Any) -> "World":
        """Build a world from its JSON form. Raises `ValueError` with one line per mistake."""
        _refuse(value, "World")
        files = value.get("files")
        return cls(
            now_ms=_whole(value.get("now_ms")),
            sessions={name: _session(entry) for name, entry in value.get("sessions", {}).items()},
            audios={name: _audio(entry) for name, entry in value.get("audios", {}).items()},
            files=None if files is None else {url: _file(entry) for url, entry in files.items()},
            external_task_ids=frozenset(value.get("external_task_ids", ())),
            audio_slack_ms=int(value.get("audio_slack_ms", 0)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; what is left out there has its default."""
        value: dict[str, Any] = {
            "sessions": {name: _session_json(entry) for name, entry in self.sessions.items()},
            "audios": {name: _plain(entry) for name, entry in self.audios.items()},
            "external_task_ids": sorted(self.external_task_ids),
        }
        if self.now_ms is not None:
            value["now_ms"] = self.now_ms
        if self.files is not None:
            value["files"] = {url: _plain(entry) for url, entry in self.files.items()}
        if self.audio_slack_ms:
            value["audio_slack_ms"] = self.audio_slack_ms
        return value


def session_from_json(value: Any) -> Session:
    """Build one entry of `sessions`. Raises `ValueError` with one line per mistake."""
    _refuse(value, "Session")
    return _session(value)


def audio_from_json(value: Any) -> Audio:
    """Build one entry of `audios`. Raises `ValueError` with one line per mistake."""
    _refuse(value, "Audio")
    return _audio(value)


_SCHEMA_FILE: Final = Path(__file__).with_name("world.schema.json")


def _refuse(value: object, definition: str) -> None:
    broken = _checker(definition).broken(value)
    if broken:
        raise ValueError("\n".join(f"{fault.pointer or '/'}: {fault.message}" for fault in broken))


@cache
def _checker(definition: str) -> "Checker":
    # At first use: a check without a world needs none of it.
    import json

    from kling_contracts.keywords import Checker

    definitions = json.loads(_SCHEMA_FILE.read_bytes())["$defs"]
    return Checker({**definitions[definition], "$defs": definitions})


def _session(value: Mapping[str, Any]) -> Session:
    faces = {name: Face(int(start), int(end)) for name, (start, end) in value.get("faces", {}).items()}
    return Session(Video(int(value["video_ms"])), faces, _whole(value.get("created_ms")))


def _audio(value: Mapping[str, Any]) -> Audio:
    return Audio(int(value["duration_ms"]), _whole(value.get("created_ms")), value.get("flagged", False))


def _file(value: Mapping[str, Any]) -> File:
    return File(
        format=value["format"],
        size_bytes=int(value["size_bytes"]),
        duration_ms=_whole(value.get("duration_ms")),
        decodes=value.get("decodes", True),
        flagged=value.get("flagged", False),
    )


def _whole(number: float | None) -> int | None:
    # The schema admits 1.0 as an integer.
    return None if number is None else int(number)


def _session_json(session: Session) -> dict[str, Any]:
    value: dict[str, Any] = {"video_ms": session.video.duration_ms}
    if session.created_ms is not None:
        value["created_ms"] = session.created_ms
    value["faces"] = {name: [face.start_ms, face.end_ms] for name, face in session.faces.items()}
    return value


def _plain(entry: Audio | File) -> dict[str, Any]:
    members = ((name, getattr(entry, name)) for name in entry._fields)
    return {name: member for name, member in members if member is not None}
