"""How far a payload is from the limits of a rule: 0 is the limit itself, what is negative has passed it."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from kling_contracts import Operation, Rule
from kling_contracts.facts.sources import FactSources
from kling_contracts.rules.cel_compiler import Condition
from kling_contracts.unknown import UnknownFactError

_UPWARDS: Final = {">=": 0, ">": 1}
_DOWNWARDS: Final = {"<=": 0, "<": 1}
_AT_LEAST: Final = {"minimum", "minLength", "minItems"}
_AT_MOST: Final = {"maximum", "maxLength", "maxItems"}


class Distance(NamedTuple):
    """The distance from one limit."""

    condition: int
    """Which condition of the rule, from 0."""
    limit: int | float | None
    """The limit, where the condition compares with one number."""
    margin: int | float
    """By how much it holds; negative: by how much it is broken."""
    upwards: bool
    """Whether what is larger holds."""


def distances(operation: Operation, rule: Rule, payload: Any, sources: FactSources) -> list[Distance]:
    """Return the distances from the limits of a rule, of every item that it judges; empty where it has none."""
    payload = operation.reader.payload(payload)
    try:
        nodes = list(_nodes(rule.node, payload))
    except (KeyError, TypeError):
        return []
    if rule.keyword:
        return [found for value, _ in nodes for found in _of_keyword(rule, value)]
    if rule.expression is None:
        return []
    measured = operation.facts.measure(payload, sources)
    found: list[Distance] = []
    for value, item in nodes:
        facts = measured.facts if item is None else measured.of_item(rule.node.partition("[]")[0], item)
        for index, condition in enumerate(rule.expression.conditions):
            found += _of_condition(index, condition, value, facts)
    return found


def says_something(rule: Rule, payload: Any) -> bool:
    """Return whether a rule has anything to judge in a payload: of an empty or missing field it holds in any case."""
    if rule.keyword == "required":
        return True
    try:
        return any(value not in (None, "") for value, _ in _nodes(rule.node, payload))
    except (KeyError, TypeError):
        return False


def _nodes(path: str, payload: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the values that stand at the node of a rule, each with the item of the array that it is in."""
    array, has_items, rest = path.partition("[]")
    if not has_items:
        yield _inside(payload, path), None
        return
    for item in _inside(payload, array):
        yield _inside(item, rest.lstrip(".")), item


def _inside(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        value = value[name]
    return value


def _of_keyword(rule: Rule, value: Any) -> Iterator[Distance]:
    if rule.keyword in ("minLength", "maxLength", "minItems", "maxItems"):
        value = len(value) if isinstance(value, str | list) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if rule.keyword in _AT_LEAST:
        yield Distance(0, rule.value, value - rule.value, True)
    elif rule.keyword in _AT_MOST:
        yield Distance(0, rule.value, rule.value - value, False)


def _of_condition(index: int, condition: Condition, value: Any, facts: Any) -> Iterator[Distance]:
    comparison = condition.comparison
    if comparison is None:
        return
    try:
        gap = comparison.gap(value, facts)
    except (UnknownFactError, KeyError, TypeError):
        return
    limit = condition.limits[0] if len(condition.limits) == 1 else None
    if comparison.operator in _UPWARDS:
        yield Distance(index, limit, gap - _UPWARDS[comparison.operator], True)
    elif comparison.operator in _DOWNWARDS:
        yield Distance(index, limit, -gap - _DOWNWARDS[comparison.operator], False)
