"""The callbacks of an account that are to be sent, as functions over its rows: the next one, its lease, its end.

A task has one row in `OUTBOXES` for as long as callbacks of it are left. The rows of one receiver are a queue: its
callbacks are sent one after the other, by the time at which they are due, so that a receiver that hangs delays no other
one. The store is told when the first of a queue is due in real time: nothing here looks at those behind it.
"""

from typing import Final, NamedTuple

from kling_contracts.facts.task import Task
from kling_mock_server.state.stores.store import Transaction, real_ms
from kling_mock_server.state.tables import LEASES, ONE, OUTBOXES, STATE, TASKS, Message, Outbox, State

LEASE_MS: Final = 8_000
"""The time in ms for which one process alone may send an account's callbacks to a receiver. An attempt ends with its
lease: sent later, it could come after the task's next callback, which another process had sent by then."""


class Due(NamedTuple):
    """One callback to be sent now, and the task it is about."""

    outbox: Outbox
    task: Task
    leased_until_ms: int
    """Until when no other process sends the account's callbacks to this receiver (real time, Unix ms)."""

    @property
    def message(self) -> Message:
        """The message to be sent."""
        return self.outbox.messages[0]

    def left_s(self) -> float:
        """Return how many seconds of the lease are left; not positive where it is over."""
        return (self.leased_until_ms - real_ms()) / 1000


def add(rows: Transaction, outbox: Outbox) -> None:
    """Add the callbacks of a new task."""
    rows.put(OUTBOXES, outbox.task_id, outbox)
    _reschedule(rows, outbox.receiver)


def take(rows: Transaction, receiver: str) -> Due | None:
    """Return the callback to a receiver that is due first, for this process alone to send; None where none is."""
    now_ms = real_ms()
    if (rows.get(LEASES, receiver) or 0) > now_ms:
        return None
    first: Outbox | None = rows.first(OUTBOXES, receiver)
    if first is None or first.due_ms > _now_ms(rows):
        _reschedule(rows, receiver)
        return None
    leased_until_ms = now_ms + LEASE_MS
    rows.put(LEASES, receiver, leased_until_ms)
    rows.schedule(receiver, leased_until_ms)
    return Due(first, rows.get(TASKS, first.task_id), leased_until_ms)


def settle(rows: Transaction, due: Due, again_in_ms: int | None) -> bool:
    """Note how an attempt went: the same callback is due again in so many ms on the account's clock.

    None: it was delivered or is given up, and the task's next callback follows. Returns False where a world that was
    put in the meantime has forgotten the task.
    """
    # They differ where the attempt took so long that another process has settled it.
    if rows.get(OUTBOXES, due.task.id) == due.outbox:
        _proceed(rows, due.outbox, again_in_ms)
    release(rows, due)
    return rows.get(TASKS, due.task.id) is not None


def release(rows: Transaction, due: Due) -> None:
    """End the lease of a callback, sent or not."""
    receiver = due.outbox.receiver
    if rows.get(LEASES, receiver) == due.leased_until_ms:
        rows.delete(LEASES, receiver)
    _reschedule(rows, receiver)


def is_due(rows: Transaction) -> bool:
    """Return whether a callback is due or, by whichever process, being sent."""
    now_ms = _now_ms(rows)
    return any(rows.first(OUTBOXES, receiver).due_ms <= now_ms for receiver in rows.queues(OUTBOXES))


def reschedule_all(rows: Transaction) -> None:
    """Tell the store anew when callbacks are due in real time: the account's clock was set."""
    for receiver in rows.queues(OUTBOXES):
        _reschedule(rows, receiver)


def _reschedule(rows: Transaction, receiver: str) -> None:
    """Tell the store when, in real time, a receiver's next callback is to be sent, not before the lease ends."""
    due_ms, leased_until_ms = _next_due_ms(rows, receiver), rows.get(LEASES, receiver) or 0
    # At 0 at least: on a clock that was advanced far, a callback may be due before 1970 in real time.
    rows.schedule(receiver, None if due_ms is None else max(due_ms, leased_until_ms))


def _proceed(rows: Transaction, outbox: Outbox, again_in_ms: int | None) -> None:
    left = outbox.messages[1:]
    if again_in_ms is not None:
        due_ms = _now_ms(rows) + again_in_ms
        rows.put(OUTBOXES, outbox.task_id, outbox._replace(attempt=outbox.attempt + 1, due_ms=due_ms))
    elif left:
        rows.put(OUTBOXES, outbox.task_id, outbox._replace(messages=left, attempt=0, due_ms=left[0].at_ms))
    else:
        rows.delete(OUTBOXES, outbox.task_id)


def _now_ms(rows: Transaction) -> int:
    # A server that was restarted may have forgotten the account while a callback of it was being sent.
    state: State = rows.get(STATE, ONE) or State()
    return state.now_ms()


def _next_due_ms(rows: Transaction, receiver: str) -> int | None:
    state: State | None = rows.get(STATE, ONE)
    first: Outbox | None = rows.first(OUTBOXES, receiver)
    if first is None or state is None:
        return None
    if state.standing_ms is None:
        return first.due_ms - state.advanced_ms
    # A clock that stands still waits for nobody.
    return 0 if first.due_ms <= state.now_ms() else None
