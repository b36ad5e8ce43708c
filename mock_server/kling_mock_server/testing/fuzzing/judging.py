"""Holding the answers of a server against the labels of what it was asked."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from kling_contracts import Contract, Operation, Rule, Violation
from kling_contracts.audits.audit import VALID, Audit, Kind
from kling_contracts.audits.findings import CallVerdict, FindingCounter
from kling_contracts.cases.answers import ExpectedAnswers
from kling_contracts.cases.case import Case
from kling_contracts.http import JSON_TYPE
from kling_mock_server.testing.fuzzing.answered_files import AnsweredFiles
from kling_mock_server.testing.fuzzing.new_values import NewValues
from kling_mock_server.testing.fuzzing.sequences import Wrong
from kling_mock_server.testing.fuzzing.target import Answer
from kling_mock_server.testing.fuzzing.trials import AdaptedCase

KINDS: Final = tuple(Kind)
ACCEPTED_STATUS: Final = 200
TOO_MANY: Final = 429
TURNED_AWAY: Final = (401, 403)


class Judging:
    """Judges the answers of one server.

    `known_sender`: it welcomes our token, so no answer is about that.
    """

    def __init__(self, contract: Contract, operations: Sequence[Operation], *, known_sender: bool) -> None:
        self.contract = contract
        self.rules = contract.rules_of(operations)
        self.known_sender = known_sender
        self.lost = 0
        """How many requests in a row were not answered."""
        self.let_through = 0
        """How many broken requests were accepted."""
        self.unread: Counter[str] = Counter()
        """Answers that say nothing about the request, by text."""
        self._findings = FindingCounter(contract, operations)
        self._expected = ExpectedAnswers(contract)
        self._files = AnsweredFiles()
        self._new_values = NewValues()
        self._names_rules = False

    def judge(self, trial: AdaptedCase, answer: Answer) -> None:
        """Count what the server made of one trial."""
        case, breaks = trial.case, trial.case.breaks
        self.lost = self.lost + 1 if answer.lost else 0
        if answer.crash:
            self._findings.add(case, breaks, CallVerdict(None, answer.crash))
        elif answer.accepted:
            self.let_through += bool(breaks)
            self._findings.add(case, breaks, CallVerdict(True, str(answer)))
            if not breaks:
                self._accepted(case, answer)
                self._look_into(case, answer)
        elif self._says_nothing(case, answer):
            self.unread[str(answer)] += 1
        elif trial.certain or _names(answer, breaks):
            self._findings.add(case, breaks, CallVerdict(False, str(answer), frozenset(answer.named or ())))
            if breaks:
                self._refused(case, answer)
                self._look_into(case, answer)

    def _look_into(self, case: Case, answer: Answer) -> None:
        """Hold what an answer says against the schema of its response, and in a world of ours against what is right."""
        wrong = dict(self._expected.broken_schema(case, answer.status, answer.body))
        if answer.content_type.partition(";")[0].strip().lower() != JSON_TYPE:
            wrong["content-type"] = f"is {answer.content_type!r}; the body is JSON"
        operation = self._operation(case)
        if self.known_sender and not wrong:
            wrong = self._unexpected(case, answer)
            members = self._expected.new_members(case, answer.status)
            wrong |= self._new_values.repeated(operation, members, case.request, answer.body)
        for where, text in wrong.items():
            place = re.sub("/[0-9]+", "/-", where)
            self._findings.found(Kind.CONTENT, [f"{operation} {place}"], case, f"{where} {text}")

    def _unexpected(self, case: Case, answer: Answer) -> dict[str, str]:
        if case.breaks:
            return {}
        expected = self._expected.of(case)
        # In another order a file has another place.
        return dict(expected.differences(answer.body)) or self._files.wrong(expected, answer.body)

    def note(self, wrong: Wrong) -> None:
        """Count an answer that does not fit those before it."""
        self._findings.found(wrong.kind, [wrong.rule], wrong.case, wrong.detail)

    def _operation(self, case: Case) -> str:
        routed = self.contract.request_rules.route(case.request)
        return "" if isinstance(routed, Violation) else routed.operation.name

    def audit(self, target: str, reasons: Mapping[str, str], otherwise: str) -> Audit:
        """Return the result; `reasons` and `otherwise` say why a rule could not be judged."""
        if self.unread:
            (answer, _), *_ = self.unread.most_common(1)
            total = sum(self.unread.values())
            otherwise = f"{total} requests were turned away ({answer}); is the token welcome, is there a limit?"
        return self._findings.audit(target, KINDS, lambda rule: reasons.get(rule, otherwise))

    def _accepted(self, case: Case, answer: Answer) -> None:
        if answer.status != ACCEPTED_STATUS:
            self._findings.found(Kind.ANSWER, [VALID], case, f"{answer}\ndocumented: {ACCEPTED_STATUS} / 0")

    def _refused(self, case: Case, answer: Answer) -> None:
        documented = {(rule.status, rule.code) for rule in self._broken(case)}
        if self.known_sender:
            # Several rules may be broken: the first one decides, in the order of the documents.
            expected_answer = self._expected.of(case)
            documented = {(expected_answer.status, expected_answer.code)}
        if (answer.status, answer.code) not in documented:
            expected = " or ".join(f"{status} / {code}" for status, code in sorted(documented))
            self._findings.found(Kind.ANSWER, case.breaks, case, f"{answer}\ndocumented: {expected}")
        self._names_rules |= answer.named is not None
        if self._names_rules and not _names(answer, case.breaks):
            wrong = case.breaks.symmetric_difference(answer.named or ()) & self.rules.keys()
            named = ", ".join(answer.named or ()) or "no rule"
            broken = ", ".join(sorted(case.breaks))
            self._findings.found(Kind.NAMING, wrong or case.breaks, case, f"named:  {named}\nbroken: {broken}")

    def _says_nothing(self, case: Case, answer: Answer) -> bool:
        if answer.status == TOO_MANY:
            return True
        documented = {rule.status for rule in self._broken(case)}
        return not self.known_sender and answer.status in TURNED_AWAY and answer.status not in documented

    def _broken(self, case: Case) -> list[Rule]:
        """Return the rules that a case breaks: one id may be that of two operations."""
        routed = self.contract.request_rules.route(case.request)
        rules = self.rules if isinstance(routed, Violation) else self.contract.rules_of([routed.operation])
        return [rules[rule] for rule in case.breaks]


def _names(answer: Answer, breaks: Collection[str]) -> bool:
    return answer.named is not None and set(answer.named) == set(breaks)
