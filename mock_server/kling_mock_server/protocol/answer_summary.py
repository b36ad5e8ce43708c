"""The facts about an answer that the journal keeps beside status, code and message."""

import json
from collections.abc import Mapping
from typing import Any, Final

from kling_contracts import Response
from kling_mock_server.protocol.task_json import task_details

NO_DETAILS: Final[Mapping[str, Any]] = {}


def answer_details(response: Response, *, is_file: bool = False) -> Mapping[str, Any]:
    """Return the details of an answer, read from its headers and body.

    `task_status` and `videos` (their number) of a task; `retry_after` and `range`, the values of the headers
    Retry-After and Content-Range; `unreadable` where a client cannot read JSON in the body, unless it `is_file`.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    details = {key: headers[name] for key, name in _HEADERS.items() if name in headers}
    return details if is_file else details | _body_details(response.body, headers)


_HEADERS: Final = {"retry_after": "retry-after", "range": "content-range"}


def _body_details(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    # The mock never compresses, so a Content-Encoding is a false claim of a scenario.
    if not isinstance(value, dict) or "content-encoding" in headers:
        return {"unreadable": True}
    return dict(task_details(value.get("data")))
