"""The meaning of an answer to the client that got it, read from the journal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts import Contract
from kling_contracts.rules.service_codes import ServiceCode
from kling_mock_server.protocol.names import CREATE, DOWNLOAD, IDENTIFY, QUERY, TTS
from kling_mock_server.state.journal import Entry


class Codes(NamedTuple):
    """The meaning of service codes, as the contract has it."""

    by_number: Mapping[int, ServiceCode]
    unknown_task: int
    """The code with which a query of a task that nobody knows is refused; 0 where the contract has no rule on it."""

    @classmethod
    def of(cls, contract: Contract) -> "Codes":
        """Return the codes of a contract."""
        rule = contract.rule_on(QUERY, "facts.task")
        return cls(contract.codes, rule.code if rule else 0)


PASSING_STATUSES: Final = (408, 425, 429)
"""Statuses of answers without a code, as from gateways: nothing was done, the same request may pass later."""


def is_whole(entry: Entry) -> bool:
    """Return whether the client surely got all of the answer, and could read it."""
    wire = entry.details.get("wire", {})
    bent = wire.keys() & {"head", "percent", "extra_length"} or wire.get("end") == "reset"
    return not (bent or entry.details.get("unreadable"))


def is_prompt(entry: Entry) -> bool:
    """Return whether the answer, or the end of its connection, came at once."""
    wire = entry.details.get("wire", {})
    return not (wire.keys() & {"delay_ms", "drip_ms"} or wire.get("end") == "hang")


def is_good(entry: Entry) -> bool:
    """Return whether the client surely learned that its request was carried out."""
    return is_whole(entry) and entry.status < 400 and entry.code == 0


def is_refusal(entry: Entry, codes: Codes) -> bool:
    """Return whether the client surely learned that its request was not carried out."""
    if not is_whole(entry) or is_good(entry) or _retry(entry, codes) == "unknown":
        return False
    return entry.status < 500 or can_pass_later(entry, codes)


def is_final(entry: Entry, codes: Codes) -> bool:
    """Return whether the client learned that the same request will never be carried out."""
    if not is_refusal(entry, codes) or can_pass_later(entry, codes):
        return False
    return entry.code != 0 or entry.status not in PASSING_STATUSES


def is_of_account(entry: Entry, codes: Codes) -> bool:
    """Return whether any request of the operation would be refused alike, whatever it asks for."""
    if entry.operation in ("", DOWNLOAD):
        return False
    if entry.code == 0:
        return entry.status in _OF_ACCOUNT
    return entry.code in codes.by_number and codes.by_number[entry.code].concerns == "account"


def finds_no_task(entry: Entry, codes: Codes) -> bool:
    """Return whether a query learned that nobody knows its task: as was seen, or as the table of codes says (404)."""
    return entry.operation == QUERY and (entry.code == codes.unknown_task or _is_missing(entry, codes))


def _is_missing(entry: Entry, codes: Codes) -> bool:
    return entry.status == _NOT_FOUND and not is_of_account(entry, codes)


def can_pass_later(entry: Entry, codes: Codes) -> bool:
    """Return whether the documents say of the answer's code that the same request can pass later."""
    return _retry(entry, codes) == "later"


def _retry(entry: Entry, codes: Codes) -> str:
    known = codes.by_number.get(entry.code)
    return known.retry if known else "never"


def tells_end(entry: Entry) -> bool:
    """Return whether the client learned from a query that its task has failed, or where its video is."""
    if entry.operation != QUERY or not is_good(entry):
        return False
    status = entry.details.get("task_status")
    return status == "failed" or (status == "succeed" and bool(entry.details.get("videos")))


def retry_after_s(entry: Entry) -> int:
    """Return how many seconds the answer asked to wait; 0 where it did not ask, or named a date."""
    seconds = str(entry.details.get("retry_after", ""))
    return int(seconds) if seconds.isdecimal() and is_whole(entry) else 0


def short_answer(entry: Entry) -> str:
    """Return the answer in a few words."""
    if "head" in entry.details.get("wire", {}):
        return "no answer"
    if not is_whole(entry):
        return "half an answer" if "wire" in entry.details else "an unreadable answer"
    return f"HTTP {entry.status}, code {entry.code}" if entry.code else f"HTTP {entry.status}"


def wanted(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield for each request what it asks for: two that ask for the same are alike, whatever ids they carry.

    A task is asked for by its video, its text and its times.
    """
    sources = {IDENTIFY: "", TTS: ""}
    for entry in entries:
        payload = entry.payload
        if entry.operation == CREATE:
            payload = [*sources.values(), _without_ids(payload)]
        asked = json.dumps([entry.operation, entry.method, entry.path, payload], sort_keys=True)
        if entry.operation in sources:
            sources[entry.operation] = asked
        yield asked


def external_id(entry: Entry) -> str:
    """Return the external task id that a create request carries, empty where it carries none."""
    payload = entry.payload
    given = payload.get("external_task_id") if isinstance(payload, dict) else None
    return given if isinstance(given, str) else ""


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_ids(member) for name, member in value.items() if name not in _IDS}
    return [_without_ids(member) for member in value] if isinstance(value, list) else value


_OF_ACCOUNT: Final = (401, 403)
_NOT_FOUND: Final = 404
_IDS: Final = ("session_id", "audio_id", "external_task_id", "callback_url")
