"""The world: the server's side of a contract, as plain JSON and as frozen records."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from kling_contracts.facts.record_json import built, check, record_json
from kling_contracts.facts.task import Task, refuse_contradictions, with_ids


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
    def from_json(cls, value: Any, *, is_right: bool = False) -> "World":
        """Build a world from its JSON form. Raises `ValueError` with one line per mistake.

        `is_right`: the form is known to have none.
        """
        if not is_right:
            check(cls, value)
        if "tasks" not in value:
            return built(cls, value)
        world = built(cls, {**value, "tasks": with_ids(value["tasks"])})
        refuse_contradictions(world.tasks or {})
        return world

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; what is left out there has its default."""
        members = record_json(self)
        return {name: member for name, member in members.items() if member or name not in _LEFT_OUT_WHEN_EMPTY}


_LEFT_OUT_WHEN_EMPTY: Final = ("audio_slack_ms", "flagged_words")

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
