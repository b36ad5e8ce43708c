"""The tasks of one account: created, looked up, counted."""

from collections.abc import Sequence
from typing import NamedTuple

from kling_contracts.facts.task import Task, maker_of
from kling_mock_server.state import outbox as callbacks
from kling_mock_server.state.account_state import AccountState
from kling_mock_server.state.large_rows import note_task
from kling_mock_server.state.stores.store import Transaction
from kling_mock_server.state.tables import (
    EXTERNAL_IDS,
    LARGE_TASKS,
    ONE,
    OUTBOXES,
    RESULTS,
    RUNNING,
    SESSIONS,
    STATE,
    TASKS,
    Outbox,
    Row,
    end_of,
)


class RefusedTask(NamedTuple):
    """A task that cannot be created as things stand."""

    fact: str
    """The fact that is not as it was judged, as rules name it: `facts.task`; empty: as many tasks run as may."""


class Tasks:
    """The tasks of one account, the oldest first."""

    def __init__(self, state: AccountState) -> None:
        self._state = state
        self._tasks = state.view(TASKS)
        self._external_ids = state.view(EXTERNAL_IDS)
        self._outboxes = state.view(OUTBOXES)

    def create(
        self,
        task: Task,
        outbox: Outbox | None = None,
        *,
        unique: bool = True,
        needs_session: bool = False,
        beside: Sequence[Row] = (),
    ) -> Task | RefusedTask:
        """Store a new task and its callbacks; return it as created at the instant at which it was stored.

        It is refused where as many tasks are running as may, if it has to be `unique` and its external id was used
        before, and if it `needs_session` and its session is there no longer. The rows `beside` are kept with the task
        or not at all.
        """

        def work(rows: Transaction) -> Task | RefusedTask:
            if needs_session and rows.get(SESSIONS, task.session_id) is None:
                return RefusedTask("facts.session")
            stored = self._create(rows, task, outbox, unique=unique)
            for row in beside if isinstance(stored, Task) else ():
                rows.put(*row)
            return stored

        external_id = [(EXTERNAL_IDS, task.external_task_id)] if task.external_task_id else []
        session = [(SESSIONS, task.session_id)] if needs_session else []
        others = [row[:2] for row in beside]
        return self._state.transaction(work, [(STATE, ONE), *session, (TASKS, task.id), *external_id, *others])

    def find(self, name: str) -> Task | None:
        """Return the task of that id or, where none has it, of that external id."""
        task: Task | None = self._tasks.get(name)
        return self._tasks.get(self._external_ids.get(name, "")) if task is None else task

    def outbox(self, task_id: str) -> Outbox | None:
        """Return the callbacks of a task that are still to be sent; None where there are none."""
        outbox: Outbox | None = self._outboxes.get(task_id)
        return outbox

    def making(self, video_id: str) -> Task | None:
        """Return the task whose result has that id, whether it has made it yet or not."""
        task: Task | None = self._tasks.get(maker_of(video_id))
        return task

    def page(self, number: int, size: int) -> list[Task]:
        """Return one page of tasks, the newest first; the first page is 1."""
        return self._state.store.newest(self._state.key, TASKS, (number - 1) * size, size)

    def limit(self, concurrency: int | None) -> None:
        """Let so many tasks run at once, those that run already among them; None: any number."""

        def work(rows: Transaction) -> None:
            state = self._state.begun(rows)
            now_ms = state.now_ms()
            rows.put(STATE, ONE, state._replace(concurrency=concurrency))
            rows.clear(RUNNING)
            for _, task in rows.items(TASKS) if concurrency is not None else ():
                if task.is_running(now_ms):
                    rows.put(RUNNING, task.id, end_of(task))

        self._state.transaction(work)

    def running(self) -> int:
        """Return how many tasks run now."""
        tasks = self._state.store.newest(self._state.key, TASKS, 0, len(self._tasks))
        # The clock is read afterwards: by an earlier instant a task that has just ended would run beside the one in
        # its place.
        now_ms = self._state.read().now_ms()
        return sum(task.is_running(now_ms) for task in tasks)

    def _create(self, rows: Transaction, task: Task, outbox: Outbox | None, *, unique: bool) -> Task | RefusedTask:
        state = self._state.begun(rows)
        # It may have waited for others: created before they ended, it would seem to have run beside them.
        waited_ms = state.now_ms() - task.created_ms
        task, external_id = task.moved(waited_ms) if waited_ms else task, task.external_task_id
        if unique and external_id and rows.get(EXTERNAL_IDS, external_id) is not None:
            return RefusedTask("facts.task")
        if state.concurrency is not None and not _takes_slot(rows, task, state.concurrency):
            return RefusedTask("")
        if external_id:
            rows.put(EXTERNAL_IDS, external_id, task.id)
        for forgotten in rows.put(TASKS, task.id, task):
            _forget(rows, forgotten)
        for task_id in note_task(rows, task, outbox):
            _make_room(rows, task_id)
        if outbox:
            callbacks.add(rows, outbox.moved(waited_ms))
        return task

    def __len__(self) -> int:
        return len(self._tasks)


def count_running(rows: Transaction, now_ms: int) -> int:
    """Return how many tasks run at an instant of the account's clock, within a transaction."""
    return sum(task.is_running(now_ms) for _, task in rows.items(TASKS))


def _takes_slot(rows: Transaction, task: Task, concurrency: int) -> bool:
    ended = [task_id for task_id, ends_ms in rows.items(RUNNING) if ends_ms <= task.created_ms]
    if len(rows.items(RUNNING)) - len(ended) >= concurrency:
        return False
    for task_id in ended:
        rows.delete(RUNNING, task_id)
    rows.put(RUNNING, task.id, end_of(task))
    return True


def _make_room(rows: Transaction, task_id: str) -> None:
    task = rows.get(TASKS, task_id)
    rows.delete(TASKS, task_id)
    _forget(rows, task)


def _forget(rows: Transaction, task: Task) -> None:
    """Drop what hangs on a task that made room; another task may have its external id by now."""
    if task.external_task_id and rows.get(EXTERNAL_IDS, task.external_task_id) == task.id:
        rows.delete(EXTERNAL_IDS, task.external_task_id)
    for table in (LARGE_TASKS, RUNNING, OUTBOXES, RESULTS):
        rows.delete(table, task.id)
