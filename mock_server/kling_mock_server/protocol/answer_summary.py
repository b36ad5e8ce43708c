"""What an answer told its caller beside status, code and message, as the journal keeps it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from kling_contracts import Response
from kling_mock_server.failures.wire import WiredResponse

NOTHING: Final[Mapping[str, Any]] = {}


def told_by(response: Response, operation: str) -> Mapping[str, Any]:
    """Return what an answer told.

    `task_status` and `videos` (how many) of a task; `retry_after` and `range`, the headers on them; `unreadable`
    where no client can read JSON in it; `wire`, how it left, as a step of a scenario says it.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    told = {key: headers[name] for key, name in _HEADERS.items() if name in headers}
    if operation != "download":
        told |= _body(response.body, headers)
    return told | ({"wire": _bent(response)} if isinstance(response, WiredResponse) else {})


def told_of_task(data: Any) -> Mapping[str, Any]:
    """Return what `data` of an answer tells of a task; nothing where it is about something else."""
    if not isinstance(data, dict) or "task_status" not in data:
        return NOTHING
    result = data.get("task_result")
    videos = result.get("videos") if isinstance(result, dict) else None
    told = {"task_status": data["task_status"]}
    return {**told, "videos": len(videos)} if isinstance(videos, list) else told


_HEADERS: Final = {"retry_after": "retry-after", "range": "content-range"}


def _body(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    # The mock never compresses, so an encoding is claimed and nothing more.
    if not isinstance(value, dict) or "content-encoding" in headers:
        return {"unreadable": True}
    return dict(told_of_task(value.get("data")))


def _bent(response: WiredResponse) -> dict[str, Any]:
    defaults = response.wire._field_defaults
    return {name: value for name, value in response.wire._asdict().items() if value != defaults[name]}
