"""Rules that a test suite exercised, and from which side: a request that held one, a request that broke it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from kling_contracts import Contract, Operation, Request, Rule, Violation
from kling_contracts.jsonio import strict_json
from kling_mock_server.reports.finding import RuleText
from kling_mock_server.reports.rule_texts import rule_text
from kling_mock_server.state.journal import Entry

Counts = dict[str, list[int]]
"""By rule id, in document order: how many requests held the rule, and how many broke it. Plain JSON."""


class RuleRow(NamedTuple):
    """One rule: how many requests of the suite held and broke it, and the ids of the tests that sent them."""

    rule: str
    held: int
    broken: int
    held_by: tuple[str, ...]
    broken_by: tuple[str, ...]


class RuleCoverage:
    """The counts of one test session. It may be called by several threads.

    `exclude` are ids of rules, or patterns with `*` and `?`, that do not count.
    """

    def __init__(self, exclude: Sequence[str] = ()) -> None:
        self.exclude = tuple(exclude)
        self._texts: dict[str, RuleText] = {}
        self._tests: dict[str, Counts] = {}
        self._lock = threading.Lock()

    def see(self, entry: Entry, contract: Contract, test: str = "") -> None:
        """Count one exchange of a test with a mock of that contract; the entry's body must be whole.

        The rules of an operation count from its first call on: a client may have no use for the others.
        """
        called = contract.by_name.get(entry.operation)
        if entry.scenario or (entry.operation and called is None):
            return
        counts = {rule.id: [1, 0] for rule in _held(entry, contract)}
        counts |= {rule_id: [0, 1] for rule_id in entry.report.broken}
        rules = contract.rules_of([called] if called else [])
        if not rules.keys() <= self._texts.keys():
            self._know({rule_id: rule_text(rule) for rule_id, rule in rules.items()})
        self._add(test, counts)

    def exported(self) -> dict[str, Any]:
        """Return what was counted as plain JSON, for `add`."""
        return {"rules": {rule_id: [*text] for rule_id, text in self._texts.items()}, "tests": self._tests}

    def add(self, exported: Mapping[str, Any]) -> None:
        """Add what another session counted, a worker's."""
        self._know({rule_id: RuleText(*text) for rule_id, text in exported.get("rules", {}).items()})
        for test, counts in exported.get("tests", {}).items():
            self._add(test, counts)

    def _know(self, texts: Mapping[str, RuleText]) -> None:
        with self._lock:
            for rule_id, text in texts.items():
                self._texts.setdefault(rule_id, text)

    def _add(self, test: str, counts: Mapping[str, Sequence[int]]) -> None:
        with self._lock:
            own = self._tests.setdefault(test, {})
            for rule_id, (held, broken) in counts.items():
                count = own.setdefault(rule_id, [0, 0])
                count[0] += held
                count[1] += broken

    @property
    def texts(self) -> Mapping[str, RuleText]:
        """The texts on the rules of every mock that was used, in document order."""
        return self._texts

    @property
    def excluded(self) -> tuple[str, ...]:
        """The rules that do not count."""
        return tuple(rule_id for rule_id in self._texts if any(fnmatchcase(rule_id, one) for one in self.exclude))

    @property
    def idle(self) -> tuple[str, ...]:
        """The excluded ids and patterns that fit no rule; none where no mock was used."""
        return tuple(one for one in self.exclude if self._texts and not any(fnmatchcase(id, one) for id in self._texts))

    def rows(self) -> list[RuleRow]:
        """Return one row for each rule that counts, in document order."""
        left_out = set(self.excluded)
        return [self._row(rule_id) for rule_id in self._texts if rule_id not in left_out]

    def _row(self, rule_id: str) -> RuleRow:
        counts = {test: counts[rule_id] for test, counts in self._tests.items() if rule_id in counts}
        held_by = tuple(test for test, (held, _) in counts.items() if held)
        broken_by = tuple(test for test, (_, broken) in counts.items() if broken)
        held, broken = (sum(count[side] for count in counts.values()) for side in (0, 1))
        return RuleRow(rule_id, held, broken, held_by, broken_by)

    @property
    def percent(self) -> float:
        """The sides that were seen, of two for each rule that counts; 0 where no mock was used."""
        sides = [side > 0 for row in self.rows() for side in (row.held, row.broken)]
        return 100 * sum(sides) / len(sides) if sides else 0.0


def _held(entry: Entry, contract: Contract) -> Iterator[Rule]:
    """Yield the rules that the request was judged by and kept.

    Refused before there was a payload, it shows nothing of the others. A rule on a field that was not given
    was kept for want of anything to judge, which is no test of it.
    """
    report = entry.report
    if any(violation.rule.kind == "request" for violation in report.violations):
        return
    yield from contract.request_rules.rules.values()
    called = contract.by_name.get(entry.operation)
    if called is None:
        return
    payload = _payload(entry, contract, called)
    undecided = {*report.broken, *(unverified.rule.id for unverified in report.unverified)}
    for rule in called.rules:
        if rule.id not in undecided and _given(payload, rule.node):
            yield rule


def _payload(entry: Entry, contract: Contract, called: Operation) -> Any:
    if called.media_types:
        return strict_json.decode(entry.body) if entry.body else None
    request = Request(entry.method, entry.path, {}, b"", entry.query)
    routed = contract.request_rules.route(request)
    return None if isinstance(routed, Violation) else contract.request_rules.payload(request, routed)


def _given(payload: Any, node: str) -> bool:
    """Whether the field at a rule's node holds anything, for an array's items in one of them."""
    values = [payload]
    for name in filter(None, node.split(".")):
        field = name.removesuffix("[]")
        values = [value[field] for value in values if isinstance(value, dict) and field in value]
        if field != name:
            values = [item for value in values if isinstance(value, list) for item in value]
    return any(value != "" for value in values)
