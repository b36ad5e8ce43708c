"""The prediction for one call, compared with the recorded answer."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from kling_contracts import Contract, Operation, Report, Rule, Violation
from kling_contracts.facts.lookup import Lookup
from kling_contracts.rules.rule import SOME_ID
from kling_mock_server.recordings.call import RecordedCall
from kling_mock_server.recordings.verdicts import NotJudged, RecordedDifference

LIKE: Final = 0.6
"""How alike two messages are from which on one is taken for the other, reworded."""
_SERVICE_FAILED: Final = 500


class Outcome(NamedTuple):
    """The result of one comparison; all empty: the call is as predicted."""

    differences: tuple[RecordedDifference, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    refused_by: Rule | None = None
    """The rule that both the contract and the answer refuse by."""


class Comparing:
    """Compares the calls of recordings with one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def compare(self, call: RecordedCall, report: Report) -> Outcome:
        """Compare one call; `report` is what the contract says of its payload in the recorded world."""
        if call.answered.is_accepted:
            return self._accepted(call, report)
        if call.answered.status < _SERVICE_FAILED and call.answered.code is None and call.answered.is_readable:
            return Outcome()
        return self._refused(call, report)

    def _accepted(self, call: RecordedCall, report: Report) -> Outcome:
        exchange = call.exchange
        differences = []
        for violation in report.violations:
            rule = violation.rule
            message = f"accepted, though {rule.id} refuses it: {violation.message}"
            differences.append(RecordedDifference("accepted", rule.id, message, exchange, tuple(_explained(violation))))
        return Outcome(tuple(differences))

    def _refused(self, call: RecordedCall, report: Report) -> Outcome:
        answered = call.answered
        if self._is_beyond_the_request(call, report):
            because = f"{answered.status} / {answered.code} is about the account or the service"
            return Outcome(not_judged=(NotJudged("", because, call.exchange),))
        for index, violation in enumerate(report.violations):
            if self._matches(call, violation.rule, violation.message):
                if index == 0:
                    return Outcome(refused_by=violation.rule)
                return Outcome((self._other_order(call, report.violations[0], violation),))
        uncertain = next(self._uncertain(call, report), None)
        if uncertain:
            return Outcome(
                not_judged=(NotJudged(uncertain.id, "the recording does not show what it hangs on", call.exchange),)
            )
        return Outcome(tuple(self._other_answer(call, report)))

    def _is_beyond_the_request(self, call: RecordedCall, report: Report) -> bool:
        """Return whether a refusal says nothing of the request: the account may not, or the service cannot."""
        answered = call.answered
        keyless = answered.status == 401 and not call.exchange.account
        if keyless or any(answered.code == violation.rule.code for violation in report.violations):
            return False
        code = self._contract.codes.get(answered.code or 0)
        about_key = answered.status == 401 and bool(call.exchange.account)
        return answered.status >= _SERVICE_FAILED or about_key or bool(code and code.concerns == "account")

    def _matches(self, call: RecordedCall, rule: Rule, message: str) -> bool:
        answered = call.answered
        if (answered.status, answered.code) != (rule.status, rule.code):
            return False
        # A request rule may say more than its message: where the JSON is wrong.
        said = answered.message
        return _is_worded(said, message) or (rule.kind == "request" and said.startswith(rule.message))

    def _uncertain(self, call: RecordedCall, report: Report) -> Iterator[Rule]:
        """Yield the rules that explain a refusal and cannot be judged from a recording."""
        unverified = {one.rule.id for one in report.unverified}
        for rule in call.operation.rules:
            is_open = rule.id in unverified or self._hangs_on_the_unseen(rule, call.operation)
            if is_open and any(self._matches(call, rule, sentence) for sentence in _sentences(rule)):
                yield rule

    def _hangs_on_the_unseen(self, rule: Rule, operation: Operation) -> bool:
        """Return whether a rule reads what answers never tell: what moderation thinks, which ids were used before."""
        reads = rule.expression.reads if rule.expression else frozenset[str]()
        names = [name.split(".") for name in reads if name.startswith("facts.")]
        return any(parts[-1] == "flagged" or self._is_of_ids(operation, parts[1]) for parts in names)

    def _is_of_ids(self, operation: Operation, name: str) -> bool:
        fact = operation.facts.by_name.get(name)
        return fact is not None and isinstance(fact.provider, Lookup) and fact.provider.table in _TABLES_OF_IDS

    def _other_order(self, call: RecordedCall, first: Violation, said: Violation) -> RecordedDifference:
        message = f"{said.rule.id} decides, though {first.rule.id} comes before it"
        return RecordedDifference(
            "order", first.rule.id, message, call.exchange, (f"answered: {call.answered.message}",)
        )

    def _other_answer(self, call: RecordedCall, report: Report) -> Iterator[RecordedDifference]:
        answered = call.answered
        unverified = [one.rule for one in report.unverified]
        rule, predicted = self._meant(call, report, unverified)
        details: tuple[str, ...] = (f"answered: {answered.status} / {answered.code} {answered.message}",)
        if rule is None or (not report.violations and not self._is_one(rule, unverified)):
            nearest = f"; the nearest rule is {rule.id}" if rule else ""
            message = f"refused, though no rule refuses it{nearest}: {answered.message or answered.status}"
            yield RecordedDifference(
                "refused", rule.id if rule else "", message, call.exchange, details, answered.message
            )
            return
        details = (*details, f"predicted: {rule.status} / {rule.code} {predicted}")
        parts = (
            ("status", answered.status, rule.status),
            ("code", answered.code, rule.code),
            ("text", answered.message, predicted),
        )
        for kind, observed, wanted in parts:
            is_as_wanted = _is_worded(str(observed), str(wanted)) if kind == "text" else observed == wanted
            if not is_as_wanted and answered.is_readable:
                message = f"{rule.id} is refused with another {kind}: {observed} instead of {wanted}"
                yield RecordedDifference(kind, rule.id, message, call.exchange, details, observed)

    def _meant(self, call: RecordedCall, report: Report, unverified: list[Rule]) -> tuple[Rule | None, str]:
        """Return the rule that a refusal is by, and what it would say: the one whose message is nearest."""
        if report.violations:
            nearest = max(report.violations, key=lambda one: _likeness(one.message, call.answered.message))
            near = _likeness(nearest.message, call.answered.message) >= LIKE
            chosen = nearest if near else report.violations[0]
            return chosen.rule, chosen.message
        alike = [rule for rule in unverified if (rule.status, rule.code) == (call.answered.status, call.answered.code)]
        rules = [*call.operation.rules] if not alike else [*alike, *call.operation.rules]
        pairs = [(_likeness(text, call.answered.message), rule, text) for rule in rules for text in _sentences(rule)]
        likeness, rule, text = max(pairs, key=lambda pair: pair[0])
        if likeness >= LIKE:
            return rule, text
        return (alike[0], _sentences(alike[0])[0]) if len({one.id for one in alike}) == 1 else (None, "")

    def _is_one(self, rule: Rule, rules: list[Rule]) -> bool:
        return any(rule.id == one.id for one in rules)


_TABLES_OF_IDS: Final = frozenset({"external_task_ids"})


def _sentences(rule: Rule) -> list[str]:
    conditions = rule.expression.conditions if rule.expression else ()
    return list(dict.fromkeys([rule.sentence(), *(rule.sentence(condition) for condition in conditions)]))


def _is_worded(said: str, wanted: str) -> bool:
    """Return whether a message says what is wanted, whichever id it names where any will do."""
    if SOME_ID not in wanted:
        return said == wanted
    return re.fullmatch(".*".join(map(re.escape, wanted.split(SOME_ID))), said, re.DOTALL) is not None


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _explained(violation: Violation) -> Iterator[str]:
    if violation.value:
        yield f"sent:   {violation.pointer} {violation.value}"
    if violation.remedy:
        yield f"wanted: {violation.remedy}"
    yield from dict.fromkeys(f"vendor: {quote.text} ({quote.meaning})" for quote in violation.rule.quotes)
