"""A report for people: a block for each finding, then what the command adds, then the summary."""

from collections.abc import Iterator
from typing import Final

from kling_contracts.judging.report import indented, printable
from kling_mock_server.reports.finding import Finding, FindingReport, Level

_WORDS: Final[dict[Level, str]] = {"error": "", "unverified": "not verified: ", "note": "note: "}


def write(report: FindingReport) -> str:
    """Return the report as text; a note begins with `note:`."""
    blocks = ["\n".join(_lines(finding)) for finding in report.findings]
    return printable("\n\n".join([*blocks, *report.sections, report.summary])) + "\n"


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{_WORDS[finding.level]}{finding.rule}: {finding.message}"
    if finding.place:
        yield f"  at {finding.place}"
    yield from map(indented, finding.details)
