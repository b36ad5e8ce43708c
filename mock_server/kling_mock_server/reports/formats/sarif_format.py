"""A report as SARIF 2.1.0, with the members that GitHub's code scanning requires."""

import hashlib
import json
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from kling_contracts import __version__
from kling_contracts.judging.report import printable
from kling_mock_server.reports.finding import Finding, FindingReport, Place

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {"error": "error", "note": "note", "unverified": "warning"}


def write(report: FindingReport) -> str:
    """Return the report as SARIF: findings are results, what could not be verified is a notification of the tool."""
    results = [finding for finding in report.findings if finding.level != "unverified"]
    ids = list(dict.fromkeys(finding.rule for finding in results))
    run = {
        "tool": {"driver": _driver(report, ids)},
        "automationDetails": {"id": f"klingkit/{report.command}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(report, finding, ids) for finding in results],
        "invocations": [_invocation(report)],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _driver(report: FindingReport, ids: list[str]) -> dict[str, Any]:
    return {"name": "klingkit", "version": __version__, "rules": [_rule(report, rule) for rule in ids]}


def _rule(report: FindingReport, rule: str) -> dict[str, Any]:
    title, help_text = report.text_of(rule)
    return {
        "id": rule,
        "name": rule,
        "shortDescription": {"text": title},
        "fullDescription": {"text": help_text or title},
        "help": {"text": help_text or title},
        "defaultConfiguration": {"level": "error"},
    }


def _result(report: FindingReport, finding: Finding, ids: list[str]) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": ids.index(finding.rule),
        "level": _LEVELS[finding.level],
        "message": {"text": _text(finding)},
        "locations": [_location(finding.place or Place(report.subject))],
        "partialFingerprints": {"klingkitFinding/v1": _fingerprint(finding)},
    }


def _location(place: Place) -> dict[str, Any]:
    line, column = max(place.line, 1), max(place.column, 1)
    region = {"startLine": line, "startColumn": column, "endLine": line, "endColumn": column + 1}
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(place.file)}, "region": region},
    }
    if place.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": printable(place.pointer)}]
    return location


def _uri(file: str) -> str:
    """A relative path is what GitHub finds in a repository; a URL stays one."""
    return file if "://" in file else quote(PurePath(file).as_posix() or "-")


def _fingerprint(finding: Finding) -> str:
    """The same finding has it in the next run, wherever its line has moved to."""
    place = finding.place
    parts = (finding.rule, finding.message, place.file if place else "", place.pointer if place else "")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _invocation(report: FindingReport) -> dict[str, Any]:
    notifications = [
        {
            "level": "warning",
            "message": {"text": _text(finding)},
            "descriptor": {"id": finding.rule},
            **({"locations": [_location(finding.place)]} if finding.place else {}),
        }
        for finding in report.at("unverified")
    ]
    return {"executionSuccessful": True, "toolExecutionNotifications": notifications}


def _text(finding: Finding) -> str:
    return printable("\n".join([finding.message, *finding.details]))
