"""Which rules a test suite exercised, and from which side: a request that held one, a request that broke it."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from kling_contracts import Contract, Rule
from kling_contracts.jsonio import strict_json
from kling_mock_server.state.journal import Entry

Counts = dict[str, list[int]]
"""By rule id, in document order: how many requests held the rule, and how many broke it. Plain JSON."""


class RuleCoverage:
    """The counts of one test session. It may be called by several threads."""

    def __init__(self) -> None:
        self.counts: Counts = {}
        self._lock = threading.Lock()

    def see(self, entry: Entry, contract: Contract) -> None:
        """Count one exchange with a mock of that contract; the entry's body must be whole.

        Only the vendor's operation is counted: a client may have no use for the others.
        """
        if entry.operation not in ("", contract.operation.name) or entry.fault:
            return
        counts = {rule_id: [0, 0] for rule_id in contract.rules}
        for rule in _held(entry, contract):
            counts[rule.id][0] = 1
        for rule_id in entry.report.broken:
            counts[rule_id][1] = 1
        self.add(counts)

    def add(self, counts: Mapping[str, list[int]]) -> None:
        """Add the counts of another session, a worker's."""
        with self._lock:
            for rule_id, (held, broken) in counts.items():
                count = self.counts.setdefault(rule_id, [0, 0])
                count[0] += held
                count[1] += broken

    @property
    def percent(self) -> float:
        """The sides that were seen, of two a rule; 0 where no mock was used."""
        sides = [side > 0 for count in self.counts.values() for side in count]
        return 100 * sum(sides) / len(sides) if sides else 0.0

    def text(self) -> str:
        """Return the table for a terminal."""
        if not self.counts:
            return "no test used a mock"
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        width = max(map(len, self.counts))
        yield f"{'rule':<{width}}  held  broken"
        for rule_id, (held, broken) in self.counts.items():
            yield f"{rule_id:<{width}} {held or '-':>5} {broken or '-':>7}"
        held, broken = (sum(count[side] > 0 for count in self.counts.values()) for side in (0, 1))
        yield f"{held} of {len(self.counts)} rules held, {broken} broken: {self.percent:.1f} % of both sides"


def _held(entry: Entry, contract: Contract) -> Iterator[Rule]:
    """The rules that the request was judged by and kept.

    Refused before there was a payload, it shows nothing of the others. A rule on a field that was not given
    was kept for want of anything to judge, which is no test of it.
    """
    report = entry.report
    if any(violation.rule.kind == "request" for violation in report.violations):
        return
    yield from contract.gate.rules.values()
    payload = strict_json.decode(entry.body) if entry.body else None
    undecided = {*report.broken, *(unverified.rule.id for unverified in report.unverified)}
    for rule in contract.operation.rules:
        if rule.id not in undecided and _given(payload, rule.node):
            yield rule


def _given(payload: Any, node: str) -> bool:
    """Whether the field at a rule's node holds anything, for an array's items in one of them."""
    values = [payload]
    for name in filter(None, node.split(".")):
        field = name.removesuffix("[]")
        values = [value[field] for value in values if isinstance(value, dict) and field in value]
        if field != name:
            values = [item for value in values if isinstance(value, list) for item in value]
    return any(value != "" for value in values)
