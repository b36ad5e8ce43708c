"""The bytes that rows of an account hold: large ones are bounded together, usual ones by their number."""

from typing import Final

from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Session
from kling_mock_server.state.stores.store import Table, Transaction
from kling_mock_server.state.tables import LARGE_SESSIONS, LARGE_TASKS, Outbox

USUAL_BYTES: Final = 2048
"""Bytes of the texts of a usual task and its callbacks, and of a usual session, which has six faces at most: an
account holds as many of those as it may hold tasks and sessions."""
MAX_LARGE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of all larger rows of one kind of an account; the oldest of them make room."""
_CHARACTER_BYTES: Final = 4
"""At most, for a text that is not ASCII."""
FACE_BYTES: Final = 320
"""Bytes of a face in a session: its id, and the two times at which it is seen."""


def note_task(rows: Transaction, task: Task, outbox: Outbox | None) -> list[str]:
    """Note a new task where it is large; return the ids of the large tasks that have to make room."""
    texts = [task.external_task_id, task.message, task.video_id, task.video_url, task.session_id, task.origin]
    if outbox:
        texts += [outbox.url, *(message.body for message in outbox.messages if message.body)]
    return _note(rows, LARGE_TASKS, task.id, _bytes_of(texts))


def note_session(rows: Transaction, session_id: str, session: Session) -> list[str]:
    """Note a new session where it is large; return the ids of the large sessions that have to make room."""
    size = FACE_BYTES * len(session.faces) + _bytes_of([session.video_id, session.video_url])
    return _note(rows, LARGE_SESSIONS, session_id, size)


def _bytes_of(texts: list[str]) -> int:
    return sum(len(text) if text.isascii() else _CHARACTER_BYTES * len(text) for text in texts)


def _note(rows: Transaction, table: Table, key: str, size: int) -> list[str]:
    if size <= USUAL_BYTES:
        return []
    rows.put(table, key, size)
    sizes = rows.items(table)
    excess = sum(held for _, held in sizes) - MAX_LARGE_BYTES
    gone = []
    # The new one stays, whatever its size.
    for other, held in sizes:
        if excess <= 0:
            break
        if other != key:
            gone.append(other)
            excess -= held
    return gone
