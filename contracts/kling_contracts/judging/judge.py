"""Judging payloads of one operation: one function for those that are plainly valid by their keywords, else the walk."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from kling_contracts.facts.measuring import CompiledFacts, Measurement
from kling_contracts.facts.sources import FactSources
from kling_contracts.jsonio.keywords import BrokenKeyword
from kling_contracts.judging.compiled_schema import CompiledSchema, Order
from kling_contracts.judging.evaluator import Evaluation
from kling_contracts.judging.explaining import shown_at
from kling_contracts.judging.object_rules import NOTHING, Found
from kling_contracts.judging.plain_judge import PlainReport, PlainViolations, plain_report, plain_violations
from kling_contracts.judging.report import Report, Violation
from kling_contracts.unknown import UnknownFactError

_By = TypeVar("_By", Measurement, FactSources)


class Judge:
    """The judge of one operation's payloads. Its functions are compiled at first use; threads may share it."""

    def __init__(self, tree: CompiledSchema, facts: CompiledFacts) -> None:
        self._tree = tree
        self._facts = facts

    def report(self, payload: Any, measured: Measurement) -> Report:
        """Judge one payload by its measured facts."""
        found = self._found(self._plain_report, payload, measured)
        if found == []:
            return Report(facts=measured.reported, timeline=self._tree.timeline)
        one = self._evaluated(payload, measured, found, only_violations=False)
        notes = tuple(one.notes)
        return Report(tuple(one.violations), tuple(one.unverified), notes, measured.reported, self._tree.timeline)

    def violations(self, payload: Any, sources: FactSources) -> tuple[Violation, ...]:
        """Return the violations of `report` alone, by facts that are measured from the sources."""
        found = self._found(self._plain_violations, payload, sources)
        if found == []:
            return ()
        measured = self._facts.measure(payload, sources)
        return tuple(self._evaluated(payload, measured, found, only_violations=True).violations)

    @cached_property
    def _plain_report(self) -> PlainReport:
        return plain_report(self._tree.root, self._facts)

    @cached_property
    def _plain_violations(self) -> PlainViolations:
        return plain_violations(self._tree.root, self._facts)

    def _found(self, plain: Callable[[Any, _By], list[Found] | None], payload: Any, by: _By) -> list[Found] | None:
        """Return what the one function finds; None where it leaves judging to the walk."""
        if not self._tree.checker.is_plainly_valid(payload):
            return None
        try:
            return plain(payload, by)
        except UnknownFactError:
            # The world of a recording has entries of which no answer told a member that all others have.
            return None

    def _evaluated(
        self, payload: Any, measured: Measurement, found: list[Found] | None, only_violations: bool
    ) -> Evaluation:
        if found is not None:
            evaluation = Evaluation(measured, NOTHING, only_violations)
            evaluation.explain(found)
            return evaluation
        faults = self._tree.checker.broken(payload)
        evaluation = Evaluation(measured, frozenset([fault.pointer for fault in faults]), only_violations)
        evaluation.visit(self._tree.root, payload, "", measured.facts)
        if faults:
            evaluation.violations += [self._violation(fault, payload) for fault in faults]
            evaluation.violations.sort(key=self._order)
        return evaluation

    def _violation(self, fault: BrokenKeyword, payload: Any) -> Violation:
        return Violation(self._tree.keywords[fault.place], fault.pointer, fault.message, shown_at(payload, fault.path))

    def _order(self, violation: Violation) -> Order:
        return _filled(self._tree.orders[violation.rule.id], violation.pointer)


@lru_cache(maxsize=1024)
def _filled(order: Order, pointer: str) -> Order:
    """Put the indexes of a pointer where the order leaves them open."""
    indexes = iter([int(token) for token in pointer.split("/") if token.isdecimal()])
    return tuple([next(indexes, 0) if step is None else step for step in order])
