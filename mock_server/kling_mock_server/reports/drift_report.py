"""Drift as findings: one for each change, and what the patch does about them."""

from collections.abc import Iterator
from typing import Any, Final

from kling_contracts.drift.change import SEVERITIES, TITLES, Change
from kling_contracts.drift.comparing import Drift
from kling_contracts.drift.fitting import Proposal
from kling_contracts.drift.newer import NewerDocument
from kling_mock_server.reports.finding import Finding, FindingReport, Place, RuleText, counted

COMMAND: Final = "spec --diff"


def drift_report(name: str, newer: NewerDocument, drift: Drift, proposal: Proposal) -> FindingReport:
    """Return the report on a newer document; `name` is what it was read from."""
    kinds = {change.kind for change in drift.changes}
    return FindingReport(
        command=COMMAND,
        subject=name,
        findings=tuple(_finding(name, newer, change) for change in drift.changes),
        summary=_summary(drift),
        held=tuple(kind for kind in SEVERITIES if kind not in kinds),
        rules={kind: RuleText(title) for kind, title in TITLES.items()},
        sections=tuple(_sections(drift, proposal)),
        data={
            "unchanged": drift.unchanged,
            "lost": list(proposal.lost),
            "loads": not proposal.problem,
            "problem": proposal.problem,
            "uncovered": [run for one in proposal.described for run in one.uncovered],
        },
    )


def _finding(name: str, newer: NewerDocument, change: Change) -> Finding:
    position = newer.position(change.pointer)
    return Finding(
        rule=change.kind,
        message=change.message,
        level="note" if change.severity == "cosmetic" else "error",
        place=Place(name, *position, change.pointer),
        details=tuple(_details(change)),
        data=_change_json(change),
    )


def _details(change: Change) -> Iterator[str]:
    if change.old:
        yield f"ours:  {change.old}"
    if change.new:
        yield f"newer: {change.new}"
    if change.rules:
        yield f"rules: {', '.join(change.rules)}"


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "severity": change.severity,
        "old": change.old,
        "new": change.new,
        "rules": list(change.rules),
        "limits": [limit._asdict() for limit in change.limits],
        "added": list(change.added),
        "removed": list(change.removed),
        "old_pointer": change.old_pointer,
    }


def _sections(drift: Drift, proposal: Proposal) -> Iterator[str]:
    if not drift.changes:
        return
    if proposal.problem:
        yield f"The newer document does not load, not even with the patch: {proposal.problem}"
        return
    if proposal.lost:
        yield "The patch takes out what has nothing left to stand on:\n" + _listed(proposal.lost)
    uncovered = tuple(run for one in proposal.described for run in one.uncovered)
    if uncovered:
        yield "With the patch the newer document loads; nothing answers for these words yet:\n" + _listed(uncovered)
    elif proposal.patch:
        yield "With the patch the newer document loads, and every word of it is answered for."


def _listed(lines: tuple[str, ...]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _summary(drift: Drift) -> str:
    cosmetic = drift.of("cosmetic")
    counts = [f"{counted(drift.unchanged, 'clause')} unchanged, {len(cosmetic)} reworded"]
    if not drift.is_real:
        return f"no drift: {counts[0]}"
    counts += [f"{counted(len(drift.of('breaking')), 'breaking change')}, {len(drift.of('review'))} to review"]
    return f"drift: {'; '.join(counts)}"
