"""Judged recordings as findings: each difference, what nobody can judge, and the verdict on each rule."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from kling_mock_server.recordings.judging import Judgement
from kling_mock_server.recordings.verdicts import RecordedDifference, RuleVerdict
from kling_mock_server.reports.finding import Finding, FindingReport, RuleText, counted
from kling_mock_server.reports.rule_texts import rule_text

COMMAND: Final = "judge"
_TITLES: Final = {
    "accepted": "Accepted, though a rule refuses it",
    "refused": "Refused, though no rule refuses it",
    "status": "Another HTTP status",
    "code": "Another service code",
    "text": "Another message",
    "order": "Another rule decides first",
    "envelope": "An answer without the envelope",
    "schema": "An answer of another shape",
    "course": "A task that goes another way",
    "callback": "A callback that differs",
}


def recordings_report(names: tuple[str, ...], judgement: Judgement) -> FindingReport:
    """Return the report on recordings; `names` are those of their files."""
    findings = (*map(_finding, judgement.differences), *_not_judged(judgement))
    verdicts = sorted(judgement.verdicts.values(), key=lambda verdict: (-verdict.contradicted, verdict.rule.id))
    held = tuple(verdict.rule.id for verdict in verdicts if verdict.confirmed and not verdict.contradicted)
    return FindingReport(
        command=COMMAND,
        subject=", ".join(names),
        findings=findings,
        summary=_summary(judgement, held),
        held=held,
        rules=_rules(judgement.verdicts),
        sections=(_table(verdicts),) if verdicts else (),
        data={
            "calls": judgement.calls,
            "callbacks": judgement.callbacks,
            "others": judgement.others,
            "verdicts": [verdict.to_json() for verdict in verdicts],
        },
    )


def _finding(difference: RecordedDifference) -> Finding:
    exchange = difference.exchange
    return Finding(
        rule=difference.rule or f"recording.{difference.kind}",
        message=difference.message,
        place=exchange.place,
        details=(f"call:   {exchange.method} {exchange.path}", *difference.details),
        data={"kind": difference.kind, "at_ms": exchange.at_ms, "method": exchange.method, "path": exchange.path},
    )


def _not_judged(judgement: Judgement) -> Iterator[Finding]:
    counts = Counter((one.rule, one.because) for one in judgement.not_judged)
    for (rule, because), count in counts.items():
        calls = "one call" if count == 1 else f"{count} calls"
        yield Finding(rule or "recording.not-judged", f"{calls}: {because}", "unverified")


def _table(verdicts: list[RuleVerdict]) -> str:
    """Return a line for each rule that was contradicted or tried at a limit; the others hold, and need no line."""
    shown = [verdict for verdict in verdicts if verdict.contradicted or verdict.nearest is not None]
    others = [verdict.rule.id for verdict in verdicts if verdict not in shown]
    lines = [f"  {verdict}" for verdict in shown]
    if others:
        lines.append(f"  confirmed, and without a limit: {', '.join(others)}")
    return "\n".join(["What the recordings say of each rule:", *lines])


def _rules(verdicts: Mapping[str, RuleVerdict]) -> dict[str, RuleText]:
    texts = {f"recording.{kind}": RuleText(title) for kind, title in _TITLES.items()}
    texts |= {rule_id: rule_text(verdict.rule) for rule_id, verdict in verdicts.items()}
    return texts


def _summary(judgement: Judgement, held: tuple[str, ...]) -> str:
    count = len(judgement.differences)
    found = counted(count, "difference") if count else "no difference"
    calls = f"{counted(judgement.calls, 'call')}, {counted(judgement.callbacks, 'callback')}"
    return f"{found} in {calls}; {counted(len(held), 'rule')} confirmed"
