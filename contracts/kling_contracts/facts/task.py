"""A task of an account: its status is a function of time, so nothing has to happen for it to change."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Task(NamedTuple):
    """One accepted request. All times are Unix times in ms, on the account's clock."""

    id: str
    external_task_id: str
    """The caller's own id; empty where none was given."""
    created_ms: int
    begins_ms: int
    """When it starts to be processed."""
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
    origin: str = ""
    """Scheme, host and prefix under which the caller reached the mock: where its files are. Empty for a task that a
    world lists."""

    def status(self, now_ms: int) -> str:
        """Return the status at an instant."""
        if now_ms < self.begins_ms:
            return "submitted"
        if self.ends_ms is None or now_ms < self.ends_ms:
            return "processing"
        return "succeed" if self.succeeds else "failed"

    def is_running(self, now_ms: int) -> bool:
        """Return whether the task has not ended at an instant."""
        return self.status(now_ms) in ("submitted", "processing")

    def updated_ms(self, now_ms: int) -> int:
        """Return when the status of that instant began."""
        return self.reached_ms(self.status(now_ms))

    def has_succeeded(self, now_ms: int) -> bool:
        """Return whether there is a result at an instant."""
        return self.status(now_ms) == "succeed"

    def failure(self, now_ms: int) -> str:
        """Return why it has failed by an instant; empty where it has not."""
        return self.message if self.status(now_ms) == "failed" else ""

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
        return str(int(self.id) + 1) if _NUMBER.fullmatch(self.id) else f"{self.id}{_RESULT}"


def maker_of(video_id: str) -> str:
    """Return the id of the task whose result would have that id."""
    return str(int(video_id) - 1) if _NUMBER.fullmatch(video_id) else video_id.removesuffix(_RESULT)


_NUMBER: Final = re.compile("[1-9][0-9]{0,30}")
_RESULT: Final = "-video"


def tasks_from_json(value: Mapping[str, Any]) -> dict[str, Task]:
    """Build the table of a world that its schema describes. Raises `ValueError` with one line per mistake."""
    tasks = {name: _task(name, entry) for name, entry in value.items()}
    mistakes = [*_out_of_order(tasks), *_twice(tasks)]
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return tasks


def tasks_json(tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Return the table as JSON; what is left out there has its default."""
    return {name: _json(task) for name, task in tasks.items()}


def _task(name: str, entry: Mapping[str, Any]) -> Task:
    created_ms, ends_ms = int(entry["created_ms"]), entry.get("ends_ms")
    return Task(
        id=name,
        external_task_id=entry.get("external_task_id", ""),
        created_ms=created_ms,
        begins_ms=int(entry.get("begins_ms", created_ms)),
        ends_ms=None if ends_ms is None else int(ends_ms),
        succeeds=entry.get("succeeds", True),
        message=entry.get("message", ""),
        video_id=entry.get("video_id", ""),
        video_url=entry.get("video_url", ""),
        video_ms=int(entry["video_ms"]),
        session_id=entry.get("session_id", ""),
    )


def _json(task: Task) -> dict[str, Any]:
    members = task._asdict()
    kept = {name: value for name, value in members.items() if name in _ALWAYS or value not in ("", None)}
    return {name: value for name, value in kept.items() if name not in _NOT_IN_JSON}


_ALWAYS: Final = ("created_ms", "begins_ms", "succeeds", "video_ms")
_NOT_IN_JSON: Final = ("id", "origin")


def _out_of_order(tasks: Mapping[str, Task]) -> list[str]:
    found = []
    for name, task in tasks.items():
        if task.begins_ms < task.created_ms:
            found.append(f"/tasks/{name}/begins_ms: {task.begins_ms} is before created_ms, {task.created_ms}")
        if task.ends_ms is not None and task.ends_ms < task.begins_ms:
            found.append(f"/tasks/{name}/ends_ms: {task.ends_ms} is before begins_ms, {task.begins_ms}")
    return found


def _twice(tasks: Mapping[str, Task]) -> list[str]:
    first: dict[str, str] = {}
    found = []
    for name, task in tasks.items():
        given = task.external_task_id
        if given and first.setdefault(given, name) != name:
            found.append(f"/tasks/{name}/external_task_id: {given!r} is that of task {first[given]}, too")
    return found
