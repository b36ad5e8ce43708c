"""The result of an audit: one row per rule, one finding per rule and kind, and the text for people."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from kling_contracts.cases.case import Case
from kling_contracts.judging.report import printable
from kling_contracts.rules.rule import Rule


class Kind(StrEnum):
    """The ways in which a judgement can be wrong."""

    ACCEPTED = "accepted"
    """It broke the rule and was let through: a wasted paid call."""
    REFUSED = "refused"
    """It was valid and was refused: a lost feature."""
    CRASHED = "crashed"
    ANSWER = "answer"
    """It was refused as it should be, with another status or code than the document declares."""
    NAMING = "naming"
    """It was refused, and the rules that were named are not those it broke."""
    CONTENT = "content"
    """The answer holds something else than the documents say."""


VALID: Final = ""
"""The rule of a row about cases that break none."""

Ways = Callable[[Case], Sequence[str]]
"""Gives the lines that show how one case can be seen again."""


Progress = Callable[[int, int], None]
"""Told how many cases are done, and of how many at most."""


def no_progress(number: int, total: int) -> None:
    """Tell nobody."""


class AuditFinding(NamedTuple):
    """All that is wrong in one way about one rule."""

    rule: str
    """Its id; of an answer's content, the operation and the JSON Pointer of the member."""
    kind: Kind
    times: int
    case: Case
    """The smallest one."""
    detail: str
    """The outcome of that case."""

    @property
    def title(self) -> str:
        """Rule and what happened how often, in one line."""
        one, many = _TITLES[self.kind]
        return f"{label(self.rule)}: {self.times} {one if self.times == 1 else many}"


class Row(NamedTuple):
    """One rule: how many cases were judged, and how often each kind of finding came up."""

    rule: str
    judged: int
    counts: Mapping[Kind, int]


def payload_lines(case: Case) -> Sequence[str]:
    """Return the payload of a case in one line."""
    return [shortened(case.request.body.decode("utf-8", "backslashreplace"))]


def shortened(text: str) -> str:
    """Return a text with the middle of a long one, as of audio in Base64, left out."""
    if len(text) <= MAX_LENGTH:
        return text
    return f"{text[: MAX_LENGTH // 2]}...({len(text) - MAX_LENGTH} more)...{text[-MAX_LENGTH // 2 :]}"


MAX_LENGTH: Final = 2000
"""Characters of a payload that are shown."""


@dataclass(frozen=True, repr=False)
class Audit:
    """The result; `str()` is the text for people, and `check` turns it into a test."""

    target: str
    """The name of the validator, builder or server."""
    judged: int
    """How many cases were."""
    kinds: tuple[Kind, ...]
    """The kinds of finding that were looked for."""
    rows: tuple[Row, ...]
    """In document order; the cases that break nothing come first."""
    findings: tuple[AuditFinding, ...]
    unjudged: Mapping[str, str]
    """Id of each rule that could not be judged, and why."""
    rules: Mapping[str, Rule]
    """Every rule that it is about, by id."""
    stopped: str = ""
    """Why it ended early; empty where it did not."""
    ways: Ways = payload_lines
    """How one case can be seen again."""

    def __repr__(self) -> str:
        """Return one line: a failed assertion prints it."""
        return f"<Audit of {self.verdict}>"

    def __str__(self) -> str:
        """Return the text for people."""
        return printable("\n".join(self._lines()))

    def check(self) -> None:
        """Raise `AssertionError` with the whole text where there is any finding."""
        if self.findings:
            raise AssertionError(str(self))

    def of(self, rule: str) -> tuple[AuditFinding, ...]:
        """Return the findings about one rule; "" for valid cases that were refused."""
        return tuple(finding for finding in self.findings if finding.rule == rule)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON, every case as a row that `Case.from_json` takes."""
        return {
            "target": self.target,
            "judged": self.judged,
            "stopped": self.stopped,
            "rules": [{"rule": row.rule, "judged": row.judged, **row.counts} for row in self.rows],
            "findings": [self._finding_json(finding) for finding in self.findings],
            "unjudged": dict(self.unjudged),
        }

    def _finding_json(self, finding: AuditFinding) -> dict[str, Any]:
        return {
            "rule": finding.rule,
            "kind": finding.kind,
            "times": finding.times,
            "detail": finding.detail,
            "case": finding.case.to_json(),
            "again": list(self.ways(finding.case)),
        }

    @property
    def verdict(self) -> str:
        """The result in one line."""
        if not self.judged:
            return f"{self.target}: nothing could be judged"
        found = len(self.findings)
        return f"{self.target}: {self.judged} cases, {found or 'no'} finding{'' if found < 2 else 's'}"

    def _lines(self) -> Iterator[str]:
        yield self.verdict
        if self.stopped:
            yield f"stopped early: {self.stopped}"
        if self.findings:
            yield ""
            yield from self.table()
        for finding in self.findings:
            yield ""
            yield finding.title
            yield from (f"  {line}" for line in (*self.story(finding), *self.ways(finding.case)))
        for because, rules in _by_reason(self.unjudged).items():
            yield ""
            yield f"not judged, because {because}:"
            yield f"  {', '.join(rules)}"

    def table(self) -> Iterator[str]:
        """Yield the rows that have findings, in columns."""
        rows = [row for row in self.rows if row.counts]
        width = max(len(label(row.rule)) for row in rows)
        yield "  ".join([f"{'rule':{width}}", "cases", *self.kinds])
        for row in rows:
            cells = [f"{row.counts.get(kind, 0) or '.':>{len(kind)}}" for kind in self.kinds]
            yield "  ".join([f"{label(row.rule):{width}}", f"{row.judged:>5}", *cells])

    def story(self, finding: AuditFinding) -> Sequence[str]:
        """Return what happened to the smallest case, what it is, and what the vendor says."""
        rule = self.rules.get(finding.rule)
        quotes = [f"vendor: {quote.text}  ({quote.meaning})" for quote in rule.quotes] if rule else []
        return [line for line in (finding.case.why, *dict.fromkeys(quotes), *finding.detail.splitlines()) if line]


INTERRUPTED: Final = "interrupted"
"""The reason why a run ended early that Ctrl-C has ended."""


class InterruptedAuditError(KeyboardInterrupt):
    """Ctrl-C during an audit; `audit` is the result on the cases that were judged until then."""

    def __init__(self, audit: Audit) -> None:
        super().__init__()
        self.audit = replace(audit, stopped=INTERRUPTED)


def label(rule: str) -> str:
    """Return what the row of a rule is called."""
    return rule or "(valid)"


_TITLES: Final = {
    Kind.ACCEPTED: ("broken payload let through", "broken payloads let through"),
    Kind.REFUSED: ("valid payload refused", "valid payloads refused"),
    Kind.CRASHED: ("crash", "crashes"),
    Kind.ANSWER: ("refusal answered otherwise than documented", "refusals answered otherwise than documented"),
    Kind.NAMING: ("refusal that names other rules", "refusals that name other rules"),
    Kind.CONTENT: ("answer that holds something else", "answers that hold something else"),
}


def _by_reason(unjudged: Mapping[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for rule, because in unjudged.items():
        reasons.setdefault(because, []).append(rule)
    return reasons
