"""The findings of an audit while it runs, counted by rule."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import Final, NamedTuple

from kling_contracts.audits.audit import VALID, Audit, AuditFinding, Kind, Row
from kling_contracts.audits.rules_at_limit import rules_at_limit
from kling_contracts.cases.case import Case
from kling_contracts.contract import Contract
from kling_contracts.judging.operation import Operation
from kling_contracts.judging.report import Violation


class CallVerdict(NamedTuple):
    """The verdict on one case: accepted, refused, or neither (None: a crash)."""

    accepted: bool | None
    detail: str = ""
    named: frozenset[str] = frozenset()
    """The rules that a refusal names."""


ACCEPTED: Final = CallVerdict(True)


class _Refusal(NamedTuple):
    case: Case
    detail: str
    named: frozenset[str]


class FindingCounter:
    """Counts cases and findings by rule, and keeps the smallest case of each.

    `operations` are those that the cases are for, by default the contract's first one.
    """

    def __init__(self, contract: Contract, operations: Sequence[Operation] = ()) -> None:
        self.contract = contract
        self.rules = contract.rules_of(operations or [contract.operation])
        self.judged = 0
        self._cases: Counter[str] = Counter()
        self._findings: dict[tuple[str, Kind], AuditFinding] = {}
        self._refusals: list[_Refusal] = []
        self._accepted: list[Case] = []
        """The valid ones."""

    def add(self, case: Case, breaks: Set[str], verdict: CallVerdict) -> None:
        """Count one case that breaks, as far as its judge can know, these rules."""
        self.judged += 1
        self._cases.update(breaks or {VALID})
        if verdict.accepted is None:
            self.found(Kind.CRASHED, breaks or {VALID}, case, verdict.detail)
        elif breaks and verdict.accepted:
            self.found(Kind.ACCEPTED, breaks, case, verdict.detail)
        elif not breaks and not verdict.accepted:
            self._refusals.append(_Refusal(case, verdict.detail, verdict.named & self.rules.keys()))
        elif not breaks:
            self._accepted.append(case)

    def found(self, kind: Kind, rules: Iterable[str], case: Case, detail: str) -> None:
        """Count a finding about each of these rules."""
        for rule in rules:
            known = self._findings.get((rule, kind))
            new = AuditFinding(rule, kind, 1, case, detail)
            smallest = min(known, new, key=_size) if known else new
            self._findings[rule, kind] = smallest._replace(times=known.times + 1 if known else 1)

    def audit(self, target: str, kinds: tuple[Kind, ...], because: Callable[[str], str]) -> Audit:
        """Return the result. `because` says of a rule that no case was judged for why that is; "": leave it out."""
        self._blame_refusals()
        order = self._order()
        found = sorted(self._findings.values(), key=lambda one: (order.index(one.rule), kinds.index(one.kind)))
        unjudged = {rule: because(rule) for rule in self.rules if not self._cases[rule]}
        return Audit(
            target=target,
            judged=self.judged,
            kinds=kinds,
            rows=tuple(self._rows()),
            findings=tuple(found),
            unjudged={rule: reason for rule, reason in unjudged.items() if reason},
            rules=self.rules,
        )

    def _order(self) -> list[str]:
        """Return the rules in document order, then the members of answers that are not as they should be."""
        return list(dict.fromkeys([VALID, *self.rules, *sorted(rule for rule, _ in self._findings)]))

    def _rows(self) -> Iterator[Row]:
        for rule in self._order():
            counts = {kind: one.times for (about, kind), one in self._findings.items() if about == rule}
            if self._cases[rule] or counts:
                yield Row(rule, self._cases[rule] or max(counts.values()), counts)

    def _blame_refusals(self) -> None:
        """Blame a refused valid case on what the refusal names, or else on a limit at which it stands.

        Only a limit at which nothing valid was ever accepted; of several the one that explains most refusals.
        """
        if not self._refusals:
            return
        sound = frozenset[str]().union(*map(self._limits, self._accepted))
        suspects = [one.named or (self._limits(one.case) - sound if sound else sound) for one in self._refusals]
        explained = Counter(rule for rules in suspects for rule in sorted(rules))
        for refusal, rules in zip(self._refusals, suspects, strict=True):
            rule = max(sorted(rules), key=lambda one: explained[one], default=VALID)
            self._cases[rule] += 1 if rule else 0
            self.found(Kind.REFUSED, [rule], refusal.case, refusal.detail)
        self._refusals.clear()

    def _limits(self, case: Case) -> frozenset[str]:
        routed = self.contract.request_rules.route(case.request)
        if isinstance(routed, Violation):
            return frozenset()
        payload = self.contract.request_rules.payload(case.request, routed)
        facts = self.contract.report(case.request, case.world).facts
        return rules_at_limit(routed.operation, payload, facts[0] if facts else None)


def _size(finding: AuditFinding) -> tuple[int, int]:
    # A case that breaks nothing else says most about the rule.
    return len(finding.case.breaks), len(finding.case.request.body)
