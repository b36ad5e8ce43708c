"""The result of fuzzing a receiver as findings, each of which can be seen again with curl."""

from collections.abc import Iterator
from typing import Final

from kling_contracts import Request
from kling_mock_server.reports.finding import Finding, FindingReport, RuleText, counted
from kling_mock_server.testing.fuzzing.report import curl
from kling_mock_server.testing.receivers import ReceiverAudit, WrongAnswer
from kling_mock_server.testing.receivers.checks import CHECKS, ReceiverCheck


def receiver_report(audit: ReceiverAudit) -> FindingReport:
    """Return the report on a receiver: each check is a rule, and each check with wrong answers a finding."""
    wrong = [check for check in CHECKS.values() if check.id in audit.wrong]
    found = counted(len(wrong), "finding") if wrong else "no finding"
    summary = f"{audit.url}: {counted(sum(audit.sent.values()), 'callback')}, {found}"
    return FindingReport(
        command="fuzz",
        subject=audit.url,
        findings=(*(_finding(audit, check) for check in wrong), *_unjudged(audit)),
        summary=f"{summary}; stopped early: {audit.stopped}" if audit.stopped else summary,
        held=tuple(check for check in CHECKS if check in audit.sent and check not in audit.wrong),
        rules={check.id: RuleText(f"{check.title}: {check.right}", check.why) for check in wrong},
        data={"callbacks": audit.sent, "left_out": audit.left_out, "stopped": audit.stopped},
    )


def _finding(audit: ReceiverAudit, check: ReceiverCheck) -> Finding:
    wrong = audit.wrong[check.id]
    first = wrong[0]
    sent = audit.sent[check.id]
    more = f"; {audit.failed[check.id]} of {sent} such callbacks" if sent > 1 else ""
    return Finding(
        check.id,
        f"{first.says} where {check.right} is right: {first.callback.says}{more}",
        details=tuple(_details(audit, check, wrong)),
        data={
            "sent": sent,
            "failed": audit.failed[check.id],
            "wrong": [{"says": one.callback.says, "answer": one.says} for one in wrong],
        },
    )


def _details(audit: ReceiverAudit, check: ReceiverCheck, wrong: list[WrongAnswer]) -> Iterator[str]:
    yield check.why
    others = dict.fromkeys(f"{one.callback.says}: {one.says}" for one in wrong[1:])
    others.pop(f"{wrong[0].callback.says}: {wrong[0].says}", None)
    yield from (f"also: {text}" for text in list(others)[:_SHOWN])
    if len(others) > _SHOWN:
        yield f"also: {len(others) - _SHOWN} more"
    hint = _hint(audit, check, wrong[0])
    if hint:
        yield hint
    yield _as_curl(audit, wrong[0])


def _as_curl(audit: ReceiverAudit, answer: WrongAnswer) -> str:
    """Return the callback as it was sent; of a signed one the time runs out after some minutes."""
    headers = answer.callback.headers_now(audit.secrets, answer.sent_at_s)
    named = {name.lower() if name in answer.callback.headers else name: value for name, value in headers.items()}
    return curl(audit.url, Request("POST", "", named, answer.callback.body))


_SHOWN: Final = 5
"""Further callbacks that a finding lists."""


def _hint(audit: ReceiverAudit, check: ReceiverCheck, first: WrongAnswer) -> str:
    if check.id != "good" or first.attempt.status not in (400, 401, 403, 404):
        return ""
    if first.attempt.status == 404:
        return "is this the path of the receiver? A task that it does not know is no error: the callback may be early"
    if audit.secrets:
        return "is this the secret that the receiver knows?"
    return "a receiver that wants signatures needs --webhook-secret"


def _unjudged(audit: ReceiverAudit) -> Iterator[Finding]:
    for because in dict.fromkeys(audit.left_out.values()):
        checks = [check for check, reason in audit.left_out.items() if reason == because]
        yield Finding(", ".join(checks), f"not judged, because {because}", "unverified")
