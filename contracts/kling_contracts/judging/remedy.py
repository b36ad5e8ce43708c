"""The remedy of a broken rule: the number that would be right in the field to blame, where it can be computed."""

from typing import Any, Final, NamedTuple

from kling_contracts.judging.partly_unknown import PartlyUnknown
from kling_contracts.rules.cel_compiler import Condition, Expression
from kling_contracts.unknown import UnknownFactError

MAX_REMEDY: Final = 2**53
"""A time beyond it is no advice, and Python refuses to print the longest ones."""
_BOUNDS: Final = {">=": (True, 0), ">": (True, 1), "<=": (False, 0), "<": (False, -1)}
"""Whether the left side must be the larger, and by how much a strict comparison moves the bound."""


class Subject(NamedTuple):
    """The value that a rule was judged on, and the name of the field to blame; empty: the value itself."""

    value: Any
    blamed: str
    facts: Any

    def changed(self, number: int) -> Any:
        """Return the value with another number in the field to blame."""
        if not self.blamed:
            return number
        if isinstance(self.value, PartlyUnknown):
            return self.value.replaced(self.blamed, number)
        return {**self.value, self.blamed: number}


def remedy_of(expression: Expression, failed: Condition, subject: Subject, number: Any) -> str:
    """Return what the blamed number would have to be, everything else as it is: the comparison is linear in it.

    Empty where no number would do: another condition of the rule may stand in the way.
    """
    comparison = failed.comparison
    if comparison is None or comparison.operator not in _BOUNDS or not isinstance(number, int):
        return ""
    gap = comparison.gap(subject.value, subject.facts)
    slope = comparison.gap(subject.changed(number + 1), subject.facts) - gap
    upwards, strict = _BOUNDS[comparison.operator]
    bound = number - slope * (gap - strict)
    if slope not in (1, -1) or not 0 <= bound <= MAX_REMEDY or not _holds(expression, subject, bound):
        return ""
    return f"at least {bound}" if upwards == (slope > 0) else f"at most {bound}"


def _holds(expression: Expression, subject: Subject, number: int) -> bool:
    try:
        return expression.holds(subject.changed(number), subject.facts)
    except UnknownFactError:
        return False
