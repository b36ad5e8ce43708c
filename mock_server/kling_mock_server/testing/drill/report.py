"""Verdicts as a table and as JSON."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kling_contracts.judging.report import indented
from kling_mock_server.protocol.explanation import explain
from kling_mock_server.state.journal import Entry
from kling_mock_server.testing.drill.verdict import DrillVerdict, further_lines, last_lines, row_cells


def as_text(verdicts: Sequence[DrillVerdict]) -> str:
    """Return the table, and below it what more there is to say of those that are bad."""
    bad = [verdict for verdict in verdicts if not verdict.is_good]
    count = f"{len(verdicts)} runs, {len(bad)} BAD"
    more = [details for verdict in bad if (details := _details(verdict))]
    return "\n\n".join(["\n".join(_table(verdicts)), *more, count])


def as_json(verdicts: Sequence[DrillVerdict]) -> str:
    """Return the verdicts for machines."""
    bad = sum(not verdict.is_good for verdict in verdicts)
    value = {"good": len(verdicts) - bad, "bad": bad, "verdicts": [verdict_json(verdict) for verdict in verdicts]}
    return json.dumps(value, ensure_ascii=False, indent=2)


def verdict_json(verdict: DrillVerdict) -> dict[str, Any]:
    """Return one verdict as JSON; `at_ms` of a request counts from the first one."""
    began_ms = verdict.entries[0].at_ms if verdict.entries else 0
    return {
        "scenario": verdict.scenario.name,
        "expects": verdict.scenario.expects,
        "outcome": verdict.outcome,
        "good": verdict.is_good,
        "reasons": [reason._asdict() for reason in verdict.reasons],
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
    parts += ["It printed:", indented(last_lines(verdict.output))] if verdict.output else []
    return "\n".join(parts)


def _table(verdicts: Sequence[DrillVerdict]) -> Iterator[str]:
    rows = [("scenario", "outcome", "verdict", "why"), *map(row_cells, verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, why in rows:
        yield "  ".join([*map(str.ljust, cells, widths), why]).rstrip()


def _details(verdict: DrillVerdict) -> str:
    more = list(further_lines(verdict))
    return "\n".join([f"{verdict.scenario.name}: {verdict.scenario.about}", *more]) if more else ""


def _request_json(entry: Entry, began_ms: int) -> dict[str, Any]:
    return {
        "at_ms": entry.at_ms - began_ms,
        "operation": entry.operation,
        "path": entry.path,
        "status": entry.status,
        "code": entry.code,
        "fault": bool(entry.fault),
        "details": dict(entry.details),
    }


_ENDS: Final = {
    "gave up": "failed",
    "timed out": "was still running at the end of its time",
    "got no video": "ended with status 0 and had downloaded no whole video",
}
