"""`klingkit check`: payload files in, what is to be said of each out."""

from typing import Any, NamedTuple

from kling_contracts import Contract, Report, Violation, World
from kling_contracts.facts.sources import Fetch
from kling_contracts.jsonio import strict_json


class Result(NamedTuple):
    """One file and the report on it."""

    name: str
    content: bytes
    payload: Any
    """None where the content is not JSON."""
    report: Report
    line: int = 0
    """The line at which the content ceases to be JSON, from 1; 0: it is JSON, or unknown. `column` likewise."""
    column: int = 0


class UnreadFile(NamedTuple):
    """One file that could not be read, and why."""

    name: str
    problem: str


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
            return Result(name, content, None, unreadable(self.contract, error), error.line, error.column)
        return Result(name, content, payload, self.contract.report(payload, self.world, fetch=self.fetch))


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
