"""`GET /_mock/tasks`: an account's tasks, each with what became of its callbacks."""

from collections.abc import Iterable
from typing import Any, Final

from kling_contracts.facts.task import Task
from kling_contracts.rules.price import Price
from kling_mock_server.core.query import Asked
from kling_mock_server.protocol.names import CALLBACK
from kling_mock_server.protocol.task_json import state_json
from kling_mock_server.state.account import Account
from kling_mock_server.state.journal import Entry
from kling_mock_server.state.passwords import without_passwords
from kling_mock_server.state.tables import Outbox

MAX_LISTED: Final = 500
"""Tasks of one answer."""
_DEFAULT: Final = 100


def tasks_json(account: Account, query: str, price: Price | None) -> list[dict[str, Any]]:
    """Return the newest tasks, the newest first, as the API has them, with their callbacks.

    `price` is that of a create call, None where it is not known. Attempts are those that the journal still holds.
    Raises `ValueError` where the query asks for something else.
    """
    limit = Asked(query, ("limit",)).number("limit", MAX_LISTED, _DEFAULT)
    tasks = account.tasks.page(1, limit)
    attempts = _attempts(account.journal.entries) if tasks else {}
    now_ms = account.clock.now_ms()
    return [_row(account, task, now_ms, attempts.get(task.id, []), price) for task in tasks]


def _row(
    account: Account, task: Task, now_ms: int, attempts: list[dict[str, Any]], price: Price | None
) -> dict[str, Any]:
    state = state_json(task, task.status(now_ms), task.updated_ms(now_ms), account.folder, price)
    outbox = account.tasks.outbox(task.id)
    return {**state, "callbacks": {"attempts": attempts, "next": _next(outbox) if outbox else None}}


def _attempts(entries: Iterable[Entry]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if entry.operation == CALLBACK and "task_id" in entry.details:
            found.setdefault(entry.details["task_id"], []).append(_attempt(entry))
    return found


def _attempt(entry: Entry) -> dict[str, Any]:
    return {
        "at_ms": entry.at_ms,
        "elapsed_ms": entry.elapsed_ms,
        "url": without_passwords(entry.path),
        "task_status": entry.details["task_status"],
        "attempt": entry.details["attempt"],
        "status": entry.status,
        "error": entry.answer,
    }


def _next(outbox: Outbox) -> dict[str, Any]:
    return {
        "due_ms": outbox.due_ms,
        "url": without_passwords(outbox.url),
        "task_status": outbox.messages[0].status,
        "attempt": outbox.attempt + 1,
    }
