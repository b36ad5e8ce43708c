"""Verdicts as a table for people, and as findings."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kling_contracts.judging.report import indented
from kling_mock_server.protocol.explanation import explain
from kling_mock_server.reports.finding import Finding, FindingReport, Place, RuleText, counted
from kling_mock_server.state.journal import Entry
from kling_mock_server.testing.drill.judging import Reason
from kling_mock_server.testing.drill.verdict import DrillVerdict, further_lines, last_lines, row_cells


def as_text(verdicts: Sequence[DrillVerdict], *, is_interrupted: bool = False) -> str:
    """Return the table, and below it the details of the bad ones.

    Scenarios under which a client makes the same mistake share a row.
    """
    groups = _groups(verdicts)
    more = [details for group in groups if not group[0].is_good and (details := _details(group))]
    return "\n\n".join(["\n".join(_table(groups)), *more, _summary(verdicts, is_interrupted)])


def drill_report(
    command: str, verdicts: Sequence[DrillVerdict], place: Place | None = None, *, is_interrupted: bool = False
) -> FindingReport:
    """Return the report on a client: each scenario is a rule, and each reason why a verdict is bad a finding.

    `place` is where the client's source stands. `is_interrupted`: not every scenario was run.
    """
    bad = [verdict for verdict in verdicts if not verdict.is_good]
    return FindingReport(
        command="drill",
        subject=command,
        findings=tuple(finding for verdict in bad for finding in _findings(verdict, place)),
        summary=_summary(verdicts, is_interrupted),
        held=tuple(verdict.scenario.name for verdict in verdicts if verdict.is_good),
        rules={verdict.scenario.name: RuleText(verdict.scenario.name, verdict.scenario.about) for verdict in bad},
        data={
            "good": len(verdicts) - len(bad),
            "bad": len(bad),
            "verdicts": [verdict_json(verdict) for verdict in verdicts],
        },
        forms={"text": lambda: as_text(verdicts, is_interrupted=is_interrupted) + "\n"},
    )


def _findings(verdict: DrillVerdict, place: Place | None) -> Iterator[Finding]:
    scenario = verdict.scenario
    about = [f"what happens: {scenario.about}", f"outcome: {verdict.outcome}"]
    printed = ["it printed:", indented(last_lines(verdict.output))] if verdict.output else []
    for number, reason in enumerate(verdict.reasons):
        details = (*about, *(() if number else printed))
        yield Finding(scenario.name, f"{reason.rule}: {reason.says}", place=place, details=details)


def _summary(verdicts: Sequence[DrillVerdict], is_interrupted: bool) -> str:
    stopped = "; stopped early: interrupted" if is_interrupted else ""
    return f"{counted(len(verdicts), 'run')}, {sum(not verdict.is_good for verdict in verdicts)} BAD{stopped}"


def verdict_json(verdict: DrillVerdict) -> dict[str, Any]:
    """Return one verdict as JSON; `at_ms` of a request counts from the first one."""
    began_ms = verdict.entries[0].at_ms if verdict.entries else 0
    return {
        "scenario": verdict.scenario.name,
        "expects": verdict.scenario.expects,
        "outcome": verdict.outcome,
        "good": verdict.is_good,
        "reasons": [reason._asdict() for reason in verdict.reasons],
        "note": verdict.note,
        "requests": [_request_json(entry, began_ms) for entry in verdict.entries],
        "output": verdict.output,
    }


def failure(verdict: DrillVerdict) -> str:
    """Return why a client is not drilled that fails without any fault."""
    called = (
        ""
        if verdict.entries
        else "\nNothing came to the URL, with the key, of its environment; see --url-env, --key-env."
    )
    refused = {entry.report.broken: entry for entry in verdict.entries if entry.report.violations}
    parts = [f"Without any fault the client {_ENDS[verdict.outcome]}, so it was not drilled.{called}"]
    parts += ["The mock refused:", *(indented(explain(entry)) for entry in refused.values())] if refused else []
    parts += [f"It also did badly: {reason.rule}: {reason.says}" for reason in _beside_the_end(verdict)]
    parts += ["It printed:", indented(last_lines(verdict.output))] if verdict.output else []
    return "\n".join(parts)


def _beside_the_end(verdict: DrillVerdict) -> list[Reason]:
    return [reason for reason in verdict.reasons if reason.rule not in ("outcome", "ends")]


def _groups(verdicts: Sequence[DrillVerdict]) -> list[list[DrillVerdict]]:
    """Return the verdicts in the order of their rows; bad ones for the same reasons together where they are many."""
    alike: dict[object, list[DrillVerdict]] = {}
    for verdict in verdicts:
        alike.setdefault(_cause(verdict), []).append(verdict)
    rows = {id(group[0]): group for group in alike.values() if len(group) >= MANY}
    shared = {id(verdict) for group in rows.values() for verdict in group[1:]}
    return [rows.get(id(verdict), [verdict]) for verdict in verdicts if id(verdict) not in shared]


def _cause(verdict: DrillVerdict) -> object:
    """Return what bad verdicts for the same reasons have in common; other codes and times are no other reason."""
    if verdict.is_good:
        return id(verdict)
    return verdict.outcome, *((reason.rule, _NUMBER.sub("", reason.says)) for reason in verdict.reasons)


def _cells(group: Sequence[DrillVerdict]) -> tuple[str, str, str, str]:
    name, *cells = row_cells(group[0])
    outcome, verdict, why = cells
    return f"{len(group)} scenarios" if len(group) > 1 else name, outcome, verdict, why


def _table(groups: Sequence[Sequence[DrillVerdict]]) -> Iterator[str]:
    rows = [("scenario", "outcome", "verdict", "why"), *map(_cells, groups)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, why in rows:
        yield "  ".join([*map(str.ljust, cells, widths), why]).rstrip()


def _details(group: Sequence[DrillVerdict]) -> str:
    first = group[0]
    more = list(further_lines(first))
    if len(group) > 1:
        names = textwrap.fill(", ".join(verdict.scenario.name for verdict in group), 100, break_on_hyphens=False)
        return "\n".join([f"{len(group)} scenarios: {names}", f"  {first.scenario.name}, for one:", *more])
    return "\n".join([f"{first.scenario.name}: {first.scenario.about}", *more]) if more else ""


def _request_json(entry: Entry, began_ms: int) -> dict[str, Any]:
    return {
        "at_ms": entry.at_ms - began_ms,
        "operation": entry.operation,
        "path": entry.path,
        "status": entry.status,
        "code": entry.code,
        "fault": bool(entry.scenario),
        "details": dict(entry.details),
    }


MANY: Final = 3
"""Scenarios from which on one row is enough for one cause."""
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
_ENDS: Final = {
    "gave up": "failed",
    "timed out": "was still running at the end of its time",
    "got no video": "ended with status 0 and had downloaded no whole video",
}
