"""Judging payloads of one operation: one function for flat objects and arrays of them, the walk for all others."""

from functools import lru_cache
from typing import Any

from kling_contracts.facts.measuring import CompiledFacts, Measurement
from kling_contracts.facts.sources import FactSources
from kling_contracts.jsonio.keywords import BrokenKeyword
from kling_contracts.judging.compiled_schema import CompiledSchema, Order
from kling_contracts.judging.evaluator import Evaluation
from kling_contracts.judging.explaining import shown_at
from kling_contracts.judging.object_rules import NOTHING, Found
from kling_contracts.judging.plain_judge import PlainJudge, plain_judge
from kling_contracts.judging.report import Report, Violation
from kling_contracts.unknown import UnknownFactError


class Judge:
    """The judge of one operation's payloads. Its functions are compiled at first use; threads may share it."""

    def __init__(self, tree: CompiledSchema, facts: CompiledFacts) -> None:
        self._tree = tree
        self._facts = facts
        self._functions: dict[tuple[bool, bool], PlainJudge] = {}

    def report(self, payload: Any, measured: Measurement) -> Report:
        """Judge one payload by its measured facts."""
        faults, found = self._found(payload, measured, only_violations=False)
        if found == [] and not faults:
            return Report(facts=measured.reported, timeline=self._tree.timeline)
        one = self._evaluated(payload, measured, faults, found, only_violations=False)
        notes = tuple(one.notes)
        return Report(tuple(one.violations), tuple(one.unverified), notes, measured.reported, self._tree.timeline)

    def violations(self, payload: Any, sources: FactSources) -> tuple[Violation, ...]:
        """Return the violations of `report` alone, by facts that are measured from the sources."""
        faults, found = self._found(payload, sources, only_violations=True)
        if found == [] and not faults:
            return ()
        measured = self._facts.measure(payload, sources)
        return tuple(self._evaluated(payload, measured, faults, found, only_violations=True).violations)

    def _found(self, payload: Any, by: Any, *, only_violations: bool) -> tuple[list[BrokenKeyword], list[Found] | None]:
        """Return the broken keywords, and what the one function finds; None where it leaves judging to the walk."""
        holds = self._tree.checker.is_plainly_valid(payload)
        faults = [] if holds else self._tree.checker.faults(payload)
        function = self._functions.get((only_violations, holds)) or self._function(only_violations, holds)
        try:
            return faults, function(payload, by, _unsound(faults) if faults else NOTHING)
        except UnknownFactError:
            # The world of a recording has entries of which no answer told a member that all others have.
            return faults, None

    def _function(self, only_violations: bool, keywords_hold: bool) -> PlainJudge:
        function = plain_judge(
            self._tree.root, self._facts, only_violations=only_violations, any_keywords=not keywords_hold
        )
        self._functions[only_violations, keywords_hold] = function
        return function

    def _evaluated(
        self,
        payload: Any,
        measured: Measurement,
        faults: list[BrokenKeyword],
        found: list[Found] | None,
        *,
        only_violations: bool,
    ) -> Evaluation:
        evaluation = Evaluation(measured, _unsound(faults), only_violations)
        if found is None:
            evaluation.visit(self._tree.root, payload, "", measured.facts)
        else:
            evaluation.explain(found)
        if faults:
            rules = self._tree.keywords
            evaluation.violations += [
                Violation(rules[fault.place], fault.pointer, fault.message, shown_at(payload, fault.path))
                for fault in faults
            ]
            evaluation.violations.sort(key=self._order)
        return evaluation

    def _order(self, violation: Violation) -> Order:
        return _filled(self._tree.orders[violation.rule.id], violation.pointer)


def _unsound(faults: list[BrokenKeyword]) -> frozenset[str]:
    return frozenset([fault.pointer for fault in faults])


@lru_cache(maxsize=1024)
def _filled(order: Order, pointer: str) -> Order:
    """Put the indexes of a pointer where the order leaves them open."""
    indexes = iter([int(token) for token in pointer.split("/") if token.isdecimal()])
    return tuple([next(indexes, 0) if step is None else step for step in order])
