"""One recorded call of the API: the operation that it is for, its payload, what was answered."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from kling_contracts import Contract, Operation, Request, Violation
from kling_contracts.facts.world import File
from kling_contracts.judging.request_rules import Routed
from kling_mock_server.recordings.exchange import RecordedExchange
from kling_mock_server.recordings.redaction import REDACTED, audio_of


class Answered(NamedTuple):
    """The members of an answer; None where one was not recorded or is missing."""

    status: int
    code: int | None
    message: str
    data: Any
    envelope: Any
    """The whole body, decoded; None where it was not recorded."""
    is_readable: bool = True
    """Whether the body is a JSON object, as far as it was recorded."""

    @property
    def is_accepted(self) -> bool:
        """Whether the call was carried out."""
        return 200 <= self.status < 300 and self.code == 0


class RecordedCall(NamedTuple):
    """One exchange that is a call of an operation."""

    exchange: RecordedExchange
    operation: Operation
    payload: Any
    """None where `refusal` says why there is none."""
    refusal: Violation | None
    """A request rule that is broken."""
    answered: Answered
    files: Mapping[str, File]
    """The audio that was sent as Base64, by the URL that stands for it in the payload."""


def call_of(exchange: RecordedExchange, contract: Contract) -> RecordedCall | None:
    """Return an exchange as a call; None where its path is none of the API's, whatever the host and prefix."""
    path = api_path(exchange.path, contract)
    if path is None or exchange.status == 0:
        return None
    files: dict[str, File] = {}
    body, unreadable = _restored(exchange.body, files)
    request = Request(exchange.method, path, _with_token(exchange.headers), body, exchange.query)
    routed = contract.request_rules.route(request)
    if isinstance(routed, Violation):
        return None
    answered = _answered(exchange)
    payload = _payload(contract, request, routed, unreadable, needs_key=not answered.is_accepted)
    if isinstance(payload, Violation):
        return RecordedCall(exchange, routed.operation, None, payload, answered, files)
    return RecordedCall(exchange, routed.operation, payload, None, answered, files)


def api_path(path: str, contract: Contract) -> str | None:
    """Return the end of a path at which an operation is: a gateway may have put anything before it."""
    trimmed = path.rstrip("/") or "/"
    steps = trimmed.split("/")
    for start in range(1, len(steps)):
        candidate = "/" + "/".join(steps[start:])
        if contract.request_rules.routes.find(candidate)[0] is not None:
            return candidate
    return None


def envelope_of(answer: bytes) -> Any:
    """Return the JSON of an answer; None where it is none, or was too long to be kept."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return None if isinstance(value, Mapping) and value.get("unreadable") and REDACTED in value else value


def _payload(contract: Contract, request: Request, routed: Routed, unreadable: bool, *, needs_key: bool) -> Any:
    """Return the payload, or the broken request rule. A call that was carried out had a key, recorded or not."""
    if routed.operation.secured and needs_key:
        token = contract.request_rules.token(request)
        if isinstance(token, Violation):
            return token
    return (
        contract.request_rules.violation("body-json") if unreadable else contract.request_rules.payload(request, routed)
    )


def _answered(exchange: RecordedExchange) -> Answered:
    if exchange.answer is None:
        return Answered(exchange.status, exchange.code, exchange.message, None, None)
    envelope = envelope_of(exchange.answer)
    if not isinstance(envelope, Mapping):
        return Answered(exchange.status, None, "", None, None, is_readable=False)
    code = envelope.get("code")
    known = code if isinstance(code, int) and not isinstance(code, bool) else None
    return Answered(exchange.status, known, str(envelope.get("message", "")), envelope.get("data"), envelope)


def _with_token(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers in which a digest has the form of a bearer token (RFC 6750, section 2.1), as the key had."""
    return {name: value.replace("sha256:", "sha256-") for name, value in headers.items()}


def _restored(body: bytes, files: dict[str, File]) -> tuple[bytes, bool]:
    """Return a body in which texts stand for the audio that was taken out, and whether it was no JSON at all."""
    if REDACTED.encode() not in body:
        return body, False
    value = json.loads(body)
    if isinstance(value, Mapping) and value.get("unreadable"):
        return body, True
    return json.dumps(_with_texts(value, files)).encode(), False


def _with_texts(value: Any, files: dict[str, File]) -> Any:
    if isinstance(value, Mapping):
        if REDACTED in value:
            return _text_for(value, files)
        return {name: _with_texts(member, files) for name, member in value.items()}
    return [_with_texts(item, files) for item in value] if isinstance(value, list) else value


def _text_for(value: Mapping[str, Any], files: dict[str, File]) -> str:
    kind, file = audio_of(value)
    if kind == "data_url":
        return "data:redacted"
    if file is None:
        # No Base64, no URL: whatever it was, it is judged as that. A long text of another field keeps its length.
        return "?" * int(value.get("length", 1))
    url = f"https://redacted.invalid/{str(value[REDACTED]).partition(':')[2]}.{file.format}"
    files[url] = file
    return url
