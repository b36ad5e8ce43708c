"""What is known of each task, shared by the receiver's threads and the one that waits."""

import threading
from typing import Any

ENDS = {"succeed", "failed"}
ORDER = {"submitted": 0, "processing": 1, "succeed": 2, "failed": 2}


class Board:
    """The latest state of every task. Time only moves forward: a task that has ended stays as it ended."""

    def __init__(self) -> None:
        self._tasks: dict[str, dict[str, Any]] = {}
        self._hinted: set[str] = set()
        self._changed = threading.Condition()

    def note(self, task: dict[str, Any]) -> bool:
        """Take a trusted report over; False where it is no news: a repetition, or overtaken by a later one."""
        task_id = str(task["task_id"])
        with self._changed:
            if _stage(task) <= _stage(self._tasks.get(task_id)):
                return False
            self._tasks[task_id] = task
            self._changed.notify_all()
            return True

    def hint(self, task_id: str) -> None:
        """Wake whoever waits for this task: somebody says that it has ended."""
        with self._changed:
            self._hinted.add(task_id)
            self._changed.notify_all()

    def wait(self, task_id: str, seconds: float) -> dict[str, Any] | None:
        """Return the ended task as soon as it is known; None after a hint, or when the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended(task_id) or task_id in self._hinted, seconds)
            self._hinted.discard(task_id)
            return self._ended(task_id)

    def _ended(self, task_id: str) -> dict[str, Any] | None:
        task = self._tasks.get(task_id)
        return task if task and str(task.get("task_status")) in ENDS else None


def _stage(task: dict[str, Any] | None) -> int:
    # A status we do not know lies somewhere before the end.
    return -1 if task is None else ORDER.get(str(task.get("task_status")), 1)
