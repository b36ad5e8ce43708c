"""The records of an account: the tables of a store, and the rows in them."""

from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from kling_contracts.facts.record_json import record_from_json, record_json
from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Audio, File, Session, VideoFile
from kling_mock_server.state.stores.store import QueuePlace, Table, real_ms

MAX_TASKS: Final = 10_000
"""Tasks an account keeps; the oldest is forgotten, with its external id."""
MAX_ISSUED: Final = 100_000
"""Sessions, audios, files, videos and external ids that an account keeps, of each."""
MAX_RESULTS: Final = 20
"""Rendered videos that an account keeps; of an older task a neutral one is served."""


Row = tuple[Table, str, Any]
"""A table, the key of a row in it, and the row."""


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


def end_of(task: Task) -> int:
    """Return when a task ends, Unix time in ms; of one that never does, an instant beyond all others."""
    return _NEVER_MS if task.ends_ms is None else task.ends_ms


_NEVER_MS: Final = 2**62


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

    @property
    def receiver(self) -> str:
        """The receiver: host and port of the URL; empty where it cannot be read."""
        return receiver_of(self.url)

    def moved(self, by_ms: int) -> "Outbox":
        """Return the callbacks so much later."""
        messages = tuple(message._replace(at_ms=message.at_ms + by_ms) for message in self.messages)
        return self._replace(messages=messages, due_ms=self.due_ms + by_ms)


def receiver_of(url: str) -> str:
    """Return the host and the port of a callback URL, like `localhost:8000`; "" where it cannot be read."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return ""
    receiver = f"{parts.hostname or ''}:{port}"
    return receiver if receiver.isprintable() and len(receiver) <= _MAX_RECEIVER_LENGTH else ""


_MAX_RECEIVER_LENGTH: Final = 300
"""Characters; a host name has 253 at most (RFC 1035 section 2.3.4)."""


def _same(row: Any) -> Any:
    return row


def _small(_: Any) -> int:
    return 128


def _state(row: list[Any]) -> State:
    state = State(*row)
    return state._replace(flagged_words=tuple(state.flagged_words))


def _outbox(row: list[Any]) -> Outbox:
    outbox = Outbox(*row)
    return outbox._replace(messages=tuple(Message(*message) for message in outbox.messages))


STATE: Final = Table("state", 1, list, _state, is_reread=True)
SESSIONS: Final[Table] = Table("sessions", MAX_ISSUED, record_json, partial(record_from_json, Session), is_reread=True)
AUDIOS: Final[Table] = Table("audios", MAX_ISSUED, record_json, partial(record_from_json, Audio), is_reread=True)
FILES: Final = Table("files", MAX_ISSUED, record_json, partial(record_from_json, File))
VIDEOS: Final = Table("videos", MAX_ISSUED, record_json, partial(record_from_json, VideoFile))
EXTERNAL_IDS: Final = Table("external_ids", MAX_ISSUED, _same, _same, bytes_of=_small)
"""External ids that are taken, and the id of the task that has it; empty where a world said so."""
TASKS: Final = Table("tasks", MAX_TASKS, list, lambda row: Task(*row), hands_back=True)
RUNNING: Final = Table("running", MAX_TASKS, _same, _same, bytes_of=_small)
"""Tasks that may still run, and when each ends; kept where the account has a limit on them."""
LARGE_TASKS: Final = Table("large_tasks", MAX_TASKS, _same, _same, bytes_of=int)
"""Tasks with long texts, and how many bytes these have."""
LARGE_SESSIONS: Final = Table("large_sessions", MAX_ISSUED, _same, _same, bytes_of=int)
"""Sessions with many faces, and how many bytes these have."""
OUTBOXES: Final = Table("outboxes", MAX_TASKS, list, _outbox, lambda row: QueuePlace(row.receiver, row.due_ms))
"""The callbacks of each task; those to one receiver are a queue, by the time at which they are due."""
LEASES: Final = Table("leases", MAX_TASKS, _same, _same, bytes_of=_small)
"""Until when (real time, Unix ms) one process alone sends the account's callbacks to a receiver."""
RESULTS: Final = Table("results", MAX_RESULTS, lambda row: row.hex(), bytes.fromhex, bytes_of=len)

WORLD_TABLES: Final = (SESSIONS, LARGE_SESSIONS, AUDIOS, FILES, VIDEOS, EXTERNAL_IDS)
TASK_TABLES: Final = (TASKS, LARGE_TASKS, RUNNING, OUTBOXES, LEASES, RESULTS)
ONE: Final = "one"
"""The key in a table of one row."""
