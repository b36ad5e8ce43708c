"""The limits at which a valid payload stands: a validator that refuses it is likely to be wrong about one of them."""

from collections.abc import Iterator
from typing import Any, Final

from kling_contracts.judging.operation import Operation
from kling_contracts.rules.rule import Rule


def rules_at_limit(operation: Operation, payload: Any, facts: Any) -> frozenset[str]:
    """Return the ids of the rules whose limit a valid payload stands exactly at."""
    return frozenset(
        rule.id
        for rule in operation.rules
        if any(_is_at_limit(rule, value, facts) for value in _values(payload, rule.path))
    )


def _is_at_limit(rule: Rule, value: Any, facts: Any) -> bool:
    if rule.expression is None:
        return rule.keyword in _MEASURES and bool(_MEASURES[rule.keyword](value) == rule.value)
    comparisons = [condition.comparison for condition in rule.expression.conditions]
    try:
        return any(comparison.gap(value, facts) == 0 for comparison in comparisons if comparison)
    except (AttributeError, KeyError, TypeError):
        # A fact or field that is not there has no limit to stand at.
        return False


_MEASURES: Final = {"minimum": lambda value: value, "maximum": lambda value: value, "minItems": len, "maxItems": len}


def _values(payload: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield what stands at the path of a rule; of an array, the first item is looked at."""
    value = payload
    for step in path:
        try:
            value = value[0 if step == "[]" else step]
        except LookupError:
            return
    yield value
