"""The result of fuzzing as text, JSON, JUnit XML or Markdown; every finding can be seen again with curl or Python."""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from kling_contracts import Request
from kling_contracts.audits.audit import Audit, AuditFinding, Ways, label, shortened
from kling_contracts.cases.case import Case
from kling_contracts.cases.requests import TOKEN
from kling_contracts.judging.report import printable
from kling_mock_server.protocol.names import CONTROL_PREFIX

SHOWN_TOKEN: Final = "$TOKEN"
"""Stands for the bearer token: a report may be published."""


def write(path: Path, audit: Audit) -> None:
    """Write a report, its form chosen by the ending of the file. Raises `OSError` where it cannot be written."""
    path.write_text(FORMS[path.suffix](audit), encoding="utf-8")


def as_text(audit: Audit) -> str:
    """Return the report for people."""
    return str(audit) + "\n"


def as_json(audit: Audit) -> str:
    """Return the report for machines."""
    return json.dumps(audit.to_json(), ensure_ascii=False, indent=2) + "\n"


def as_markdown(audit: Audit) -> str:
    """Return the report for a pull request."""
    return printable("\n".join(_markdown(audit))) + "\n"


def as_junit(audit: Audit) -> str:
    """Return the report for a CI server: one test a rule; what was not judged is skipped."""
    suite = ElementTree.Element("testsuite", name=f"klingkit fuzz {audit.target}")
    for row in audit.rows:
        test = ElementTree.SubElement(suite, "testcase", classname="klingkit.fuzz", name=label(row.rule))
        for finding in audit.of(row.rule):
            story = "\n".join([*audit.story(finding), *audit.ways(finding.case)])
            ElementTree.SubElement(test, "failure", message=finding.title, type=finding.kind).text = printable(story)
    for rule, because in audit.unjudged.items():
        test = ElementTree.SubElement(suite, "testcase", classname="klingkit.fuzz", name=rule)
        ElementTree.SubElement(test, "skipped", message=because)
    suite.set("tests", str(len(audit.rows) + len(audit.unjudged)))
    suite.set("failures", str(len(audit.findings)))
    suite.set("skipped", str(len(audit.unjudged)))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


FORMS: Final[Mapping[str, Callable[[Audit], str]]] = {
    ".txt": as_text,
    ".json": as_json,
    ".xml": as_junit,
    ".md": as_markdown,
}


def _markdown(audit: Audit) -> Iterator[str]:
    yield f"# {audit.verdict}"
    if audit.stopped:
        yield f"\nStopped early: {audit.stopped}."
    yield f"\n| rule | cases | {' | '.join(audit.kinds)} |"
    yield f"| --- | --: |{' --: |' * len(audit.kinds)}"
    for row in audit.rows:
        cells = [str(row.counts.get(kind, 0) or "") for kind in audit.kinds]
        yield f"| {label(row.rule)} | {row.judged} | {' | '.join(cells)} |"
    for rule, because in audit.unjudged.items():
        yield f"| {rule} | not judged: {because} |{' |' * len(audit.kinds)}"
    for finding in audit.findings:
        yield from _markdown_finding(audit, finding)


def _markdown_finding(audit: Audit, finding: AuditFinding) -> Iterator[str]:
    yield f"\n## {finding.title}\n"
    yield "\n".join(f"- {line}" for line in audit.story(finding))
    yield "\n```"
    yield from audit.ways(finding.case)
    yield "```"


def server_ways(base: str, *, controlled: bool) -> Ways:
    """Return what shows a case again on a server: curl, with its world first where that can be loaded, and Python."""

    def ways(case: Case) -> Sequence[str]:
        world = json.dumps(case.world.to_json()).encode()
        head = {"authorization": f"Bearer {TOKEN}"}
        put = [curl(base, Request("PUT", f"{CONTROL_PREFIX}/world", head, world))] if controlled else []
        return [*put, curl(base, case.request), as_python(case)]

    return ways


def curl(base: str, request: Request) -> str:
    """Return a request as a shell command, the token left open."""
    url = f"{base}{request.path}" + (f"?{request.query}" if request.query else "")
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
