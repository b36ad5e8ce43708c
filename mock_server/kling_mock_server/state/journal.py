"""The journal of an account: what was asked and answered, with secrets and audio taken out."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from kling_contracts import Contract, Note, Report, Rule, Unverified, Violation
from kling_contracts.facts.file_content import base64_bytes
from kling_contracts.jsonio import strict_json
from kling_contracts.judging.timeline import Bar
from kling_mock_server.state.passwords import without_passwords
from kling_mock_server.state.short_text_cache import cached_for_short
from kling_mock_server.state.stores.store import Store, Table
from kling_mock_server.state.stores.text import RowText, encoded
from kling_mock_server.state.tables import Row

MAX_ENTRIES: Final = 1000
MAX_BODY_BYTES: Final = 16 * 1024
"""Bytes of a body that are kept; of a larger one only length and digest."""
MAX_TEXT_LENGTH: Final = 1024
"""Characters of a string that are shown; a longer one is redacted like audio, a longer path cut."""


MAX_FINDINGS: Final = 100
"""Violations that are kept of one exchange, and as many unverified rules and notes together."""
NOTE: Final = "note"
"""The `operation` of an entry that is no exchange: the mock says in `answer` what happened to the account."""
_PAGE: Final = 100
"""Entries that are read at once from the end of the journal."""


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
    scenario: str = ""
    """The scenario whose step was played; empty where none was."""
    details: Mapping[str, Any] = {}
    """More of the answer, and how it left: see `answer_summary` and `wire_details`."""
    query: str = ""
    """The query of the URL, as it came; cut like the path."""
    headers: Mapping[str, str] = {}
    """The request's headers by lower-case name, secrets as digests."""
    elapsed_ms: float = 0.0
    """Real time from the request's arrival to its answer, in ms; of a callback, until the receiver had answered."""
    bars: tuple[list[Bar], ...] = ()
    """The times of each item of face_choose, where the report no longer has the facts that they come from."""

    @property
    def payload(self) -> Any:
        """The body as JSON with audio taken out; None where there was none."""
        return _readable(self.body)

    def timelines(self, payload: Any) -> list[list[Bar]]:
        """Return the times of each item of face_choose, in ms; `payload` is this entry's, decoded by the caller."""
        return self.report.bars(payload) if self.report.facts else list(self.bars)


class Journal:
    """The last `MAX_ENTRIES` exchanges of one account."""

    def __init__(self, store: Store, account: str, table: Table) -> None:
        self._store = store
        self._account = account
        self._table = table

    def record(self, entry: Entry) -> None:
        """Add an exchange; the oldest makes room."""
        row = self.row(entry)
        self._store.transaction(self._account, lambda rows: rows.put(*row), [row[:2]])

    def row(self, entry: Entry, payload: Any = None) -> Row:
        """Return the row of an exchange, to be written with a change; what no usual one has so much of is cut.

        `payload` is the entry's body decoded, None where nobody has.
        """
        report = entry.report
        if len(report.violations) > MAX_FINDINGS or len(report.unverified) + len(report.notes) > MAX_FINDINGS:
            entry = entry._replace(report=_shortened(report))
        if len(entry.path) > MAX_TEXT_LENGTH or len(entry.query) > MAX_TEXT_LENGTH:
            entry = entry._replace(path=entry.path[:MAX_TEXT_LENGTH], query=entry.query[:MAX_TEXT_LENGTH])
        if not self._store.keeps_text:
            return self._table, entry.request_id, entry
        return self._table, entry.request_id, RowText(encoded(self._table, _row(entry, payload)))

    def note(self, at_ms: int, message: str) -> None:
        """Add an entry that is no exchange but says what happened to the account."""
        report = Report(notes=(Note("", message),))
        request_id = str(uuid.uuid4())
        self.record(Entry(at_ms, "", "", "", b"", 0, 0, message, request_id, report, operation=NOTE))

    def clear(self) -> None:
        """Forget every exchange."""
        self._store.transaction(self._account, lambda rows: rows.clear(self._table))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries, oldest first."""
        rows = self._store.view(self._account, self._table).items()
        return tuple(entry for _, entry in rows)

    def dropped(self) -> int:
        """Return how many entries were dropped to make room."""
        return self._store.dropped(self._account, self._table)

    def after(self, request_id: str) -> list[Entry] | None:
        """Return the entries that followed another, oldest first; None where that one is not in the journal.

        Reads from the end: who follows the journal asks for the few that are new.
        """
        newer: dict[str, Entry] = {}
        for skip in range(0, MAX_ENTRIES, _PAGE):
            page = self._store.newest(self._account, self._table, skip, _PAGE)
            for entry in page:
                if entry.request_id == request_id:
                    return list(reversed(newer.values()))
                # Entries added since the page before push its last ones onto this one.
                newer.setdefault(entry.request_id, entry)
            if len(page) < _PAGE:
                break
        return None


def _bytes_of(entry: Entry) -> int:
    findings = len(entry.report.violations) + len(entry.report.unverified) + len(entry.report.notes)
    return _USUAL_BYTES + len(entry.body) + _FINDING_BYTES * findings


_USUAL_BYTES: Final = 2560
_FINDING_BYTES: Final = 256


def _shortened(report: Report) -> Report:
    """Return the first findings of a report, with a note that says how many there were."""
    found, unverified = len(report.violations), len(report.unverified)
    note = Note("", f"{found} violations, {unverified} unverified rules and {len(report.notes)} notes, cut here")
    return report._replace(
        violations=report.violations[:MAX_FINDINGS],
        unverified=report.unverified[: MAX_FINDINGS // 2],
        notes=(*report.notes[: MAX_FINDINGS // 2 - 1], note),
    )


def journal_table(contract: Contract) -> Table:
    """Return the table of entries; what they say of rules is read back as rules of this contract."""

    @cache
    def rules() -> Mapping[str, Rule]:
        # At first use, since it compiles every operation; only stores that keep text read entries back.
        return {**contract.mock_rules, **contract.every_rule}

    return Table(
        "journal",
        MAX_ENTRIES,
        _row,
        lambda row: _from_row(row, rules()),
        is_log=True,
        hides_passwords=True,
        bytes_of=_bytes_of,
    )


def _row(entry: Entry, payload: Any = None) -> list[Any]:
    # Never the audio: what is written may be on a disk.
    body, payload = _written(entry.body, payload)
    report = entry.report
    found = [
        [one.rule.id, one.pointer, one.message, _stored_value(one), one.remedy, one.because]
        for one in report.violations
    ]
    unverified = [[one.rule.id, one.pointer, one.because] for one in report.unverified]
    stored: Any = [found, unverified, report.notes]
    row: Any = entry
    return list(row._replace(body=body, report=stored, bars=entry.timelines(payload)))


def _written(body: bytes, decoded: Any) -> tuple[str, Any]:
    """Return a body as it is written, and the payload that it holds, both with audio taken out.

    `decoded` is that payload as it came, None where nobody has decoded it.
    """
    if len(body) <= MAX_TEXT_LENGTH and b"\\" not in body and not _MAYBE_AUDIO.search(body):
        try:
            # Most bodies: there is nothing to take out.
            return body.decode(), strict_json.decode(body) if body and decoded is None else decoded
        except (UnicodeDecodeError, strict_json.BodyError):
            pass
    payload = _readable(body)
    return json.dumps(payload, ensure_ascii=False), payload


_MAYBE_AUDIO: Final = re.compile(rb'"sound_file"\s*:(?!\s*(?:""|"(?i:https?)://))')
"""A text of `sound_file` that `_is_audio` may take for audio."""


def _stored_value(violation: Violation) -> str:
    # Shown, it is cut, but what is left of audio is audio.
    is_url = violation.value.lower().startswith(('"http://', '"https://'))
    is_audio = violation.pointer.endswith("/sound_file") and not is_url
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
    bars = tuple([Bar(*bar) for bar in item] for item in entry.bars)
    return entry._replace(body=str(entry.body).encode(), report=report, bars=bars)


def kept(body: bytes, payload: Any = None) -> bytes:
    """Return what of a body may stay in memory: all of a small one; of a large one its payload without long texts.

    `payload` is the body decoded, None where nobody has: of such a body, and of one that is large without audio, only
    length and digest stay.
    """
    if len(body) <= MAX_BODY_BYTES:
        return body
    # Without its long texts, what has more commas than that has still more bytes.
    if payload is not None and body.count(b",") <= MAX_BODY_BYTES:
        shortened = json.dumps(_without_audio(payload), ensure_ascii=False).encode("utf-8", "surrogatepass")
        if len(shortened) <= MAX_BODY_BYTES:
            return shortened
    return json.dumps(_redacted(body)).encode()


@cached_for_short(128)
def digest_of(token: str) -> str:
    """Return the digest under which a token is journalled."""
    # In process, a token may hold what no UTF-8 does.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16] if token else ""


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return one exchange as `GET /_mock/journal` has it."""
    payload = entry.payload
    value: dict[str, Any] = {
        "at_ms": entry.at_ms,
        "elapsed_ms": entry.elapsed_ms,
        "operation": entry.operation,
        "scenario": entry.scenario,
        "request": {
            "method": entry.method,
            "path": entry.path,
            "query": entry.query,
            "headers": dict(entry.headers),
            "token_sha256": entry.token,
            "body": payload,
        },
        "response": {
            "status": entry.status,
            "code": entry.code,
            "message": entry.answer,
            "request_id": entry.request_id,
            "details": dict(entry.details),
        },
        **_without_values(entry.report),
        "timelines": [[bar._asdict() for bar in bars] for bars in entry.timelines(payload)],
    }
    return dict(without_passwords(value))


def _without_values(report: Report) -> dict[str, Any]:
    """Return a report whose violations tell no value of the body: it stands there, and audio has been taken out."""
    value = report.to_json()
    for row, violation in zip(value["violations"], report.violations, strict=True):
        if violation.rule.kind != "request":
            del row["found"]
    return value


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

    data = base64_bytes(text if len(text) <= MAX_BODY_BYTES else text[:_SNIFFED])
    return None if data is None else audio.identify(data)


_SNIFFED: Final = 256 * 1024
"""Characters of a long Base64 text, a multiple of 4, that its format is looked for in."""


def _redacted(content: bytes, audio_format: str | None = None) -> dict[str, Any]:
    value: dict[str, Any] = {"redacted": "sha256:" + hashlib.sha256(content).hexdigest(), "length": len(content)}
    return {**value, "format": audio_format} if audio_format else value
