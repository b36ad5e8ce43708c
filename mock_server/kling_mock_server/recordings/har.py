"""HAR 1.2: read whoever wrote it, and written one whole exchange after the other."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from kling_contracts import __version__
from kling_contracts.errors import misshapen
from kling_mock_server.recordings.exchange import RecordedExchange
from kling_mock_server.recordings.redaction import measured_media, redacted_body, redacted_headers, redacted_url
from kling_mock_server.reports.finding import Place


def entries_of(value: Mapping[str, Any], name: str) -> Iterator[RecordedExchange]:
    """Yield the entries of a HAR, redacted. Raises `ValueError` where an entry is not one."""
    for index, entry in enumerate(value["log"].get("entries", ())):
        pointer = f"/log/entries/{index}"
        try:
            yield _exchange(entry, Place(name, pointer=pointer))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{name} {pointer}: not an entry of a HAR: {misshapen(error)}") from None


def _exchange(entry: Mapping[str, Any], place: Place) -> RecordedExchange:
    request, response = entry["request"], entry["response"]
    headers = _headers(request)
    posted = request.get("postData", {})
    body = _content(posted.get("text"), posted.get("encoding"))
    content = response.get("content", {})
    recorded = content.get("text")
    answer = _content(recorded, content.get("encoding"))
    media_type = str(content.get("mimeType") or _headers(response).get("content-type", ""))
    media = content.get("_klingkit_media") or measured_media(answer, media_type)
    status = int(response.get("status") or 0)
    return RecordedExchange(
        place=place,
        at_ms=_unix_ms(entry.get("startedDateTime")),
        method=str(request["method"]).upper(),
        url=redacted_url(str(request["url"])),
        headers=redacted_headers(headers),
        body=redacted_body(body),
        status=status,
        answer=None if recorded is None or media else redacted_body(answer),
        media=media,
        has_body="postData" not in request or "text" in posted,
        is_callback=bool(entry.get("_klingkit_callback")),
    )


def _headers(side: Mapping[str, Any]) -> dict[str, str]:
    return {str(one["name"]).lower(): str(one["value"]) for one in side.get("headers", ())}


def _content(text: Any, encoding: Any) -> bytes:
    if text is None:
        return b""
    return base64.b64decode(text) if encoding == "base64" else str(text).encode("utf-8", "surrogatepass")


def _unix_ms(text: Any) -> int | None:
    if not isinstance(text, str):
        return None
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


HEAD: Final = json.dumps({"version": "1.2", "creator": {"name": "klingkit", "version": __version__}})[:-1]
"""The members of a log before its entries."""


class SentRequest(NamedTuple):
    """One request as it was sent, nothing redacted."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class ReceivedAnswer(NamedTuple):
    """One answer as it came, nothing redacted; headers by lower-case name."""

    status: int
    """HTTP status; 0: no whole answer came."""
    reason: str
    headers: Mapping[str, str]
    body: bytes


NO_ANSWER: Final = ReceivedAnswer(0, "", {}, b"")


def entry_json(
    at_ms: float,
    elapsed_ms: float,
    request: SentRequest,
    answer: ReceivedAnswer,
    *,
    is_callback: bool = False,
    problem: str = "",
) -> dict[str, Any]:
    """Return one exchange as an entry, redacted. `at_ms` is Unix time in ms.

    `problem` says why there is no whole answer.
    """
    started = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry: dict[str, Any] = {
        "startedDateTime": started,
        "time": round(elapsed_ms, 3),
        "request": _request_json(request),
        "response": _response_json(answer),
        "cache": {},
        "timings": {"send": 0, "wait": round(elapsed_ms, 3), "receive": 0},
    }
    if is_callback:
        entry["_klingkit_callback"] = True
    if problem:
        entry["response"]["_error"] = problem
    return entry


def _request_json(request: SentRequest) -> dict[str, Any]:
    redacted = redacted_url(request.url)
    value = {
        "method": request.method,
        "url": redacted,
        **_both_sides(request.headers, request.body),
        "queryString": [{"name": one, "value": two} for one, two in parse_qsl(urlsplit(redacted).query, True)],
    }
    if request.body:
        value["postData"] = {"mimeType": request.headers.get("content-type", ""), "text": _text(request.body)}
    return value


def _response_json(answer: ReceivedAnswer) -> dict[str, Any]:
    media_type = answer.headers.get("content-type", "")
    media = measured_media(answer.body, media_type)
    shown = {"_klingkit_media": media} if media else {"text": _text(answer.body)}
    return {
        "status": answer.status,
        "statusText": answer.reason,
        **_both_sides(answer.headers, answer.body),
        "content": {"size": len(answer.body), "mimeType": media_type, **shown},
        "redirectURL": "",
    }


def _both_sides(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the members that HAR 1.2 requires of request and response alike; -1: not known."""
    named = [{"name": name, "value": value} for name, value in redacted_headers(headers).items()]
    return {"httpVersion": "HTTP/1.1", "cookies": [], "headers": named, "headersSize": -1, "bodySize": len(body)}


def _text(body: bytes) -> str:
    return redacted_body(body).decode("utf-8", "surrogatepass")
