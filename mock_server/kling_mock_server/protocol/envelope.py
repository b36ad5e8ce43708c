"""The envelope of every answer: `{code, message, request_id, data}`."""

import json
import os
from random import Random
from typing import Any, Final

from kling_contracts import Response
from kling_contracts.http import JSON_TYPE

SUCCEED: Final = "SUCCEED"


def new_request_id() -> str:
    """Return a request id; upstream's are UUIDs (this one is of version 4)."""
    digits = f"{_RANDOM.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


# Quicker than asking the system for every one; our own, as users seed the global one, and Hypothesis does.
_RANDOM: Final = Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_RANDOM.seed)


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
    # Half a surrogate pair, which a path may hold in process, becomes the escape that JSON has for it.
    encoded = _encode(value).encode("utf-8", "backslashreplace")
    return Response(status, {"Content-Type": JSON_TYPE, **(headers or {})}, encoded)


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
