"""What a step makes of an answer, and of the body of a callback."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts import Contract, Response
from kling_mock_server.failures.scenarios.records import Delivery, Step
from kling_mock_server.failures.wire import WiredResponse
from kling_mock_server.protocol.envelope import answer, plain


class Refused(NamedTuple):
    """How a service code is told."""

    status: int
    message: str


Refusals = Mapping[int, Refused]
"""By service code."""


def refusals(contract: Contract) -> dict[int, Refused]:
    """Return how every code that the contract declares is told: in the words of its one rule, or in ours."""
    told: dict[int, list[str]] = {}
    for rule in (*contract.gate.rules.values(), *contract.account_rules.values()):
        told.setdefault(rule.code, []).append(rule.message)
    statuses = contract.operation.statuses.by_code
    words = {code: messages[0] for code, messages in told.items() if len(messages) == 1}
    return {code: Refused(statuses[code], says) for code, says in {**_MESSAGES, **words}.items() if code in statuses}


def carried_out(step: Step) -> bool:
    """Whether the call is carried out, so that `answered` gets the good answer."""
    return step.done or not step.replaces


def answered(step: Step, good: Response | None, request_id: str, refusals: Refusals) -> Response:
    """Return what the caller gets, a `WiredResponse` where the step bends the wire.

    `good` is the answer without the step; None where the call is not carried out. Raises `TypeError` where
    `carried_out` asks for one and there is none.
    """
    bare = _bare(step, good, request_id, refusals)
    headers = _with_headers(bare.headers, step.headers)
    if step.wire is None:
        return Response(bare.status, headers, bare.body)
    return WiredResponse(bare.status, headers, bare.body, step.wire)


def delivered(delivery: Delivery, body: bytes) -> bytes:
    """Return what is sent of a callback whose usual body is `body`."""
    if delivery.body is not None:
        body = delivery.body.encode()
    elif delivery.change is not None:
        body = plain(200, merged(json.loads(body), delivery.change)).body
    return body[: len(body) * delivery.percent // 100]


def merged(value: Any, patch: Any) -> Any:
    """Return a JSON value with a Merge Patch (RFC 7396) applied; neither is changed."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(value) if isinstance(value, Mapping) else {}
    for name, member in patch.items():
        if member is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), member)
    return result


def _bare(step: Step, good: Response | None, request_id: str, refusals: Refusals) -> Response:
    if step.refuse is not None:
        refused = refusals[step.refuse]
        return answer(step.status or refused.status, step.refuse, step.message or refused.message, request_id)
    if step.replaces:
        return _as_given(step.status or 200, step.body)
    if good is None:
        raise TypeError("this step leaves the good answer in place, and there is none")
    return _changed(step, good)


def _as_given(status: int, body: Any) -> Response:
    if body is None or body == "":
        return Response(status, {}, b"")
    if isinstance(body, str):
        return Response(status, {"Content-Type": "text/plain; charset=utf-8"}, body.encode())
    return plain(status, body)


def _changed(step: Step, good: Response) -> Response:
    # A call that is refused on its own account has no good answer to change.
    if good.status != 200 or (step.change is None and not step.numeric):
        return good
    value = merged(json.loads(good.body), step.change or {})
    for pointer in step.numeric:
        value = _with_number(value, [_unescaped(token) for token in pointer.split("/")[1:]])
    return plain(good.status, value, dict(good.headers))


def _with_number(value: Any, path: Sequence[str]) -> Any:
    """Turn the string of digits at a path into a number; whatever else is there stays."""
    if not path:
        return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    first, *rest = path
    if isinstance(value, dict) and first in value:
        return {**value, first: _with_number(value[first], rest)}
    if isinstance(value, list) and first.isdigit() and int(first) < len(value):
        place = int(first)
        return [*value[:place], _with_number(value[place], rest), *value[place + 1 :]]
    return value


def _unescaped(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _with_headers(headers: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    named = {name.lower() for name in given}
    kept = {name: value for name, value in headers.items() if name.lower() not in named}
    return {**kept, **{name: value for name, value in given.items() if value is not None}}


_DIGITS: Final = re.compile("[0-9]{1,1000}")
_MESSAGES: Final = {
    1000: "Authentication failed",
    1100: "The account is in an abnormal state",
    1101: "The account is in arrears",
    1102: "The resource pack is used up or has expired",
    1103: "The account has no permission for this API or model",
    1200: "The request parameters are invalid",
    1201: "The value of a parameter is invalid",
    1202: "The requested method is invalid",
    1203: "The requested resource does not exist",
    1300: "The request triggers the platform policy",
    1301: "The request triggers the content security policy",
    1302: "Too many requests in a short time",
    1304: "The IP address is not on the allow-list",
    5000: "Internal server error",
    5001: "The service is temporarily unavailable",
    5002: "The service timed out",
}
"""Ours, for the codes that no request rule has to itself."""
