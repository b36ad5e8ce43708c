"""The envelope of every answer: `{code, message, request_id, data}`."""

import json
from os import urandom
from typing import Any, Final

from kling_contracts import Response
from kling_contracts.http import JSON_TYPE

SUCCEED: Final = "SUCCEED"


def new_request_id() -> str:
    """Return a request id; upstream's are UUIDs (this one is of version 4)."""
    digits = urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def answer(
    status: int, code: int, message: str, request_id: str, data: Any = None, headers: dict[str, str] | None = None
) -> Response:
    """Return an enveloped answer; `data` is left out of a refusal that has none."""
    envelope = {"code": code, "message": message, "request_id": request_id}
    if data is not None:
        envelope["data"] = data
    return plain(status, envelope, headers)


def plain(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer without an envelope."""
    return Response(status, {"Content-Type": JSON_TYPE, **(headers or {})}, _encode(value).encode())


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
