"""Formulas: when a rule holds and when it falls, as inequalities over the numbers that are still open.

A formula is a disjunction of *branches*, each a conjunction of rows. A verdict is a pair of formulas; what cannot be
known belongs to neither. `&&`, `||` and `!` over such pairs are CEL's own, an unknown being an error: a false operand
absorbs an unknown in `&&`, a true one in `||`. This is the one place where "unverified" is decided.
"""

import ast
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from kling_contracts.cases.linear import Form, Inequality, at_least_zero, opposite
from kling_contracts.errors import RuleError
from kling_contracts.facts.provider import UNKNOWN
from kling_contracts.unknown import Unknown

Branch = tuple[Inequality, ...]
Formula = tuple[Branch, ...]

ALWAYS: Final[Formula] = ((),)
NEVER: Final[Formula] = ()
MAX_BRANCHES: Final = 512


class Verdict(NamedTuple):
    """When something is true and when it is false; in no other case can it be known."""

    true: Formula
    false: Formula
    known: bool = True
    """Whether it is one of the two whatever the numbers are."""

    @property
    def not_false(self) -> Formula:
        """When it does not fall."""
        return self.true if self.known else negated(self.false)


TRUE: Final = Verdict(ALWAYS, NEVER)
FALSE: Final = Verdict(NEVER, ALWAYS)
NOT_KNOWN: Final = Verdict(NEVER, NEVER, False)


class Scope(Protocol):
    """Resolves what a rule reads, for one choice of everything finite."""

    def read(self, root: str, members: tuple[str, ...]) -> Any:
        """Return a `Form`, a text, an `OwnText`, a bool, or `UNKNOWN`."""

    def has(self, root: str, members: tuple[str, ...]) -> Verdict:
        """Return whether it is there."""


def both(left: Formula, right: Formula) -> Formula:
    """Return the conjunction of two formulas. Raises `RuleError` where it has too many branches."""
    if left == ALWAYS or right == NEVER:
        return right
    if right == ALWAYS or left == NEVER:
        return left
    return _bounded(
        tuple(dict.fromkeys(one + tuple(r for r in other if r not in one) for one in left for other in right))
    )


def either(left: Formula, right: Formula) -> Formula:
    """Return the disjunction of two formulas."""
    if () in left or () in right:
        return ALWAYS
    return _bounded(tuple(dict.fromkeys(left + right)))


def negated(formula: Formula) -> Formula:
    """Return the formula that holds exactly where this one does not."""
    result = ALWAYS
    for branch in formula:
        result = both(result, tuple((opposite(row),) for row in branch))
    return result


def _bounded(formula: Formula) -> Formula:
    if len(formula) > MAX_BRANCHES:
        raise RuleError(f"a rule with more than {MAX_BRANCHES} alternatives over numbers cannot be solved")
    return formula


def conjuncts(code: ast.expr) -> list[ast.expr]:
    """Return the top-level conjuncts of a rule."""
    if isinstance(code, ast.BoolOp) and isinstance(code.op, ast.And):
        return [part for value in code.values for part in conjuncts(value)]
    return [code]


def verdict(code: ast.expr, scope: Scope) -> Verdict:
    """Return when an expression of the profile is true and when it is false."""
    value = _value(code, scope)
    return value if isinstance(value, Verdict) else NOT_KNOWN if isinstance(value, Unknown) else _constant(value)


def all_of(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict of a conjunction."""
    result = TRUE
    for one in verdicts:
        result = Verdict(both(result.true, one.true), either(result.false, one.false), result.known and one.known)
    return result


def _constant(value: Any) -> Verdict:
    return TRUE if value else FALSE


def _value(code: ast.expr, scope: Scope) -> Any:
    return _READERS[type(code)](code, scope)


def _logic(code: ast.BoolOp, scope: Scope) -> Verdict:
    parts = [verdict(part, scope) for part in code.values]
    if isinstance(code.op, ast.And):
        return all_of(parts)
    return _not(all_of([_not(part) for part in parts]))


def _not(value: Verdict) -> Verdict:
    return Verdict(value.false, value.true, value.known)


def _negation(code: ast.UnaryOp, scope: Scope) -> Verdict:
    return _not(verdict(code.operand, scope))


def _sum(code: ast.BinOp, scope: Scope) -> Any:
    left, right = _value(code.left, scope), _value(code.right, scope)
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return UNKNOWN
    return left.plus(right, 1 if isinstance(code.op, ast.Add) else -1)


def _literal(code: ast.Constant, scope: Scope) -> Any:
    value = code.value
    return Form((), value) if type(value) is int else value


def _dotted(code: ast.expr) -> tuple[str, tuple[str, ...]]:
    members: list[str] = []
    while not isinstance(code, ast.Name):
        if isinstance(code, ast.Attribute):
            members.append(code.attr)
            code = code.value
        else:
            assert isinstance(code, ast.Subscript)
            assert isinstance(code.slice, ast.Constant)
            members.append(str(code.slice.value))
            code = code.value
    return code.id, tuple(reversed(members))


def _read(code: ast.expr, scope: Scope) -> Any:
    return scope.read(*_dotted(code))


def _has_fact(code: ast.Call, scope: Scope) -> Verdict:
    return scope.has(*_dotted(code.args[0]))


def _comparison(code: ast.Compare, scope: Scope) -> Verdict:
    (operator,), (right,) = code.ops, code.comparators
    if isinstance(operator, ast.In):
        assert isinstance(code.left, ast.Constant)
        root, members = _dotted(right)
        return scope.has(root, (*members, str(code.left.value)))
    one, other = _value(code.left, scope), _value(right, scope)
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return NOT_KNOWN
    if isinstance(one, Form):
        return _ORDER[type(operator)](one, other)
    equal = _equal_bools(one, other) if isinstance(one, bool | Verdict) else _constant(one == other)
    return equal if isinstance(operator, ast.Eq) else _not(equal)


def _equal_bools(one: Any, other: Any) -> Verdict:
    left, right = (value if isinstance(value, Verdict) else _constant(value) for value in (one, other))
    same = either(both(left.true, right.true), both(left.false, right.false))
    different = either(both(left.true, right.false), both(left.false, right.true))
    return Verdict(same, different, left.known and right.known)


def _at_least(one: Form, other: Form, spare: int = 0) -> Formula:
    row = at_least_zero(one.plus(other, -1).shifted(-spare))
    return (ALWAYS if row.constant >= 0 else NEVER) if not row.terms else ((row,),)


def equal(one: Form, other: Form) -> Formula:
    """Return when two numbers are equal. Raises `RuleError` where no coefficient is 1, which is not solved."""
    gap = one.plus(other, -1)
    row = at_least_zero(gap)
    if gap.terms and all(abs(value) != 1 for _, value in row.terms):
        raise RuleError("an equality in which every number has a factor cannot be solved")
    return both(_at_least(one, other), _at_least(other, one))


def _different(one: Form, other: Form) -> Formula:
    return either(_at_least(one, other, 1), _at_least(other, one, 1))


_ORDER: Final[dict[type, Callable[[Form, Form], Verdict]]] = {
    ast.GtE: lambda one, other: Verdict(_at_least(one, other), _at_least(other, one, 1)),
    ast.Gt: lambda one, other: Verdict(_at_least(one, other, 1), _at_least(other, one)),
    ast.LtE: lambda one, other: Verdict(_at_least(other, one), _at_least(one, other, 1)),
    ast.Lt: lambda one, other: Verdict(_at_least(other, one, 1), _at_least(one, other)),
    ast.Eq: lambda one, other: Verdict(equal(one, other), _different(one, other)),
    ast.NotEq: lambda one, other: Verdict(_different(one, other), equal(one, other)),
}
_READERS: Final[dict[type, Callable[[Any, Scope], Any]]] = {
    ast.BoolOp: _logic,
    ast.UnaryOp: _negation,
    ast.BinOp: _sum,
    ast.Constant: _literal,
    ast.Compare: _comparison,
    ast.Call: _has_fact,
    ast.Name: _read,
    ast.Attribute: _read,
    ast.Subscript: _read,
}
