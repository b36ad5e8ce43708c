"""Violations: rules broken by one payload; what could not be verified; notes; and their text for people."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kling_contracts.judging.timeline import WIDTH, Bar, Timeline
from kling_contracts.rules.evidence import GRADES, Evidence
from kling_contracts.rules.rule import Rule


class Violation(NamedTuple):
    """One rule broken by one payload."""

    rule: Rule
    pointer: str
    """JSON Pointer of the field to blame; empty for the payload or the request itself."""
    message: str
    value: str = ""
    """The value at that place, as JSON, cut short; empty where there is none."""
    remedy: str = ""
    """A value that would be right there, where that can be computed: `at least 2000`."""
    because: str = ""
    """Findings beside the value: `a line break at character 77`, `audio.duration_ms is 1999`."""

    @property
    def found(self) -> str:
        """The value and the findings beside it, as reports show them."""
        return ": ".join(filter(None, (self.value, self.because)))

    @property
    def rule_id(self) -> str:
        """The id of the broken rule."""
        return self.rule.id


class Unverified(NamedTuple):
    """One rule that could be judged neither way, and why."""

    rule: Rule
    pointer: str
    because: str


class Note(NamedTuple):
    """Something that breaks no rule and is hardly meant: an unknown field."""

    pointer: str
    """JSON Pointer into the payload; empty for the payload as a whole, and for the request around it."""
    message: str

    def __str__(self) -> str:
        """Return the note as reports print it."""
        return f"note: {self.pointer}: {self.message}" if self.pointer else f"note: {self.message}"


class Report(NamedTuple):
    """All that can be said of one payload; no violation means valid as far as it could be verified."""

    violations: tuple[Violation, ...] = ()
    unverified: tuple[Unverified, ...] = ()
    notes: tuple[Note, ...] = ()
    facts: tuple[Any, ...] = ()
    """Records with the names that the document declares: of each item that was looked into where facts hang on items,
    else one of the whole payload."""
    timeline: Timeline = Timeline()
    """How the times of the payload are drawn."""

    @property
    def broken(self) -> tuple[str, ...]:
        """The ids of the broken rules, each once, in document order."""
        return tuple(dict.fromkeys(violation.rule.id for violation in self.violations))

    def noted(self, notes: tuple[Note, ...]) -> "Report":
        """Return the report with more notes behind its own."""
        return self._replace(notes=self.notes + notes)

    def drawings(self, payload: Any, width: int = WIDTH) -> Iterator[str]:
        """Yield the timeline of the payload, or of each of its items, where a rule about its times is broken.

        `width` is that of the longest bar, in columns.
        """
        if any(self.timeline.concerns(violation.rule) for violation in self.violations):
            yield from self.every_drawing(payload, width)

    def every_drawing(self, payload: Any, width: int = WIDTH) -> Iterator[str]:
        """Yield the timeline of the payload, or of each of its items, whatever is broken."""
        for value, facts in zip(self.timeline.values(payload), self.facts, strict=False):
            drawing = self.timeline.drawing(value, facts, width)
            if drawing:
                yield drawing

    def bars(self, payload: Any) -> list[list[Bar]]:
        """Return the times of the payload, or of each of its items that the report has facts of."""
        return list(map(self.timeline.bars, self.timeline.values(payload), self.facts))

    def to_json(self) -> dict[str, Any]:
        """Return violations, unverified rules and notes as JSON."""
        return {
            "violations": [_violation_json(violation) for violation in self.violations],
            "unverified": [{"rule": u.rule.id, "pointer": u.pointer, "because": u.because} for u in self.unverified],
            "notes": [{"pointer": note.pointer, "message": note.message} for note in self.notes],
        }


def _violation_json(violation: Violation) -> dict[str, Any]:
    rule = violation.rule
    return {
        "rule": rule.id,
        "pointer": violation.pointer,
        "message": violation.message,
        "found": violation.found,
        "because": violation.because,
        "wanted": violation.remedy,
        "status": rule.status,
        "code": rule.code,
        "source": rule.source,
        "evidence": rule.evidence.to_json(),
        "quotes": [quote.to_json() for quote in rule.quotes],
    }


class ContractViolation(AssertionError):  # noqa: N818 - a fixed name, which reads as a failed assertion
    """The request breaks the contract; the text lists each rule, where, why, and the vendor's sentence."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("\n".join(describe(violation) for violation in violations))
        self.violations = violations


def describe(violation: Violation) -> str:
    """Return a violation as people read it: rule, pointer, message, value, remedy, the vendor's words."""
    lines = [f"{violation.rule.id} at {violation.pointer or 'the request'}: {violation.message}"]
    if violation.found:
        lines.append(f"  found:  {violation.found}")
    if violation.remedy:
        lines.append(f"  wanted: {violation.remedy}")
    return "\n".join([*lines, *(f"  {line}" for line in origin_lines(violation.rule))])


def origin_lines(rule: Rule) -> list[str]:
    """Return what a rule rests on, for people: the vendor's words, or its source and grade."""
    # A sentence may stand at several members of the document.
    lines = list(dict.fromkeys(f"vendor: {quote.text}  ({quote.meaning})" for quote in rule.quotes))
    if not rule.quotes:
        lines.append(f"source: {SOURCES[rule.source]}")
    if not rule.quotes or rule.evidence != QUOTED:
        lines.append(f"grade:  {rule.evidence}")
    return lines


def printable(text: str) -> str:
    """Return text with control characters escaped: a path or key of a request must not steer a terminal."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join([one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text])


def indented(text: str) -> str:
    """Return text with every line indented by two."""
    return "\n".join([f"  {line}" for line in text.splitlines()])


QUOTED = Evidence("quoted")
SOURCES = {
    "schema": "the schema of the vendor's document",
    "upstream": GRADES["documented"],
    "mock": GRADES["ours"],
    "prose": "the prose of the vendor's document",
}
