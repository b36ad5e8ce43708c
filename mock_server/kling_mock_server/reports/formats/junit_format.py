"""A report as JUnit XML: one test for each rule, failed by its findings, skipped by what nobody could verify."""

import re
from typing import Final
from xml.etree import ElementTree

from kling_contracts.judging.report import printable
from kling_mock_server.reports.finding import Finding, FindingReport

_TAGS: Final = {"error": "failure", "unverified": "skipped", "note": "system-out"}
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0, section 2.2, does not allow, not even as a reference."""


def write(report: FindingReport) -> str:
    """Return the report as JUnit XML."""
    suite = ElementTree.Element("testsuite", name=f"klingkit {report.command} {_allowed(report.subject)}")
    tests = [_test(suite, report, rule) for rule in _rules(report)]
    counts = {
        "tests": len(tests),
        "failures": sum(test.find("failure") is not None for test in tests),
        "errors": 0,
        "skipped": sum(test.find("skipped") is not None for test in tests),
    }
    for name, count in counts.items():
        suite.set(name, str(count))
    ElementTree.SubElement(suite, "system-out").text = _allowed(report.summary)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _rules(report: FindingReport) -> list[str]:
    return list(dict.fromkeys([*report.held, *(finding.rule for finding in report.findings)]))


def _test(suite: ElementTree.Element, report: FindingReport, rule: str) -> ElementTree.Element:
    name = _allowed(rule)
    test = ElementTree.SubElement(suite, "testcase", classname=f"klingkit.{report.command}", name=name)
    findings = [finding for finding in report.findings if finding.rule == rule]
    failed = any(finding.level == "error" for finding in findings)
    for finding in findings:
        # A test cannot both fail and be skipped; what could not be verified is told beside the failure.
        tag = "system-out" if failed and finding.level == "unverified" else _TAGS[finding.level]
        _add(test, tag, finding)
    return test


def _add(test: ElementTree.Element, tag: str, finding: Finding) -> None:
    lines = [*([f"at {finding.place}"] if finding.place else []), *finding.details]
    if tag == "system-out":
        ElementTree.SubElement(test, tag).text = _allowed("\n".join([finding.message, *lines]))
    else:
        element = ElementTree.SubElement(test, tag, message=_allowed(finding.message), type=_allowed(finding.rule))
        element.text = _allowed("\n".join(lines))


def _allowed(text: str) -> str:
    return _NOT_XML.sub("\ufffd", printable(text))
