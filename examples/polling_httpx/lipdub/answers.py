"""Reading the API's envelope, and what comes instead of it."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from .errors import CODE_OK, NoAnswer, Refused

DAY_S = 86_400.0


def data_of(response: httpx.Response) -> dict[str, Any]:
    """Return the `data` of a good answer. Raises `Refused` or `NoAnswer`."""
    body = _json(response)
    code = _number(body.get("code"))
    if not response.is_success or code not in (None, CODE_OK) or body.get("error"):
        code = None if code == CODE_OK else code
        raise Refused(response.status_code, code, _message(response, body), retry_after_s(response.headers))
    data = body.get("data")
    if code is None or not isinstance(data, dict):
        raise NoAnswer(f"HTTP {response.status_code} without a readable answer")
    return data


def text_id(value: Any) -> str:
    """Return an id as the string it is, even where it came as a number. Raises `NoAnswer` where there is none."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise NoAnswer("the answer lacks an id")
    return str(value)


def retry_after_s(headers: httpx.Headers) -> float:
    """Return the seconds that `Retry-After` asks for, given as a number or as a date; 0 where it asks for nothing."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value.isdecimal() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, seconds), DAY_S)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _number(code: Any) -> int | None:
    try:
        return None if isinstance(code, bool) else int(code)
    except (TypeError, ValueError, OverflowError):
        return None


def _message(response: httpx.Response, body: dict[str, Any]) -> str:
    error = body.get("error")
    text = error.get("message") if isinstance(error, dict) else error or body.get("message")
    return " ".join(str(text or response.reason_phrase or "refused").split())[:300]
