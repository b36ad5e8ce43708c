"""A report as workflow commands: GitHub shows each finding beside the line that it is about."""

from typing import Final

from kling_contracts.judging.report import printable
from kling_mock_server.reports.finding import Finding, FindingReport

_COMMANDS: Final = {"error": "error", "unverified": "warning", "note": "notice"}


def write(report: FindingReport) -> str:
    """Return the report as lines of `::error file=…,line=…,col=…`, the summary last."""
    return "".join(f"{line}\n" for line in [*map(_line, report.findings), printable(report.summary)])


def _line(finding: Finding) -> str:
    properties = {"title": finding.rule}
    if finding.place:
        line, column = finding.place.line, finding.place.column
        located = {"line": str(line), "col": str(column or 1)} if line else {}
        properties = {"file": finding.place.file, **located, **properties}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    text = "\n".join([finding.message, *finding.details])
    return f"::{_COMMANDS[finding.level]} {listed}::{_data(text)}"


def _data(text: str) -> str:
    """Escape what ends a command; a line break becomes one in the annotation."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
