"""The callback queue of an account, as functions over its rows: the next callback, its lease, its retries.

A task has one row in `OUTBOXES` for as long as callbacks of it are left. The store is told when the earliest of them is
due in real time, so that the callback worker need not look at every account.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from kling_contracts.facts.task import Task
from kling_mock_server.state.stores.store import Transaction, real_ms
from kling_mock_server.state.tables import LEASE, ONE, OUTBOXES, STATE, TASKS, Message, Outbox, State

GAPS_MS: Final = (1_000, 2_000, 4_000, 8_000)
"""Milliseconds on the account's clock between one attempt at a callback and the next; after the last it is given up."""
LEASE_MS: Final = 8_000
"""The time in ms for which one process alone may send an account's callbacks; each attempt renews it."""


class Due(NamedTuple):
    """One callback to be sent now, and the task it is about."""

    outbox: Outbox
    task: Task
    leased_until_ms: int
    """Until when no other process sends the account's callbacks (real time, Unix ms)."""

    @property
    def message(self) -> Message:
        """The message to be sent."""
        return self.outbox.messages[0]


def add(rows: Transaction, outbox: Outbox, task: Task) -> None:
    """Add the callbacks of a new task."""
    rows.put(OUTBOXES, task.id, outbox)
    if outbox.due_ms <= task.created_ms:
        # Nothing can be due earlier than at once: the others, thousands perhaps, need not be read.
        rows.schedule(rows.get(LEASE, ONE) or 0)
    else:
        reschedule(rows)


def take(rows: Transaction) -> Due | None:
    """Return the callback that is due first, for this process alone to send; None where none is."""
    now_ms, leased_until_ms = real_ms(), rows.get(LEASE, ONE)
    if leased_until_ms is not None and leased_until_ms > now_ms:
        return None
    waiting = sorted((outbox for _, outbox in rows.items(OUTBOXES)), key=lambda one: one.due_ms)
    if not waiting or waiting[0].due_ms > _now_ms(rows):
        reschedule(rows)
        return None
    leased_until_ms = now_ms + LEASE_MS
    rows.put(LEASE, ONE, leased_until_ms)
    rows.schedule(leased_until_ms)
    return Due(waiting[0], rows.get(TASKS, waiting[0].task_id), leased_until_ms)


def settle(rows: Transaction, due: Due, *, done: bool) -> bool:
    """Note how an attempt went: the task's next callback follows where it is `done`, else the same one, later.

    Returns False where a world that was put in the meantime has forgotten the task.
    """
    # They differ where the attempt took so long that another process has settled it.
    if rows.get(OUTBOXES, due.task.id) == due.outbox:
        _proceed(rows, due.outbox, done=done)
    if rows.get(LEASE, ONE) == due.leased_until_ms:
        rows.clear(LEASE)
    reschedule(rows)
    return rows.get(TASKS, due.task.id) is not None


def is_due(outboxes: Mapping[str, Outbox], now_ms: int) -> bool:
    """Return whether a callback is due or, by whichever process, being sent."""
    return any(outbox.due_ms <= now_ms for outbox in outboxes.values())


def reschedule(rows: Transaction) -> None:
    """Tell the store when, in real time, the next callback is to be sent, not before the present one is settled."""
    due_ms, leased_until_ms = _next_due_ms(rows), rows.get(LEASE, ONE) or 0
    # At 0 at least: on a clock that was advanced far, a callback may be due before 1970 in real time.
    rows.schedule(None if due_ms is None else max(due_ms, leased_until_ms))


def _proceed(rows: Transaction, outbox: Outbox, *, done: bool) -> None:
    left = outbox.messages[1:]
    if not done and outbox.attempt < len(GAPS_MS):
        due_ms = _now_ms(rows) + GAPS_MS[outbox.attempt]
        rows.put(OUTBOXES, outbox.task_id, outbox._replace(attempt=outbox.attempt + 1, due_ms=due_ms))
    elif left:
        rows.put(OUTBOXES, outbox.task_id, outbox._replace(messages=left, attempt=0, due_ms=left[0].at_ms))
    else:
        rows.delete(OUTBOXES, outbox.task_id)


def _now_ms(rows: Transaction) -> int:
    # A server that was restarted may have forgotten the account while a callback of it was being sent.
    state: State = rows.get(STATE, ONE) or State()
    return state.now_ms()


def _next_due_ms(rows: Transaction) -> int | None:
    state: State | None = rows.get(STATE, ONE)
    due_ms: int | None = min((outbox.due_ms for _, outbox in rows.items(OUTBOXES)), default=None)
    if due_ms is None or state is None:
        return None
    if state.standing_ms is None:
        return due_ms - state.advanced_ms
    # A clock that stands still waits for nobody.
    return 0 if due_ms <= state.now_ms() else None
