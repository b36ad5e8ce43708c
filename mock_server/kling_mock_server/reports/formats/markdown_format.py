"""A report as Markdown, for a pull request or a step summary."""

import re
from collections.abc import Iterator
from typing import Final

from kling_contracts.judging.report import printable
from kling_mock_server.reports.finding import Finding, FindingReport, Level

_HEADINGS: Final[dict[Level, str]] = {"error": "Findings", "unverified": "Not verified", "note": "Notes"}


def write(report: FindingReport) -> str:
    """Return the report as Markdown, one section for each level that has findings."""
    return printable("\n".join(_lines(report))) + "\n"


def _lines(report: FindingReport) -> Iterator[str]:
    yield f"# klingkit {report.command}: {_escaped(report.subject)}"
    yield f"\n{_escaped(report.summary)}"
    for level, heading in _HEADINGS.items():
        findings = report.at(level)
        if findings:
            yield f"\n## {heading}\n"
            for finding in findings:
                yield from _finding_lines(finding)
    for section in report.sections:
        yield from _fenced(section)


def _finding_lines(finding: Finding) -> Iterator[str]:
    place = f" ({_escaped(str(finding.place))})" if finding.place else ""
    yield f"- **{_escaped(finding.rule)}**: {_escaped(finding.message)}{place}"
    if finding.details:
        yield from (f"  {line}".rstrip() for line in _fenced("\n".join(finding.details)))


def _fenced(text: str) -> Iterator[str]:
    """A fence longer than any run of backticks in the text ends where it should."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from ("", fence, *text.splitlines(), fence, "")


def _escaped(text: str) -> str:
    """Escape a text from a request: it is text, never a link, an image or a tag."""
    return re.sub(r"([\\`*_\[\]<>|~#])", r"\\\1", text.replace("\n", " "))
