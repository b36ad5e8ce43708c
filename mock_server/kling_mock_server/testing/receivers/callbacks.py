"""Callbacks to a receiver under test: their bodies, and how they are signed."""

import json
import secrets
from collections.abc import Callable, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from kling_contracts import Contract
from kling_contracts.http import JSON_TYPE
from kling_mock_server.outgoing.webhooks import signature_headers
from kling_mock_server.protocol.names import QUERY

STATUSES: Final = ("submitted", "processing", "succeed", "failed")
_NEEDED: Final = {"task_id", "task_status", "task_info", "task_result", "created_at", "updated_at"}
_ONLY_OF_SUCCESS: Final = ("task_result", "final_unit_deduction")

Headers = dict[str, str]


class SigningInput(NamedTuple):
    """All that a signature is made from."""

    secrets: tuple[str, ...]
    """Webhook secrets; without any nothing is signed."""
    message_id: str
    now_s: int
    """Unix time in s."""
    body: bytes

    def headers(self, *, age_s: int = 0) -> Headers:
        """Return the headers of a good signature, made so many seconds ago; none without a secret."""
        return signature_headers(self.secrets, self.message_id, self.now_s - age_s, self.body)


Sign = Callable[[SigningInput], Headers]
"""Makes the signature headers of a callback at the moment when it is sent."""


def good(given: SigningInput) -> Headers:
    """Sign as the service does."""
    return given.headers()


class SentCallback(NamedTuple):
    """One callback to send."""

    check: str
    """Id of the check that it belongs to."""
    says: str
    """A clause that says what is special about it, `its body was changed after it was signed`."""
    body: bytes
    message_id: str
    sign: Sign = good
    headers: Mapping[str, str] = MappingProxyType({"Content-Type": JSON_TYPE})
    at_once: int = 1
    """How many times it is sent, at the same time."""

    def headers_now(self, secrets: tuple[str, ...], now_s: int) -> Headers:
        """Return all headers as they are sent at `now_s`, Unix time in s."""
        return {**self.headers, **self.sign(SigningInput(secrets, self.message_id, now_s, self.body))}


class CallbackMaker:
    """Makes the states of tasks that nobody has created, after the example of the documents."""

    def __init__(self, contract: Contract) -> None:
        """Raises `ValueError` where the documents show no task as callbacks report it."""
        query = contract.by_name.get(QUERY)
        answer = query.answer_example if query else None
        example = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(example, dict) or not example.keys() >= _NEEDED:
            raise ValueError("the documents have no example of a task, after which callbacks could be made")
        self._example = example

    def new_task(self) -> str:
        """Return an id like those of the service: 18 digits."""
        return str(8 * 10**17 + secrets.randbelow(10**17))

    def state(self, task_id: str, status: str) -> dict[str, Any]:
        """Return a task in a status."""
        value = deepcopy(self._example) | {"task_id": task_id, "task_status": status}
        if status != "succeed":
            value = {name: member for name, member in value.items() if name not in _ONLY_OF_SUCCESS}
        if status == "failed":
            value["task_status_msg"] = "The audio cannot be used"
        return value

    def callback(self, check: str, says: str, value: Any, **more: Any) -> SentCallback:
        """Return a callback with a message id of its own; `value` is the body, as bytes or to be written as JSON."""
        body = value if isinstance(value, bytes) else encoded(value)
        return SentCallback(check, says, body, f"msg_{secrets.token_hex(12)}", **more)


def encoded(value: Any) -> bytes:
    """Return a value as JSON, as the service writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
