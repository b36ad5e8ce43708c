"""The changes of a step to an answer, and to the body of a callback."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kling_contracts import Response
from kling_contracts.jsonio.json_pointer import tokens
from kling_contracts.rules.rule import MAX_ID_LENGTH
from kling_contracts.rules.service_codes import ServiceCode
from kling_mock_server.failures.scenarios.records import Delivery, Step
from kling_mock_server.failures.wire import WiredResponse
from kling_mock_server.protocol.envelope import answer, plain

Codes = Mapping[int, ServiceCode]
"""By number, as the contract has them."""


def carried_out(step: Step) -> bool:
    """Whether the call is carried out, so that `answered` gets the good answer."""
    return step.done or not step.replaces


def answered(step: Step, good: Response | None, request_id: str, codes: Codes, payload: Any = None) -> Response:
    """Return what the caller gets, a `WiredResponse` where the step bends the wire.

    `good` is the answer without the step; None where the call is not carried out. The step's message may name texts
    of the `payload`. Raises `TypeError` where `carried_out` asks for a good answer and there is none.
    """
    bare = _bare(step, good, request_id, codes, payload)
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


def _bare(step: Step, good: Response | None, request_id: str, codes: Codes, payload: Any) -> Response:
    if step.refuse is not None:
        refused = codes[step.refuse]
        message = _filled_in(step.message, payload) or refused.message
        return answer(step.status or refused.status, step.refuse, message, request_id)
    if step.replaces:
        return _as_given(step.status or 200, step.body)
    if good is None:
        raise TypeError("this step leaves the good answer in place, and there is none")
    return _changed(step, good)


def _filled_in(message: str, payload: Any) -> str:
    """Return a message with the texts of the payload that it names in braces; other braces stay."""

    def text(named: re.Match[str]) -> str:
        given = payload.get(named[1]) if isinstance(payload, Mapping) else None
        return given[:MAX_ID_LENGTH] if isinstance(given, str) else named[0]

    return _NAMED.sub(text, message)


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
        value = _with_number(value, tokens(pointer))
    return plain(good.status, value, dict(good.headers))


def _with_number(value: Any, path: Sequence[str]) -> Any:
    """Turn the string of digits at a path into a number; whatever else is there stays."""
    if not path:
        return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    first, *rest = path
    if isinstance(value, dict) and first in value:
        return {**value, first: _with_number(value[first], rest)}
    if isinstance(value, list) and _INDEX.fullmatch(first) and int(first) < len(value):
        place = int(first)
        return [*value[:place], _with_number(value[place], rest), *value[place + 1 :]]
    return value


def _with_headers(headers: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    named = {name.lower() for name in given}
    kept = {name: value for name, value in headers.items() if name.lower() not in named}
    return {**kept, **{name: value for name, value in given.items() if value is not None}}


_NAMED: Final = re.compile(r"\{(\w+)\}")
_DIGITS: Final = re.compile("[0-9]{1,1000}")
_INDEX: Final = re.compile("[0-9]{1,9}")
