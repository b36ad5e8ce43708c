"""Which limits a valid payload stands exactly at: who refuses it is likely to be wrong about one of them."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from kling_contracts.contract import Contract
from kling_contracts.facts.payload_facts import Facts
from kling_contracts.rules.rule import Rule


def reached(contract: Contract, payload: Any, facts: Facts) -> frozenset[str]:
    """Return the ids of the rules whose limit a valid payload stands exactly at."""
    return frozenset(
        rule.id
        for rule in contract.operation.rules
        if any(_is_at_limit(rule, value, facts) for value in _values(payload, rule.node))
    )


def _is_at_limit(rule: Rule, value: Any, facts: Facts) -> bool:
    if rule.expression is None:
        return bool(_measured(rule, value) == _number(rule))
    comparisons = [condition.comparison for condition in rule.expression.conditions]
    try:
        return any(comparison.gap(value, facts) == 0 for comparison in comparisons if comparison)
    except (AttributeError, KeyError, TypeError):
        # A fact or field that is not there has no limit to stand at.
        return False


def _measured(rule: Rule, value: Any) -> Any:
    return _MEASURES[_keyword(rule)](value) if _keyword(rule) in _MEASURES else None


def _number(rule: Rule) -> Any:
    return json.loads(rule.statement.partition(": ")[2]) if _keyword(rule) in _MEASURES else rule


def _keyword(rule: Rule) -> str:
    return rule.id.rpartition(".")[2]


_MEASURES: Final = {"minimum": lambda value: value, "maximum": lambda value: value, "minItems": len, "maxItems": len}


def _values(payload: Any, node: str) -> Iterator[Any]:
    """Yield what stands at a node; `face_choose[].face_id` is looked for in the first item."""
    value = payload
    for step in re.findall(r"\[\]|[^.\[]+", node):
        try:
            value = value[0 if step == "[]" else step]
        except LookupError:
            return
    yield value
