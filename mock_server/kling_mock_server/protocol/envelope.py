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
    digits = _RANDOM.randbytes(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


# Quicker than asking the system for every one; our own, as users seed the global one, and Hypothesis does.
_RANDOM: Final = Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_RANDOM.seed)


def answer(
    status: int, code: int, message: str, request_id: str, data: Any = None, headers: dict[str, str] | None = None
) -> Response:
    """Return an enveloped answer; `data` is left out of a refusal that has none."""
    text = f'{{"code":{code},"message":{encode(message)},"request_id":"{request_id}"'
    if data is not None:
        text = f'{text},"data":{data.text if isinstance(data, WrittenJson) else encode(data)}'
    return _response(status, f"{text}}}", headers)


def plain(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer without an envelope."""
    return _response(status, encode(value), headers)


def _response(status: int, text: str, headers: dict[str, str] | None) -> Response:
    # Half a surrogate pair, which a path may hold in process, becomes the escape that JSON has for it.
    encoded = text.encode("utf-8", "backslashreplace")
    return Response(status, {"Content-Type": JSON_TYPE, **(headers or {})}, encoded)


class WrittenJson(dict[str, Any]):
    """A JSON object and its text: one whose members are known is written quicker than it is encoded."""

    __slots__ = ("text",)

    def __init__(self, members: dict[str, Any], text: str) -> None:
        super().__init__(members)
        self.text = text


encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Returns a value as JSON, as short as it can be."""
