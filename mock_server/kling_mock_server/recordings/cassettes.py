"""Cassettes of vcrpy, YAML or JSON."""

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from kling_contracts.errors import misshapen
from kling_mock_server.recordings.exchange import RecordedExchange
from kling_mock_server.recordings.redaction import measured_media, redacted_body, redacted_headers, redacted_url
from kling_mock_server.reports.finding import Place


def interactions_of(value: Mapping[str, Any], name: str) -> Iterator[RecordedExchange]:
    """Yield the interactions of a cassette, redacted. Raises `ValueError` where one is not one."""
    for index, one in enumerate(value["interactions"] or ()):
        pointer = f"/interactions/{index}"
        try:
            yield _exchange(one, Place(name, pointer=pointer))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{name} {pointer}: not an interaction of a cassette: {misshapen(error)}") from None


def _exchange(one: Mapping[str, Any], place: Place) -> RecordedExchange:
    request, response = one["request"], one["response"]
    headers, answered = _headers(request), _headers(response)
    answer = _body(response.get("body"))
    media = measured_media(answer, answered.get("content-type", ""))
    return RecordedExchange(
        place=place,
        at_ms=_date_ms(answered.get("date", "")),
        method=str(request["method"]).upper(),
        url=redacted_url(str(request["uri"])),
        headers=redacted_headers(headers),
        body=redacted_body(_body(request.get("body"))),
        status=int(response["status"]["code"]),
        answer=None if media else redacted_body(answer),
        media=media,
    )


def _headers(side: Mapping[str, Any]) -> dict[str, str]:
    """A cassette has a list of values for each header."""
    listed = side.get("headers") or {}
    return {
        name.lower(): str(value[0] if isinstance(value, list) else value) for name, value in listed.items() if value
    }


def _body(body: Any) -> bytes:
    """A text, bytes, or an object that holds `string` (YAML) or `base64_string` (JSON)."""
    if isinstance(body, Mapping):
        if "base64_string" in body:
            return base64.b64decode(body["base64_string"])
        body = body.get("string")
    if body is None:
        return b""
    return body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogatepass")


def _date_ms(text: str) -> int | None:
    """Cassettes have no times; the `Date` of an answer (RFC 9110) is near enough for the age of a session."""
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
