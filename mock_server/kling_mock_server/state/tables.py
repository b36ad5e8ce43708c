"""The records of an account: the tables of a store, and the rows in them."""

import re
from typing import Any, Final, NamedTuple

from kling_contracts.facts.world import (
    audio_from_json,
    file_from_json,
    plain_json,
    session_from_json,
    session_json,
    video_from_json,
    video_json,
)
from kling_mock_server.state.stores.store import Table, real_ms

MAX_TASKS: Final = 10_000
"""Tasks an account keeps; the oldest is forgotten, with its external id."""
MAX_ISSUED: Final = 100_000
"""Sessions, audios, files, videos and external ids that an account keeps, of each."""
MAX_RESULTS: Final = 20
"""Rendered videos that an account keeps; of an older task a neutral one is served."""


class State(NamedTuple):
    """The single record of an account: its clock, its limits, and what its world says as a whole."""

    standing_ms: int | None = None
    """The time at which the clock stands still, Unix time in ms; None: it follows real time."""
    advanced_ms: int = 0
    audio_slack_ms: int = 0
    lists_files: bool = False
    """Whether a URL that is not in `files` does not answer."""
    lists_videos: bool = False
    voices: dict[str, str] | None = None
    flagged_words: tuple[str, ...] = ()
    concurrency: int | None = None
    """Tasks that may run at once; None: any number."""
    scenario: Any = None
    """The scenario that is being played, as JSON; None: none."""
    progress: Any = None
    """How far it has come, as JSON."""

    def now_ms(self) -> int:
        """Return the account's time, Unix time in ms."""
        return (real_ms() if self.standing_ms is None else self.standing_ms) + self.advanced_ms


class Task(NamedTuple):
    """One accepted request. Its status is a function of time: nothing has to happen for it to change."""

    id: str
    external_id: str
    """The caller's own id; empty when none was given."""
    created_ms: int
    begins_ms: int
    """When it starts to be processed, Unix time in ms on the account's clock."""
    ends_ms: int | None
    """When it ends; None: never."""
    succeeds: bool
    message: str
    """Why it fails; empty where it does not."""
    video_id: str
    video_url: str
    """The URL of the source video; empty where the mock serves one."""
    video_ms: int
    session_id: str
    origin: str
    """Scheme, host and prefix under which the caller reached the mock: where its files are."""

    def status(self, now_ms: int) -> str:
        """Return the status at an instant of the account's clock."""
        if now_ms < self.begins_ms:
            return "submitted"
        if self.ends_ms is None or now_ms < self.ends_ms:
            return "processing"
        return "succeed" if self.succeeds else "failed"

    def is_running(self, now_ms: int) -> bool:
        """Return whether the task has not ended at an instant of the account's clock."""
        return self.status(now_ms) in ("submitted", "processing")

    def updated_ms(self, now_ms: int) -> int:
        """Return when the status of that instant began."""
        if now_ms < self.begins_ms:
            return self.created_ms
        return self.begins_ms if self.ends_ms is None or now_ms < self.ends_ms else self.ends_ms

    def reached_ms(self, status: str) -> int:
        """Return when the task gets, or would get, to a status."""
        if status == "submitted":
            return self.created_ms
        return self.begins_ms if status == "processing" or self.ends_ms is None else self.ends_ms

    def moved(self, by_ms: int) -> "Task":
        """Return the task created so much later, and all that happens to it with it."""
        ends_ms = None if self.ends_ms is None else self.ends_ms + by_ms
        return self._replace(created_ms=self.created_ms + by_ms, begins_ms=self.begins_ms + by_ms, ends_ms=ends_ms)

    @property
    def result_id(self) -> str:
        """The id of the video that it makes."""
        return str(int(self.id) + 1)


def maker_of(video_id: str) -> str:
    """Return the id of the task whose result would have that id; empty where it is no id of ours."""
    return str(int(video_id) - 1) if _ID.fullmatch(video_id) else ""


_ID: Final = re.compile("[1-9][0-9]{0,30}")


class Message(NamedTuple):
    """One callback: of which status, from when on (the account's clock), and what is wrong with it, if anything."""

    status: str
    at_ms: int
    id: str
    """`webhook-id`; the same for every attempt."""
    change: Any = None
    """A JSON Merge Patch on its body."""
    body: str | None = None
    """Text that is sent instead of its body."""
    percent: int = 100
    """How much of the body's bytes is sent."""
    signature: str = "good"
    """good, bad or none."""


class Outbox(NamedTuple):
    """The callbacks of one task that are still to be sent: one after the other, the first until it is delivered."""

    task_id: str
    url: str
    messages: tuple[Message, ...]
    attempt: int
    """How often the first of them was tried."""
    due_ms: int
    """When it is tried (again), on the account's clock."""

    def moved(self, by_ms: int) -> "Outbox":
        """Return the callbacks so much later."""
        messages = tuple(message._replace(at_ms=message.at_ms + by_ms) for message in self.messages)
        return self._replace(messages=messages, due_ms=self.due_ms + by_ms)


def _same(row: Any) -> Any:
    return row


def _state(row: list[Any]) -> State:
    state = State(*row)
    return state._replace(flagged_words=tuple(state.flagged_words))


def _outbox(row: list[Any]) -> Outbox:
    outbox = Outbox(*row)
    return outbox._replace(messages=tuple(Message(*message) for message in outbox.messages))


STATE: Final = Table("state", 1, list, _state)
SESSIONS: Final[Table] = Table("sessions", MAX_ISSUED, session_json, session_from_json)
AUDIOS: Final[Table] = Table("audios", MAX_ISSUED, plain_json, audio_from_json)
FILES: Final = Table("files", MAX_ISSUED, plain_json, file_from_json)
VIDEOS: Final = Table("videos", MAX_ISSUED, video_json, video_from_json)
EXTERNAL_IDS: Final = Table("external_ids", MAX_ISSUED, _same, _same)
"""External ids that are taken, and the id of the task that has it; empty where a world said so."""
TASKS: Final = Table("tasks", MAX_TASKS, list, lambda row: Task(*row))
RUNNING: Final = Table("running", MAX_TASKS, _same, _same)
"""Tasks that may still run, and when each ends; kept where the account has a limit on them."""
OUTBOXES: Final = Table("outboxes", MAX_TASKS, list, _outbox)
LEASE: Final = Table("lease", 1, _same, _same)
"""Until when (real time, Unix ms) one process alone sends the account's callbacks."""
RESULTS: Final = Table("results", MAX_RESULTS, lambda row: row.hex(), bytes.fromhex)

WORLD_TABLES: Final = (SESSIONS, AUDIOS, FILES, VIDEOS, EXTERNAL_IDS)
TASK_TABLES: Final = (TASKS, RUNNING, OUTBOXES, LEASE, RESULTS)
ONE: Final = "one"
"""The key in a table of one row."""
