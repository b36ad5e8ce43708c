"""Tasks, and the ids they get."""

import threading
import time
from collections import deque
from typing import Final, NamedTuple

MOST_TASKS: Final = 10_000
"""Tasks an account keeps; the oldest is forgotten, with its external id."""

_EPOCH_MS: Final = 1_564_617_600_000


class Task(NamedTuple):
    """One accepted request."""

    id: str
    external_id: str
    """The caller's own id; empty when none was given."""
    created_ms: int
    status: str = "submitted"


class TaskIds:
    """Ever growing ids of 18 decimal digits, as observed upstream: milliseconds and a counter."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        """Return an id that was never returned before."""
        with self._lock:
            self._last = max(self._last + 1, (time.time_ns() // 1_000_000 - _EPOCH_MS) << 22)
            return str(self._last)


class Tasks:
    """The tasks of one account, the oldest first."""

    def __init__(self, ids: TaskIds, external_ids: set[str]) -> None:
        self._ids = ids
        self._by_id: dict[str, Task] = {}
        self._oldest_first: deque[Task] = deque()
        self._lock = threading.Lock()
        self.external_ids = external_ids
        """Every external id that is taken, by a task or beforehand."""

    def claim(self, external_id: str) -> bool:
        """Take an external id; False where it is taken. An empty one takes nothing."""
        with self._lock:
            if external_id and external_id in self.external_ids:
                return False
            if external_id:
                self.external_ids.add(external_id)
            return True

    def create(self, external_id: str, now_ms: int) -> Task:
        """Store a new task."""
        with self._lock:
            task = Task(self._ids.next(), external_id, now_ms)
            self._by_id[task.id] = task
            self._oldest_first.append(task)
            self._forget_oldest()
            return task

    def _forget_oldest(self) -> None:
        if len(self._by_id) > MOST_TASKS:
            oldest = self._oldest_first.popleft()
            del self._by_id[oldest.id]
            self.external_ids.discard(oldest.external_id)

    def __len__(self) -> int:
        return len(self._by_id)
