"""The tasks of one account: created, looked up, and their callbacks one after the other."""

from typing import TYPE_CHECKING, Final, NamedTuple

from kling_mock_server.state.stores.store import Transaction, real_ms
from kling_mock_server.state.tables import (
    EXTERNAL_IDS,
    LEASE,
    ONE,
    OUTBOXES,
    RESULTS,
    RUNNING,
    STATE,
    TASKS,
    Message,
    Outbox,
    State,
    Task,
    maker_of,
)

if TYPE_CHECKING:
    from kling_mock_server.state.account import Account

GAPS_MS: Final = (1_000, 2_000, 4_000, 8_000)
"""Milliseconds on the account's clock between one attempt at a callback and the next; after the last it is given up."""
LEASE_MS: Final = 8_000
"""So long one process alone may send an account's callbacks; it is renewed with every attempt."""
NEVER_MS: Final = 2**62


class TaskRefusedError(Exception):
    """A task cannot be created as things stand; `rule_id` says why."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(rule_id)
        self.rule_id = rule_id


class Due(NamedTuple):
    """One callback to be sent now, and the task it is about."""

    outbox: Outbox
    task: Task
    leased_until_ms: int
    """Until when nobody else sends the account's callbacks (real time, Unix ms)."""

    @property
    def message(self) -> Message:
        """What is to be sent."""
        return self.outbox.messages[0]


class Tasks:
    """The tasks of one account, the oldest first."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self._tasks = account.store.view(account.key, TASKS)
        self._external_ids = account.store.view(account.key, EXTERNAL_IDS)
        self._outboxes = account.store.view(account.key, OUTBOXES)

    def create(self, task: Task, outbox: Outbox | None = None, *, unique: bool = True) -> Task:
        """Store a new task and its callbacks; return it as created at the instant at which it was stored.

        Raises `TaskRefusedError` where as many tasks are running as may or, if it has to be `unique`, its external id
        was used before.
        """
        account = self._account
        stored = account.store.transaction(account.key, lambda rows: self._create(rows, task, outbox, unique=unique))
        if isinstance(stored, str):
            raise TaskRefusedError(stored)
        return stored

    def find(self, name: str) -> Task | None:
        """Return the task of that id or, where none has it, of that external id."""
        task: Task | None = self._tasks.get(name)
        return self._tasks.get(self._external_ids.get(name, "")) if task is None else task

    def making(self, video_id: str) -> Task | None:
        """Return the task whose result has that id, whether it has made it yet or not."""
        task: Task | None = self._tasks.get(maker_of(video_id))
        return task

    def page(self, number: int, size: int) -> list[Task]:
        """Return one page of tasks, the newest first; the first page is 1."""
        account = self._account
        return account.store.newest(account.key, TASKS, (number - 1) * size, size)

    def limit(self, concurrency: int | None) -> None:
        """Let so many tasks run at once, those that run already among them; None: any number."""
        state = self._account.state

        def work(rows: Transaction) -> None:
            now_ms = _state(rows).now_ms()
            rows.put(STATE, ONE, (rows.get(STATE, ONE) or state)._replace(concurrency=concurrency))
            rows.clear(RUNNING)
            for _, task in rows.items(TASKS) if concurrency is not None else ():
                if task.status(now_ms) in _RUNNING:
                    rows.put(RUNNING, task.id, _end(task))

        self._account.store.transaction(self._account.key, work)

    def running(self) -> int:
        """Return how many tasks run now."""
        tasks = self._account.store.newest(self._account.key, TASKS, 0, len(self._tasks))
        # Asked afterwards: by an earlier instant one that has just ended would run beside the one in its place.
        now_ms = self._account.clock.now_ms()
        return sum(task.status(now_ms) in _RUNNING for task in tasks)

    def take_due(self) -> Due | None:
        """Return the callback that is due first, for this process alone to send; None where none is."""
        return self._account.store.transaction(self._account.key, self._take)

    def settle(self, due: Due, *, done: bool) -> bool:
        """Note how an attempt went: the task's next callback follows where it is `done`, else the same one, later.

        Returns False where a world that was put meanwhile has forgotten the task.
        """

        def work(rows: Transaction) -> bool:
            # Who sent it took so long that another process has settled it, where they differ.
            if rows.get(OUTBOXES, due.task.id) == due.outbox:
                self._proceed(rows, due.outbox, done=done)
            if rows.get(LEASE, ONE) == due.leased_until_ms:
                rows.clear(LEASE)
            self.reschedule(rows)
            return rows.get(TASKS, due.task.id) is not None

        return self._account.store.transaction(self._account.key, work)

    def has_due(self) -> bool:
        """Return whether a callback is due or, by whichever process, being sent."""
        now_ms = self._account.clock.now_ms()
        return any(outbox.due_ms <= now_ms for outbox in self._outboxes.values())

    def reschedule(self, rows: Transaction) -> None:
        """Tell the store when, in real time, the next callback is to be sent, not before the present one is settled."""
        wake_ms = self._next_due_ms(rows)
        rows.schedule(None if wake_ms is None else max(wake_ms, rows.get(LEASE, ONE) or 0))

    def _create(self, rows: Transaction, task: Task, outbox: Outbox | None, *, unique: bool) -> Task | str:
        # It may have waited for others: created before they ended, it would seem to have run beside them.
        state = _state(rows)
        waited_ms = state.now_ms() - task.created_ms
        task, external_id = task.moved(waited_ms), task.external_id
        if unique and external_id and rows.get(EXTERNAL_IDS, external_id) is not None:
            return "external-task-id-duplicate"
        if state.concurrency is not None and not self._takes_slot(rows, task, state.concurrency):
            return "tasks-in-parallel"
        if external_id:
            rows.put(EXTERNAL_IDS, external_id, task.id)
        for forgotten in rows.put(TASKS, task.id, task):
            _forget(rows, forgotten)
        if outbox:
            rows.put(OUTBOXES, task.id, outbox.moved(waited_ms))
            self._reschedule_for(rows, outbox.moved(waited_ms), task)
        return task

    def _reschedule_for(self, rows: Transaction, outbox: Outbox, task: Task) -> None:
        if outbox.due_ms <= task.created_ms:
            # Nothing can be due earlier than at once: the others, thousands perhaps, need not be read.
            rows.schedule(rows.get(LEASE, ONE) or 0)
        else:
            self.reschedule(rows)

    def _takes_slot(self, rows: Transaction, task: Task, concurrency: int) -> bool:
        ended = [task_id for task_id, ends_ms in rows.items(RUNNING) if ends_ms <= task.created_ms]
        if len(rows.items(RUNNING)) - len(ended) >= concurrency:
            return False
        for task_id in ended:
            rows.delete(RUNNING, task_id)
        rows.put(RUNNING, task.id, _end(task))
        return True

    def _take(self, rows: Transaction) -> Due | None:
        now_ms, leased_until_ms = real_ms(), rows.get(LEASE, ONE)
        if leased_until_ms is not None and leased_until_ms > now_ms:
            return None
        waiting = sorted((outbox for _, outbox in rows.items(OUTBOXES)), key=lambda one: one.due_ms)
        if not waiting or waiting[0].due_ms > _state(rows).now_ms():
            self.reschedule(rows)
            return None
        leased_until_ms = now_ms + LEASE_MS
        rows.put(LEASE, ONE, leased_until_ms)
        rows.schedule(leased_until_ms)
        return Due(waiting[0], rows.get(TASKS, waiting[0].task_id), leased_until_ms)

    def _proceed(self, rows: Transaction, outbox: Outbox, *, done: bool) -> None:
        left = outbox.messages[1:]
        if not done and outbox.attempt < len(GAPS_MS):
            due_ms = _state(rows).now_ms() + GAPS_MS[outbox.attempt]
            rows.put(OUTBOXES, outbox.task_id, outbox._replace(attempt=outbox.attempt + 1, due_ms=due_ms))
        elif left:
            rows.put(OUTBOXES, outbox.task_id, outbox._replace(messages=left, attempt=0, due_ms=left[0].at_ms))
        else:
            rows.delete(OUTBOXES, outbox.task_id)

    def _next_due_ms(self, rows: Transaction) -> int | None:
        state: State | None = rows.get(STATE, ONE)
        due_ms: int | None = min((outbox.due_ms for _, outbox in rows.items(OUTBOXES)), default=None)
        if due_ms is None or state is None:
            return None
        if state.standing_ms is None:
            # No further back than 1970: a clock may be advanced by more than a store can count.
            return max(due_ms - state.advanced_ms, 0)
        # A clock that stands still waits for nobody.
        return 0 if due_ms <= state.now_ms() else None

    def __len__(self) -> int:
        return len(self._tasks)


_RUNNING: Final = ("submitted", "processing")


def _state(rows: Transaction) -> State:
    # A server that was restarted may have forgotten the account in the middle of a request.
    return rows.get(STATE, ONE) or State()


def _forget(rows: Transaction, task: Task) -> None:
    """Drop what hangs on a task that made room; another task may have its external id by now."""
    if rows.get(EXTERNAL_IDS, task.external_id) == task.id:
        rows.delete(EXTERNAL_IDS, task.external_id)
    for table in (RUNNING, OUTBOXES, RESULTS):
        rows.delete(table, task.id)


def _end(task: Task) -> int:
    return NEVER_MS if task.ends_ms is None else task.ends_ms
