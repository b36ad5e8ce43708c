"""A task of an account: its status is a function of time, so nothing has to happen for it to change."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Task(NamedTuple):
    """One accepted request. All times are Unix times in ms, on the account's clock.

    `x-shows` and `x-there` in the documents name its members and methods: an answer shows what they return.
    """

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
        return str(int(self.id) + 1) if re.fullmatch(_NUMBER, self.id) else f"{self.id}{_RESULT}"


def maker_of(video_id: str) -> str:
    """Return the id of the task whose result would have that id."""
    return str(int(video_id) - 1) if re.fullmatch(_NUMBER, video_id) else video_id.removesuffix(_RESULT)


_NUMBER: Final = "[1-9][0-9]{0,30}"
_RESULT: Final = "-video"


def with_ids(tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON form of a table of tasks with what each task has from its place there, and from its creation."""
    return {name: {"begins_ms": task["created_ms"], **task, "id": name} for name, task in tasks.items()}


def refuse_contradictions(tasks: Mapping[str, Task]) -> None:
    """Raise `ValueError`, with one line per mistake, where times are out of order or two tasks share an external id."""
    mistakes = [*_out_of_order(tasks), *_twice(tasks)]
    if mistakes:
        raise ValueError("\n".join(mistakes))


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
