"""Rule coverage as a table for people, and as findings: a side of a rule that no request of the suite has seen."""

from collections.abc import Iterator
from typing import Final

from kling_mock_server.reports.finding import Finding, FindingReport, Place, RuleText
from kling_mock_server.testing.rule_coverage import RuleCoverage, RuleRow

TOO_LOW: Final = "coverage.too-low"
IDLE: Final = "coverage.exclude"
_TITLES: Final = {
    TOO_LOW: RuleText("The suite saw fewer sides of the rules than it has to"),
    IDLE: RuleText("A rule that is excluded does not exist"),
}
_SETTINGS: Final = Place("pyproject.toml")


def coverage_report(coverage: RuleCoverage, subject: str, fail_under: float | None = None) -> FindingReport:
    """Return the report on a suite; `fail_under` are the per cent of both sides below which it fails."""
    rows = coverage.rows()
    unseen = [finding for row in rows for finding in _unseen(row)]
    problems = [Finding(rule, message, place=_SETTINGS) for rule, message in _problems(coverage, fail_under)]
    return FindingReport(
        command="coverage",
        subject=subject,
        findings=(*problems, *unseen),
        summary=summary(coverage),
        held=tuple(row.rule for row in rows if row.held and row.broken),
        sections=(coverage_text(coverage),),
        rules={**coverage.texts, **_TITLES},
        data={
            "percent": round(coverage.percent, 1),
            "fail_under": fail_under,
            "excluded": list(coverage.excluded),
            "rules": [row._asdict() for row in rows],
        },
        forms={"text": lambda: coverage_text(coverage) + "\n"},
    )


def problems(coverage: RuleCoverage, fail_under: float | None) -> list[str]:
    """Return why a suite fails for its coverage, one sentence each."""
    return [message for _, message in _problems(coverage, fail_under)]


def coverage_text(coverage: RuleCoverage) -> str:
    """Return the table for a terminal."""
    return "\n".join([*_table(coverage.rows()), summary(coverage)])


def summary(coverage: RuleCoverage) -> str:
    """Return how much was seen, in one line."""
    rows = coverage.rows()
    if not coverage.texts:
        return "no test used a mock"
    held, broken = sum(row.held > 0 for row in rows), sum(row.broken > 0 for row in rows)
    excluded = f"; {len(coverage.excluded)} excluded" if coverage.excluded else ""
    return f"{held} of {len(rows)} rules held, {broken} broken: {coverage.percent:.1f} % of both sides{excluded}"


def _problems(coverage: RuleCoverage, fail_under: float | None) -> Iterator[tuple[str, str]]:
    for pattern in coverage.idle:
        yield IDLE, f"[tool.klingkit.coverage] exclude: no rule fits {pattern!r}; `klingkit rules` lists them"
    if fail_under is not None and coverage.percent < fail_under:
        yield TOO_LOW, f"too low: {coverage.percent:.1f} % of both sides, and {fail_under:g} % are asked for"


def _unseen(row: RuleRow) -> Iterator[Finding]:
    sides = [side for side, count in (("held", row.held), ("broke", row.broken)) if not count]
    if sides:
        yield Finding(row.rule, f"no request {' or '.join(sides)} it", "unverified")


def _table(rows: list[RuleRow]) -> Iterator[str]:
    width = max((len(row.rule) for row in rows), default=0)
    if rows:
        yield f"{'rule':<{width}}  held  broken"
    for row in rows:
        yield f"{row.rule:<{width}} {row.held or '-':>5} {row.broken or '-':>7}"
