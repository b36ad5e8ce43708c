"""The mock's own journal: an entry a line, or the whole answer of `GET /_mock/journal`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kling_contracts.errors import misshapen
from kling_mock_server.protocol.names import CALLBACK, DOWNLOAD
from kling_mock_server.recordings.exchange import RecordedExchange
from kling_mock_server.recordings.redaction import redacted_headers, redacted_url, redacted_value
from kling_mock_server.reports.finding import Place
from kling_mock_server.state.journal import NOTE


def entries_of(entries: list[tuple[int, Mapping[str, Any]]], name: str) -> Iterator[RecordedExchange]:
    """Yield journalled exchanges, each given with its line (0: not known). Downloads and notes are left out.

    Raises `ValueError` where an entry is not one.
    """
    for index, (line, entry) in enumerate(entries):
        place = Place(name, line) if line else Place(name, pointer=f"/data/entries/{index}")
        try:
            if entry["operation"] not in (DOWNLOAD, NOTE):
                yield _exchange(entry, place)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{place}: not an entry of a journal: {misshapen(error)}") from None


def _exchange(entry: Mapping[str, Any], place: Place) -> RecordedExchange:
    request, response = entry["request"], entry["response"]
    body, query = request["body"], request.get("query", "")
    token = request.get("token_sha256", "")
    headers = {**redacted_headers(request.get("headers", {}))}
    if token:
        headers["authorization"] = f"Bearer sha256:{token}"
    is_callback = entry["operation"] == CALLBACK
    return RecordedExchange(
        place=place,
        at_ms=entry["at_ms"],
        method=request["method"],
        url=redacted_url(f"{request['path']}?{query}" if query else request["path"]),
        headers=headers,
        body=b"" if body is None else json.dumps(redacted_value(body), ensure_ascii=False).encode(),
        status=response["status"],
        answer=None,
        code=None if is_callback else response["code"],
        message=response["message"],
        is_callback=is_callback,
    )
