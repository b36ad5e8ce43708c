"""A report for programs: one JSON object."""

import json
from typing import Any

from kling_contracts import __version__
from kling_mock_server.reports.finding import LEVELS, Finding, FindingReport


def write(report: FindingReport) -> str:
    """Return the report as JSON."""
    value = {
        "command": report.command,
        "version": __version__,
        "subject": report.subject,
        "summary": report.summary,
        "counts": {level: len(report.at(level)) for level in LEVELS},
        "findings": [_finding_json(finding) for finding in report.findings],
        "held": list(report.held),
        **report.data,
    }
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _finding_json(finding: Finding) -> dict[str, Any]:
    value: dict[str, Any] = {"rule": finding.rule, "level": finding.level, "message": finding.message}
    if finding.place:
        value |= {name: part for name, part in finding.place._asdict().items() if part}
    if finding.details:
        value["details"] = list(finding.details)
    return {**value, **finding.data}
