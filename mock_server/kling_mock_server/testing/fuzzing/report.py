"""The result of fuzzing as findings, each of which can be seen again with curl or Python."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from kling_contracts import Contract, Request, World
from kling_contracts.audits.audit import Audit, AuditFinding, Ways, label, shortened
from kling_contracts.cases.case import PATH_CHARACTERS, Case
from kling_contracts.cases.requests import TOKEN
from kling_mock_server.protocol.names import CONTROL_PREFIX
from kling_mock_server.reports.finding import Finding, FindingReport, Place
from kling_mock_server.reports.rule_texts import rule_text

SHOWN_TOKEN: Final = "$TOKEN"
"""Stands for the bearer token: a report may be published."""


def fuzz_report(audit: Audit, place: Place | None = None) -> FindingReport:
    """Return the report on an audit: its findings, what was not judged, and the rules that hold.

    `place` is where the source of what was audited stands.
    """
    wrong = {finding.rule for finding in audit.findings}
    rules = audit.rules
    return FindingReport(
        command="fuzz",
        subject=audit.target,
        findings=(*(_finding(audit, finding, place) for finding in audit.findings), *_unjudged(audit)),
        summary=f"{audit.verdict}; stopped early: {audit.stopped}" if audit.stopped else audit.verdict,
        held=tuple(label(row.rule) for row in audit.rows if row.rule not in wrong),
        rules={finding.rule: rule_text(rules[finding.rule]) for finding in audit.findings if finding.rule in rules},
        sections=("\n".join(audit.table()),) if audit.findings else (),
        data=audit.to_json(),
        forms={"text": lambda: f"{audit}\n"},
    )


def _finding(audit: Audit, finding: AuditFinding, place: Place | None) -> Finding:
    rule = label(finding.rule)
    details = (*audit.story(finding), *audit.ways(finding.case))
    return Finding(rule, finding.title.removeprefix(f"{rule}: "), place=place, details=details)


def _unjudged(audit: Audit) -> Iterator[Finding]:
    for rule, because in audit.unjudged.items():
        yield Finding(rule, f"not judged, because {because}", "unverified")


def server_ways(base: str, contract: Contract, *, controlled: bool) -> Ways:
    """Return what shows a case again on a server: curl, with its world first where that can be loaded, and Python.

    A request that is refused before its payload is read needs no world.
    """
    at_the_request = contract.request_rules.rules.keys()

    def ways(case: Case) -> Sequence[str]:
        if case.breaks and case.breaks <= at_the_request:
            return [curl(base, case.request), as_python(replace(case, world=World(), others={}))]
        worlds = {TOKEN: case.world, **case.others} if controlled else {}
        loads = (_putting(base, token, world) for token, world in worlds.items())
        return [*loads, curl(base, case.request), as_python(case)]

    return ways


def _putting(base: str, token: str, world: World) -> str:
    head = {"authorization": f"Bearer {token}"}
    return curl(base, Request("PUT", f"{CONTROL_PREFIX}/world", head, json.dumps(world.to_json()).encode()))


def curl(base: str, request: Request) -> str:
    """Return a request as a shell command, the token left open."""
    url = f"{base}{quote(request.path, safe=PATH_CHARACTERS)}" + (f"?{request.query}" if request.query else "")
    headers = "".join(_header(name, value) for name, value in request.headers.items())
    if "content-type" not in request.headers:
        headers += " -H 'Content-Type:'"
    pipe, data = _data(request.body)
    return f"{pipe}curl -sSi -X {request.method} {shlex.quote(url)}{headers}{data}"


def as_python(case: Case) -> str:
    """Return a case as Python source; long bodies are left to the JSON report."""
    if len(case.request.body) > _MAX_LENGTH:
        return f"# {len(case.request.body)} bytes; --report FILE.json has the whole case"
    return f"Case.from_json({case.to_json()!r})"


_MAX_LENGTH: Final = 4000


def _header(name: str, value: str) -> str:
    if TOKEN in value:
        return f' -H "{name}: {value.replace(TOKEN, SHOWN_TOKEN)}"'
    return f" -H {shlex.quote(f'{name}: {value}' if value.strip() else f'{name};')}"


def _data(body: bytes) -> tuple[str, str]:
    """A pipe before the command, and an argument of it: what is not plain text cannot be an argument."""
    if not body:
        return "", ""
    if len(body) > _MAX_LENGTH:
        return "", f" --data-binary @body  # {len(body)} bytes: {shortened(body[:100].decode(errors='replace'))}..."
    text = body.decode("utf-8", "replace")
    if text.isprintable() and "\ufffd" not in text:
        return "", f" --data-binary {shlex.quote(text)}"
    octal = "".join(chr(one) if 32 <= one < 127 and one not in b"%\\'" else f"\\{one:03o}" for one in body)
    return f"printf '{octal}' | ", " --data-binary @-"
