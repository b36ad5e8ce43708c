"""A newer document compared with ours: every change, and how many clauses are as they were."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts.documents.quotes import folded
from kling_contracts.drift import structure
from kling_contracts.drift.baseline import Baseline
from kling_contracts.drift.change import Change, Limit, Severity
from kling_contracts.drift.clauses import Clause, followed
from kling_contracts.drift.structure import DescriptionPair
from kling_contracts.drift.wording import WordedQuantity, Wording, compared

Document = Mapping[str, Any]

_MESSAGES: Final = {
    "reworded": "reads the same in another form",
    "meaning-unclear": "reads otherwise; does it mean the same?",
    "negation-changed": "has another negation, modal verb or direction",
}


class Drift(NamedTuple):
    """The changes in a newer document."""

    changes: tuple[Change, ...]
    unchanged: int
    """Clauses that stand as they were."""
    renamed: Mapping[str, str]
    """Pointers in our document of what has another name in the newer one."""

    @property
    def is_real(self) -> bool:
        """Whether anything but cosmetics changed."""
        return any(change.severity != "cosmetic" for change in self.changes)

    def of(self, severity: Severity) -> tuple[Change, ...]:
        """Return the changes of one severity."""
        return tuple(change for change in self.changes if change.severity == severity)


def compare(baseline: Baseline, newer: Document) -> Drift:
    """Compare a newer document with ours. Raises `DocumentError` where ours are wrong."""
    shape = structure.compare(baseline.vendor, newer)
    prose = _Prose(baseline)
    for described in shape.described:
        prose.follow(described)
    prose.find_moved()
    return Drift((*shape.changes, *prose.changes()), prose.unchanged, shape.renamed)


class _Gone(NamedTuple):
    clause: Clause
    pointer: str


class _New(NamedTuple):
    text: str
    pointer: str


class _Prose:
    """The clauses of all descriptions: one that is gone from its place may stand in another."""

    def __init__(self, baseline: Baseline) -> None:
        self._clauses = baseline.clauses
        self._contract = baseline.contract
        self._found: list[Change] = []
        self._gone: list[_Gone] = []
        self._new: list[_New] = []
        self.unchanged = 0

    def follow(self, described: DescriptionPair) -> None:
        """Follow the clauses of one description."""
        clauses = self._clauses.get(described.old_pointer, ())
        if not clauses and folded(described.old) == folded(described.new):
            return
        result = followed(described.old, clauses, described.new)
        for clause, text in result.became:
            if text is None:
                self._gone.append(_Gone(clause, described.old_pointer))
            else:
                self._compare(clause, text, described)
        self._new += [_New(text, described.pointer) for text in result.new]

    def find_moved(self) -> None:
        """Find the clauses that are gone from their places among the new sentences."""
        for gone in list(self._gone):
            wanted = folded(gone.clause.text)
            place = next((one for one in self._new if wanted in folded(one.text)), None)
            if place is None:
                continue
            self._gone.remove(gone)
            self._new.remove(place)
            rest = followed(place.text, [], place.text.replace(gone.clause.text, "", 1)).new
            self._new += [_New(text, place.pointer) for text in rest]
            self._found.append(_moved(gone, place))

    def changes(self) -> Sequence[Change]:
        """Return everything that was found, what is gone and what is new last."""
        return (*self._found, *map(self._dropped, self._gone), *map(_added, self._new))

    def _compare(self, clause: Clause, text: str, described: DescriptionPair) -> None:
        wording = compared(clause.text, text)
        if wording.kind == "same":
            self.unchanged += 1
            return
        limits = self._limits(clause, wording)
        self._found.append(
            Change(
                kind=wording.kind,
                pointer=described.pointer,
                message=_message(clause, wording, limits),
                old=clause.text,
                new=text,
                rules=clause.answers,
                limits=limits,
                added=wording.added,
                removed=wording.removed,
                old_pointer=described.old_pointer,
            )
        )

    def _limits(self, clause: Clause, wording: Wording) -> tuple[Limit, ...]:
        """Return which rules have a changed number as their literal."""
        return tuple(
            Limit(rule, old.number, new.number, old.unit if old.unit in ("ms", "bytes") else "")
            for old, new in wording.quantities
            for rule in clause.answers
            if old.unit == new.unit and self._has_literal(rule, old)
        )

    def _has_literal(self, rule_id: str, quantity: WordedQuantity) -> bool:
        rule = self._contract.every_rule.get(rule_id)
        if rule is None:
            return False
        if rule.expression:
            return any(quantity.number in condition.limits for condition in rule.expression.conditions)
        return bool(rule.value == quantity.number)

    def _dropped(self, gone: _Gone) -> Change:
        clause = gone.clause
        quoted_elsewhere = {rule for rule in clause.answers if self._quotes(rule) > 1}
        left = ", ".join(rule for rule in clause.answers if rule not in quoted_elsewhere)
        message = f"{clause.text}: is gone" + (f", and {left} without a source" if left else "")
        return Change(
            "clause-dropped", gone.pointer, message, clause.text,
            rules=clause.answers, old_pointer=gone.pointer, is_gone=True,
        )  # fmt: skip

    def _quotes(self, rule_id: str) -> int:
        rule = self._contract.every_rule.get(rule_id)
        return len(rule.quotes) if rule else 0


def _message(clause: Clause, wording: Wording, limits: tuple[Limit, ...]) -> str:
    if wording.kind == "limit-changed":
        numbers = ", ".join(f"{old.text} -> {new.text}" for old, new in wording.quantities)
        judged = "; ".join(map(str, limits))
        return f"{clause.text}: {numbers}" + (f" ({judged})" if judged else "")
    if wording.kind == "list-changed":
        parts = [("new", wording.added), ("gone", wording.removed)]
        return f"{clause.text}: " + "; ".join(f"{word}: {', '.join(items)}" for word, items in parts if items)
    return f"{clause.text}: {_MESSAGES[wording.kind]}"


def _moved(gone: _Gone, place: _New) -> Change:
    fields = [structure.field_of(pointer) for pointer in (gone.pointer, place.pointer)]
    where = f"from {fields[0]} to {fields[1]}" if gone.pointer != place.pointer else f"within {fields[1]}"
    return Change(
        "clause-moved", place.pointer, f"{gone.clause.text}: moved {where}", gone.clause.text, gone.clause.text,
        gone.clause.answers, old_pointer=gone.pointer,
    )  # fmt: skip


def _added(new: _New) -> Change:
    field = structure.field_of(new.pointer) or "the document"
    return Change("clause-new", new.pointer, f"{new.text}: is new at {field}; nobody answers for it", new=new.text)
