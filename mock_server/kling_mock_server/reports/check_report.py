"""Checked payload files as findings: broken rules, unverified ones, notes, each with its line and column."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from kling_contracts import Contract, Violation
from kling_contracts.judging.report import origin_lines
from kling_contracts.judging.timeline import WIDTH
from kling_mock_server.reports.check_text import check_text, counts
from kling_mock_server.reports.finding import Finding, FindingReport, Place, RuleText
from kling_mock_server.reports.payload_checker import Result, UnreadFile, report_json
from kling_mock_server.reports.rule_texts import rule_text

NOT_READ: Final = "check.not-read"
NOTE: Final = "check.note"
_TITLES: Final = {NOT_READ: RuleText("A file that cannot be read"), NOTE: RuleText("Hardly meant, and no violation")}

MOST_NAMED: Final = 3
"""Files that the subject names; of more it has the number."""

Locate = Callable[[str], Place]
"""Gives the place of a JSON Pointer within one file."""


def check_report(results: Sequence[Result | UnreadFile], contract: Contract, width: int = WIDTH) -> FindingReport:
    """Return the report on checked files; `width` is that of the longest bar of a timeline in the text, in columns."""
    findings = tuple(finding for result in results for finding in _findings(result))
    named = {finding.rule for finding in findings}
    return FindingReport(
        command="check",
        subject=", ".join(result.name for result in results) if len(results) <= MOST_NAMED else f"{len(results)} files",
        findings=findings,
        summary=counts(results),
        held=tuple(_held(results, contract, named)),
        rules=_TITLES | {rule_id: rule_text(rule) for rule_id, rule in contract.rules.items() if rule_id in named},
        sections=tuple(_drawings(results)),
        forms={
            "text": lambda: check_text(results, width) + "\n",
            "json": lambda: json.dumps([*map(_result_json, results)], ensure_ascii=False, indent=2) + "\n",
        },
    )


def _held(results: Sequence[Result | UnreadFile], contract: Contract, named: set[str]) -> Iterator[str]:
    # A payload that breaks one rule is not judged by every other, so one that breaks none must have tried them.
    if any(isinstance(result, Result) and not result.report.violations for result in results):
        yield from (rule.id for rule in contract.operation.rules if rule.id not in named)


def _findings(result: Result | UnreadFile) -> Iterator[Finding]:
    if isinstance(result, UnreadFile):
        yield Finding(NOT_READ, f"not read: {result.problem}", place=Place(result.name))
        return
    place = _locator(result)
    for violation in result.report.violations:
        details = tuple(_details(violation))
        yield Finding(violation.rule.id, violation.message, place=place(violation.pointer), details=details)
    for one in result.report.unverified:
        message = f"not verified, because {one.because}"
        yield Finding(one.rule.id, message, "unverified", place(one.pointer))
    for note in result.report.notes:
        yield Finding(NOTE, note.message, "note", place(note.pointer))


def _locator(result: Result) -> Locate:
    if result.payload is None and result.line:
        return lambda pointer: Place(result.name, result.line, result.column, pointer)
    if not any(result.report[:3]):
        return lambda pointer: Place(result.name, pointer=pointer)
    from kling_contracts.jsonio.positions import nearest, positions_of

    positions = positions_of(result.content) if result.payload is not None else {}
    return lambda pointer: Place(result.name, *nearest(positions, pointer), pointer)


def _details(violation: Violation) -> Iterator[str]:
    if violation.found:
        yield f"found:  {violation.found}"
    if violation.remedy:
        yield f"wanted: {violation.remedy}"
    yield from origin_lines(violation.rule)


def _drawings(results: Sequence[Result | UnreadFile]) -> Iterator[str]:
    for result in results:
        if isinstance(result, Result):
            yield from (f"{result.name}:\n{drawing}" for drawing in result.report.drawings(result.payload))


def _result_json(result: Result | UnreadFile) -> dict[str, Any]:
    if isinstance(result, UnreadFile):
        return {"file": result.name, "valid": False, "not_read": result.problem}
    return {"file": result.name, **report_json(result.payload, result.report)}
