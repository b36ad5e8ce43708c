"""The journal of an account: what was asked and answered, with secrets and audio taken out."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kling_contracts import Contract, Note, Report, Rule, Unverified, Violation
from kling_contracts.facts.payload_facts import base64_bytes
from kling_contracts.jsonio import strict_json
from kling_mock_server.state.stores.store import Store, Table

MAX_ENTRIES: Final = 1000
MAX_BODY_BYTES: Final = 16 * 1024
"""Bytes of a body that are kept; of a larger one only length and digest."""
MAX_TEXT_LENGTH: Final = 1024
"""Characters of a string that are shown; a longer one is redacted like audio, a longer path cut."""


class Entry(NamedTuple):
    """One exchange. `token` is the digest of the bearer token, empty where there was none.

    A callback that the mock sent is one too, `operation` "callback": `path` is where it went, `status` what the
    receiver answered (0: nothing), `answer` what went wrong.
    """

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
    operation: str = ""
    """The short name of the operation, `download` or `callback`; empty where the request reached none."""
    fault: str = ""
    """The scenario whose step was played; empty where none was."""
    details: Mapping[str, Any] = {}
    """What else the answer says, and how it left: see `answer_summary` and `wire_details`."""

    @property
    def payload(self) -> Any:
        """The body as JSON with audio taken out; None where there was none."""
        return _readable(self.body)


class Journal:
    """The last `MAX_ENTRIES` exchanges of one account."""

    def __init__(self, store: Store, account: str, table: Table) -> None:
        self._store = store
        self._account = account
        self._table = table

    def record(self, entry: Entry) -> None:
        """Add an exchange; the oldest makes room."""
        if len(entry.path) > MAX_TEXT_LENGTH:
            entry = entry._replace(path=entry.path[:MAX_TEXT_LENGTH])
        self._store.transaction(self._account, lambda rows: rows.put(self._table, entry.request_id, entry))

    def clear(self) -> None:
        """Forget every exchange."""
        self._store.transaction(self._account, lambda rows: rows.clear(self._table))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries, oldest first."""
        rows = self._store.transaction(self._account, lambda rows: rows.items(self._table))
        return tuple(entry for _, entry in rows)

    def to_json(self) -> dict[str, Any]:
        """Return the entries, oldest first, and how many were dropped to make room."""
        entries, dropped = self.entries, self._store.dropped(self._account, self._table)
        return {"dropped": dropped, "entries": [_entry_json(entry) for entry in entries]}


def journal_table(contract: Contract) -> Table:
    """Return the table of entries; what they say of rules is read back as rules of this contract."""
    return Table("journal", MAX_ENTRIES, _row, lambda row: _from_row(row, contract.every_rule))


def _row(entry: Entry) -> list[Any]:
    # Never the body as it came: a store on disk keeps no audio.
    payload = json.dumps(entry.payload, ensure_ascii=False) if entry.body else ""
    report = entry.report
    found = [[one.rule.id, one.pointer, one.message, _stored_value(one), one.remedy] for one in report.violations]
    unverified = [[one.rule.id, one.pointer, one.because] for one in report.unverified]
    stored: Any = [found, unverified, report.notes]
    row: Any = entry._replace(report=stored)
    return list(row._replace(body=payload))


def _stored_value(violation: Violation) -> str:
    # Shown, it is cut, but what is left of audio is audio.
    is_audio = violation.pointer.endswith("/sound_file") and not violation.value.startswith('"http')
    return "" if is_audio else violation.value


def _from_row(row: list[Any], rules: Mapping[str, Rule]) -> Entry:
    entry = Entry(*row)
    stored: Any = entry.report
    found, unverified, notes = stored
    report = Report(
        tuple(Violation(rules[one[0]], *one[1:]) for one in found if one[0] in rules),
        tuple(Unverified(rules[one[0]], *one[1:]) for one in unverified if one[0] in rules),
        tuple(Note(*note) for note in notes),
    )
    return entry._replace(body=str(entry.body).encode(), report=report)


def kept(payload: bytes) -> bytes:
    """Return what of a body may stay in memory: all of a small one, a digest of a large one."""
    if len(payload) <= MAX_BODY_BYTES:
        return payload
    return json.dumps(_redacted(payload)).encode()


@lru_cache
def digest_of(token: str) -> str:
    """Return the digest under which a token is journalled."""
    # In process, a token may hold what no UTF-8 does.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16] if token else ""


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "at_ms": entry.at_ms,
        "operation": entry.operation,
        "fault": entry.fault,
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
            "details": dict(entry.details),
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
        return _without_audio(strict_json.decode(payload)) if payload else None
    except strict_json.BodyError:
        return _redacted(payload)


def _without_audio(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _without_audio(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_without_audio(item, name) for item in value]
    if isinstance(value, str) and (len(value) > MAX_TEXT_LENGTH or _is_audio(value, name)):
        return _redacted(value.encode(), _format_of(value))
    return value


def _is_audio(text: str, name: str) -> bool:
    return name == "sound_file" and bool(text) and not text[:8].lower().startswith(("http://", "https://"))


def _format_of(text: str) -> str | None:
    from kling_contracts.media import audio

    data = base64_bytes(text)
    return None if data is None else audio.identify(data)


def _redacted(content: bytes, audio_format: str | None = None) -> dict[str, Any]:
    value: dict[str, Any] = {"redacted": "sha256:" + hashlib.sha256(content).hexdigest(), "length": len(content)}
    return {**value, "format": audio_format} if audio_format else value
