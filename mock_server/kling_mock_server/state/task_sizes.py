"""The bytes that the tasks of an account hold: those with long texts are bounded together, others by their number."""

from typing import Final

from kling_contracts.facts.task import Task
from kling_mock_server.state.stores.store import Transaction
from kling_mock_server.state.tables import LARGE_TASKS, Outbox

USUAL_BYTES: Final = 2048
"""Bytes of the texts of a usual task and its callbacks: an account holds as many of those as it may hold tasks."""
MAX_LARGE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the texts of all larger tasks of an account; the oldest of them make room."""
_CHARACTER_BYTES: Final = 4
"""At most, for a text that is not ASCII."""


def note_size(rows: Transaction, task: Task, outbox: Outbox | None) -> list[str]:
    """Note a new task where it is large; return the ids of the large tasks that have to make room."""
    size = _size(task, outbox)
    if size <= USUAL_BYTES:
        return []
    rows.put(LARGE_TASKS, task.id, size)
    sizes = rows.items(LARGE_TASKS)
    excess = sum(held for _, held in sizes) - MAX_LARGE_BYTES
    gone = []
    # The new one stays, whatever its size.
    for task_id, held in sizes[:-1]:
        if excess <= 0:
            break
        gone.append(task_id)
        excess -= held
    return gone


def _size(task: Task, outbox: Outbox | None) -> int:
    texts = [task.external_task_id, task.message, task.video_id, task.video_url, task.session_id, task.origin]
    if outbox:
        texts += [outbox.url, *(message.body for message in outbox.messages if message.body)]
    return sum(len(text) if text.isascii() else _CHARACTER_BYTES * len(text) for text in texts)
