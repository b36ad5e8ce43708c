"""The journal of an account: what was asked and answered, with secrets and audio taken out."""

import hashlib
import json
import threading
from collections import deque
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kling_contracts import Report, body
from kling_contracts.facts import base64_bytes

MOST_ENTRIES: Final = 1000
LARGEST_BODY: Final = 16 * 1024
"""Bytes of a body that are kept; of a larger one only length and digest."""
LONGEST_TEXT: Final = 1024
"""Characters of a string that are shown; a longer one is redacted like audio."""


class Entry(NamedTuple):
    """One exchange. `token` is the digest of the bearer token, empty where there was none."""

    at_ms: int
    method: str
    path: str
    token: str
    body: bytes
    status: int
    code: int
    answer: str
    request_id: str
    report: Report

    @property
    def payload(self) -> Any:
        """The body as JSON with audio taken out; None where there was none."""
        return _readable(self.body)


class Journal:
    """The last `MOST_ENTRIES` exchanges of one account."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MOST_ENTRIES)
        self._recorded = 0
        self._lock = threading.Lock()

    def record(self, entry: Entry) -> None:
        """Add an exchange; the oldest makes room."""
        with self._lock:
            self._recorded += 1
            self._entries.append(entry)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries, oldest first."""
        with self._lock:
            return tuple(self._entries)

    def to_json(self) -> dict[str, Any]:
        """Return the entries, oldest first, and how many were dropped to make room."""
        with self._lock:
            entries, recorded = list(self._entries), self._recorded
        return {"dropped": recorded - len(entries), "entries": [_entry_json(entry) for entry in entries]}


def kept(payload: bytes) -> bytes:
    """Return what of a body may stay in memory: all of a small one, a digest of a large one."""
    if len(payload) <= LARGEST_BODY:
        return payload
    return json.dumps(_redacted(payload)).encode()


@lru_cache
def digest_of(token: str) -> str:
    """Return the digest under which a token is journalled."""
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else ""


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "at_ms": entry.at_ms,
        "request": {
            "method": entry.method,
            "path": entry.path,
            "token_sha256": entry.token,
            "body": entry.payload,
        },
        "response": {
            "status": entry.status,
            "code": entry.code,
            "message": entry.answer,
            "request_id": entry.request_id,
        },
        **_without_values(entry.report.to_json()),
    }


def _without_values(report: dict[str, Any]) -> dict[str, Any]:
    # What a violation found stands in the body, where audio has been taken out.
    for violation in report["violations"]:
        del violation["found"]
    return report


def _readable(payload: bytes) -> Any:
    try:
        return _without_audio(body.decode(payload)) if payload else None
    except body.BodyError:
        return _redacted(payload)


def _without_audio(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _without_audio(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_without_audio(item, name) for item in value]
    if isinstance(value, str) and (len(value) > LONGEST_TEXT or _is_audio(value, name)):
        return _redacted(value.encode(), _format_of(value))
    return value


def _is_audio(text: str, name: str) -> bool:
    return name == "sound_file" and bool(text) and not text[:8].lower().startswith(("http://", "https://"))


def _format_of(text: str) -> str | None:
    from kling_contracts import audio

    data = base64_bytes(text)
    return None if data is None else audio.identify(data)


def _redacted(content: bytes, audio_format: str | None = None) -> dict[str, Any]:
    value: dict[str, Any] = {"redacted": "sha256:" + hashlib.sha256(content).hexdigest(), "length": len(content)}
    return {**value, "format": audio_format} if audio_format else value
