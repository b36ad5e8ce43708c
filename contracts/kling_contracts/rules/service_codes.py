"""Service codes: for each, the HTTP status, the words and the advice that the responses of the document declare."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from kling_contracts.rules.evidence import Evidence

Document = Mapping[str, Any]


class ServiceCode(NamedTuple):
    """One service code of a refusal."""

    code: int
    status: int
    """HTTP status."""
    meaning: str
    """The meaning in the vendor's table."""
    message: str
    """The `message` of a refusal where no broken rule says more."""
    retry: str
    """Whether the same request can pass: `never`, `later`, `unknown` (nobody knows how far it came)."""
    concerns: str
    """`account`, where any request of the operation would be refused alike, else `request`."""
    evidence: Evidence
    """The evidence for code, status and meaning."""
    message_evidence: Evidence
    """The evidence for the message."""


class Statuses(NamedTuple):
    """The HTTP status of every service code, as the responses of one operation declare them."""

    by_code: Mapping[int, int]

    @classmethod
    def of(cls, responses: Document, components: Document) -> "Statuses":
        """Read the codes that each response declares; the first status to name a code has it."""
        by_code: dict[int, int] = {}
        for status, entry in _declared(responses, components):
            by_code.setdefault(entry["const"], status)
        return cls(by_code)


def service_codes(document: Document, messages: Iterable[tuple[int, str]]) -> dict[int, ServiceCode]:
    """Return every code that an operation of an effective document declares, by number.

    `messages` are codes and messages of rules: where one alone refuses with a code, its message is that of the code
    unless `x-message` gives another.
    """
    said: dict[int, list[str]] = {}
    for code, message in messages:
        said.setdefault(code, []).append(message)
    components = document["components"].get("responses", {})
    by_code: dict[int, ServiceCode] = {}
    for item in document["paths"].values():
        for operation in item.values():
            for status, entry in _declared(operation.get("responses", {}), components):
                code = entry["const"]
                if code and code not in by_code:
                    by_code[code] = _service_code(status, entry, said.get(code, []))
    return by_code


def _service_code(status: int, entry: Document, said: list[str]) -> ServiceCode:
    meaning = entry.get("description", "")
    message = entry.get("x-message") or (said[0] if len(said) == 1 else meaning)
    retry, concerns = entry.get("x-retry", "unknown"), entry.get("x-concerns", "request")
    evidence = Evidence.from_json(entry.get("x-evidence", "documented"))
    message_evidence = Evidence.from_json(entry.get("x-message-evidence", "ours"))
    return ServiceCode(entry["const"], status, meaning, message, retry, concerns, evidence, message_evidence)


def _declared(responses: Document, components: Document) -> Iterator[tuple[int, Document]]:
    """Yield HTTP status and schema of every code that the responses of an operation declare."""
    for status, response in sorted(responses.items()):
        declared = components[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        content = declared.get("content", {}).get("application/json", {})
        code = content.get("schema", {}).get("properties", {}).get("code", {})
        yield from ((int(status), one) for one in code.get("oneOf", [code]) if "const" in one)
