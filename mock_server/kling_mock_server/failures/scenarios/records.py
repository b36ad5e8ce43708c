"""A scenario as records: every field is a key of the file by that name."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from kling_mock_server.failures.wire import Wire

ALWAYS: Final = "always"
"""As `times` of a step: every call that reaches it."""


class Fate(NamedTuple):
    """The course of a task."""

    ends: str = "succeed"
    """`succeed`, `failed` or `never`."""
    message: str = ""
    """The reason that a failed task gives in `task_status_msg`."""
    after_ms: int | None = None
    """When it ends, in ms of the account's clock from its creation; None: as tasks of the account usually do."""


class Delivery(NamedTuple):
    """One callback message of a task."""

    status: str
    """The status in its body: `submitted`, `processing`, or `end`, which is `succeed` or `failed` as the task ends."""
    when: str = ""
    """When it is due: `before-reply` (of the create call) or when the task gets to a status; empty: to `status`."""
    after_ms: int = 0
    """By how much later, in ms of the account's clock."""
    times: int = 1
    """How often the very same message, id and body, is sent."""
    change: Mapping[str, Any] | None = None
    """A JSON Merge Patch on its body."""
    body: str | None = None
    """Text that is sent instead of its body."""
    percent: int = 100
    """How much of the body's bytes is sent."""
    signature: str = "good"
    """`good`; `bad`: made with another secret; `none`: no signature headers."""

    @property
    def due(self) -> str:
        """`before-reply`, or the status at which it is due."""
        return self.when or self.status


class Step(NamedTuple):
    """One fault: of which calls it takes which, and what becomes of them. docs/scenarios.md explains every field."""

    call: str
    """`create`, `query`, `list`, `identify`, `tts` or `download`."""
    times: int | Literal["always"] = 1
    skip: int = 0
    chance: float = 1.0
    while_running: bool = False
    refuse: int | None = None
    message: str = ""
    status: int | None = None
    body: str | Mapping[str, Any] | list[Any] | None = None
    headers: Mapping[str, str | None] = {}
    """A None takes a header out."""
    done: bool = False
    change: Mapping[str, Any] | None = None
    numeric: tuple[str, ...] = ()
    """JSON Pointers."""
    wire: Wire | None = None
    task: Fate | None = None
    callbacks: tuple[Delivery, ...] | None = None

    @property
    def replaces(self) -> bool:
        """Whether the good answer is replaced by another one."""
        return self.refuse is not None or self.status is not None or self.body is not None


class Scenario(NamedTuple):
    """A named list of steps."""

    name: str
    steps: tuple[Step, ...]
    about: str = ""
    """One sentence: what happens, and which trap of the real service it is."""
    expects: str = "either"
    """A good client: `succeeds` (gets the video anyway), `gives-up` (stops, retries nothing), `either`."""
    seed: int = 0
    """Decides, with the step and how many calls reached it, every `chance`."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; what is left out there has its default."""
        return _plain(self)


def _plain(record: Any) -> dict[str, Any]:
    defaults = record._field_defaults
    members = zip(record._fields, record, strict=True)
    return {
        name: _member(member) for name, member in members if name not in defaults or not _same(member, defaults[name])
    }


def _same(member: Any, default: Any) -> bool:
    # An empty tuple of callbacks is not None, and 1 is True.
    return type(member) is type(default) and member == default


def _member(member: Any) -> Any:
    if hasattr(member, "_fields"):
        return _plain(member)
    return [_member(entry) for entry in member] if isinstance(member, tuple) else member
