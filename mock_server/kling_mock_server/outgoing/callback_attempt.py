"""One attempt at one callback: its body and headers, the POST, the entry in the journal, and the next attempt."""

import json
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final, NamedTuple

from kling_contracts import Report
from kling_contracts.http import JSON_TYPE
from kling_contracts.judging.report import printable
from kling_contracts.rules.price import Price
from kling_mock_server.outgoing.webhooks import (
    TIMEOUT_S,
    WRONG_SECRET,
    Attempt,
    LateError,
    Targets,
    post,
    signature_headers,
)
from kling_mock_server.protocol.envelope import new_request_id
from kling_mock_server.protocol.names import CALLBACK
from kling_mock_server.protocol.task_json import state_json
from kling_mock_server.state import outbox
from kling_mock_server.state.account import Account
from kling_mock_server.state.journal import Entry, kept
from kling_mock_server.state.outbox import Due
from kling_mock_server.state.passwords import without_passwords
from kling_mock_server.state.stores.store import real_ms

GAPS_MS: Final = (1_000, 2_000, 4_000, 8_000)
"""Milliseconds on the account's clock between one attempt at a callback and the next; after the last it is given up."""
_LOG: Final = logging.getLogger("klingkit")
_ALL: Final = 100

Post = Callable[[str, bytes, dict[str, str], float, Callable[[], bool]], Attempt]
"""Sends a body with headers to a URL, once, within so many seconds; `post` says what it asks before."""


class CallbackSender(NamedTuple):
    """The rules by which one mock sends callbacks."""

    targets: Targets
    secrets: tuple[str, ...] = ()
    """Webhook secrets; every one signs, and without any a callback is not signed."""
    post: Post = post
    timeout_s: float = TIMEOUT_S
    """How long one attempt may take in all, in seconds; it ends with its lease in any case."""
    price: Price | None = None
    """The price of a create call; None: not known."""

    def attempt(self, account: Account, due: Due) -> Entry | None:
        """Send a callback once and settle it; return its entry in the journal.

        Returns None where a world that was put in the meantime has forgotten the task, and where the lease is over:
        then nothing was sent.
        """
        body = _body(account, due, self.price)
        began = perf_counter()
        try:
            attempt, is_final = self._attempt(due.outbox.url, body, due)
        except LateError:
            # This process was held up: another one may have sent this callback, and the next of the task.
            account.state.transaction(lambda rows: outbox.release(rows, due))
            return None
        entry = _entry(account, due, body, attempt, round((perf_counter() - began) * 1000, 3))
        again_in_ms = None if is_final else gap_after(due.outbox.attempt)
        if not account.state.transaction(lambda rows: outbox.settle(rows, due, again_in_ms)):
            return None
        account.journal.record(entry)
        return entry

    def _attempt(self, url: str, body: bytes, due: Due) -> tuple[Attempt, bool]:
        """Return the outcome, and whether another attempt would be in vain."""
        try:
            refusal = self.targets.refusal(url)
            # A target that may not be called stays one: another attempt would be refused as well.
            attempt = Attempt(0, refusal) if refusal else self._posted(url, body, due)
        except LateError:
            raise
        except Exception as error:
            # Not of the network: another library of this process forbids sockets or looking up names, for one.
            _LOG.exception("the callback to %s was not sent", printable(without_passwords(url)))
            return Attempt(0, f"it was not sent: {type(error).__name__}: {error}"), False
        return attempt, attempt.delivered or bool(refusal)

    def _posted(self, url: str, body: bytes, due: Due) -> Attempt:
        timeout_s = min(self.timeout_s, due.left_s())
        if timeout_s <= 0:
            raise LateError
        return self.post(url, body, self._headers(due, body), timeout_s, lambda: due.left_s() > 0)

    def _headers(self, due: Due, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": JSON_TYPE}
        signature = due.message.signature
        if signature == "none":
            return headers
        secrets = (WRONG_SECRET,) if signature == "bad" else self.secrets
        return headers | signature_headers(secrets, due.message.id, real_ms() // 1000, body)


def gap_after(failed: int) -> int | None:
    """Return the ms until the attempt that follows number `failed`, counted from 0; None where that was the last."""
    return GAPS_MS[failed] if failed < len(GAPS_MS) else None


def _entry(account: Account, due: Due, body: bytes, attempt: Attempt, elapsed_ms: float) -> Entry:
    return Entry(
        at_ms=account.clock.now_ms(),
        method="POST",
        path=due.outbox.url,
        token="",
        body=kept(body),
        status=attempt.status,
        code=0,
        answer=attempt.error,
        request_id=new_request_id(),
        report=Report(),
        operation=CALLBACK,
        details={
            "task_id": due.task.id,
            "task_status": due.message.status,
            "attempt": due.outbox.attempt + 1,
        },
        elapsed_ms=elapsed_ms,
    )


def _body(account: Account, due: Due, price: Price | None) -> bytes:
    """The task as it was when its status changed, whatever it has become since."""
    message, task = due.message, due.task
    value = state_json(task, message.status, task.reached_ms(message.status), account.folder, price)
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if message.change is None and message.body is None and message.percent == _ALL:
        return body
    # At first use: callbacks that are wrong on purpose are for scenarios.
    from kling_mock_server.failures.scenarios import Delivery, delivered

    plan = Delivery(message.status, change=message.change, body=message.body, percent=message.percent)
    return delivered(plan, body)
