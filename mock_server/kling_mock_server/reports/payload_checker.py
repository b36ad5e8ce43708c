"""`klingkit check`: payload files in, a report for people or for machines out."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from kling_contracts import Contract, Report, Unverified, Violation, World
from kling_contracts.facts.sources import Fetch
from kling_contracts.jsonio import strict_json
from kling_contracts.judging.report import describe, indented, printable


class Result(NamedTuple):
    """One file, its payload (None where it is not JSON) and the report on it."""

    name: str
    payload: Any
    report: Report


class PayloadChecker(NamedTuple):
    """The contract and world that payload files are judged against."""

    contract: Contract
    world: World | None
    fetch: Fetch

    def judge(self, name: str, content: bytes) -> Result:
        """Judge one file's content; what is not JSON breaks a rule like anything else."""
        try:
            payload = strict_json.decode(content)
        except strict_json.BodyError as error:
            return Result(name, None, unreadable(self.contract, error))
        return Result(name, payload, self.contract.report(payload, self.world, fetch=self.fetch))

    def as_text(self, results: list[Result]) -> str:
        """Return the report for people."""
        return printable("\n\n".join("\n".join(self._lines(result)) for result in results))

    def as_json(self, results: list[Result]) -> str:
        """Return the report for machines: a JSON array, one object per file."""
        return json.dumps([_result_json(result) for result in results], ensure_ascii=False, indent=2)

    def _lines(self, result: Result) -> Iterator[str]:
        report = result.report
        yield f"{result.name}: {_verdict(report)}"
        for text in [*map(describe, report.violations), *report.drawings(result.payload)]:
            yield f"\n{indented(text)}"
        yield from _unverified_lines(report.unverified)
        for note in report.notes:
            yield f"\n  note: {note.pointer}: {note.message}"


def unreadable(contract: Contract, error: strict_json.BodyError) -> Report:
    """Return the report on a payload that is not JSON."""
    rule = contract.rules["body-json"]
    return Report((Violation(rule, "", f"{rule.message}: {error}"),))


def report_json(payload: Any, report: Report) -> dict[str, Any]:
    """Return the report on one payload for machines; `timelines` has one list of bars per item of face_choose."""
    return {
        "valid": not report.violations,
        **report.to_json(),
        "timelines": [[bar._asdict() for bar in bars] for bars in report.bars(payload)],
    }


def _verdict(report: Report) -> str:
    if report.violations:
        return f"{_count(len(report.violations), 'violation')}; the vendor would refuse it"
    return "valid" if not report.unverified else "no violation, but not everything could be verified"


def _unverified_lines(unverified: tuple[Unverified, ...]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for one in unverified:
        reasons.setdefault(one.because, []).append(one.rule.id)
    for because, ids in reasons.items():
        yield f"\n  not verified, because {because}:"
        yield f"    {', '.join(dict.fromkeys(ids))}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _result_json(result: Result) -> dict[str, Any]:
    return {"file": result.name, **report_json(result.payload, result.report)}
