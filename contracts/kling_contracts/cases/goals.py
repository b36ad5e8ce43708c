"""Goals: what a case is for. Valid, or one conjunct of a rule, one bound of a keyword or one choice to break."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from kling_contracts.cases.fields import Choice, Field, Items, KeywordLimit, OpenNumber
from kling_contracts.cases.model import Assignment, Model, above
from kling_contracts.cases.shapes import Conjunct
from kling_contracts.facts.ways import OwnText
from kling_contracts.jsonio.keywords import readable


class Goal(NamedTuple):
    """The purpose of a case."""

    rule: str
    """The rule that is meant to fall; empty: none."""
    says: str
    """The beginning of a sentence."""
    target: Conjunct | None = None
    """The conjunct that falls."""
    limit: KeywordLimit | None = None
    """The bound of a keyword that is passed."""
    fixed: Mapping[str, tuple[Choice, ...]] = {}
    """The values of some nodes."""
    more: int = 0
    """How many rules more than need be fall with it."""


VALID = Goal("", "Every rule holds")


def choices_read(model: Model, goal: Goal, assignment: Assignment) -> tuple[int, ...]:
    """Return the choices that the rule of a goal reads, by their numbers; for a bound of a keyword none."""
    nodes = model.rules[goal.target.rule].nodes if goal.target else ()
    return tuple(assignment[node].number for node in nodes)


def spans_fields(model: Model, goal: Goal) -> bool:
    """Return whether the rule of a goal stands on an object, and so on several of its fields."""
    node = model.rules[goal.target.rule].rule.node if goal.target else None
    return node is not None and "properties" in model.fields[node].schema


def goals_of(model: Model) -> Mapping[str, tuple[Goal, ...]]:
    """Return the goals of each rule on the payload, none where nothing breaks it."""
    found: dict[str, list[Goal]] = {rule.id: [] for rule in model.operation.rules}
    for index, parsed in enumerate(model.rules):
        for part, code in enumerate(parsed.parts):
            goal = Goal(parsed.rule.id, f"{parsed.rule.id}: {cel_text(code)} fails", Conjunct(index, part))
            found[parsed.rule.id].append(goal)
        together = found[parsed.rule.id][0]._replace(more=1)
        found[parsed.rule.id].append(together._replace(says=f"{together.says} and another rule, too"))
    spare: list[Goal] = []
    for field in model.fields.values():
        for goal in _goals_of_field(model, field):
            found.get(goal.rule, spare).append(goal)
    for rule, goals in found.items():
        if not goals:
            others = [goal for several in found.values() for goal in several if rule in _breaks(goal)]
            goals += [goal._replace(rule=rule) for goal in others[:1]]
    return {rule: tuple(goals) for rule, goals in found.items()}


def _breaks(goal: Goal) -> frozenset[str]:
    return frozenset().union(*(choices[0].breaks for choices in goal.fixed.values()))


def _goals_of_field(model: Model, field: Field) -> Iterator[Goal]:
    name = readable(field.path)
    around = _present(model, field.node)
    for choice in field.faults:
        rule = min(choice.breaks, key=lambda one: (not one.endswith(".type"), one))
        yield Goal(rule, f"{name} {choice.says}", fixed={**around, field.node: (choice,)})
    for limit in field.limits:
        passing = tuple(
            choice._replace(breaks=frozenset([limit.rule]), number=-choice.number * 1000 - len(limit.rule))
            for choice in field.sound
            if isinstance(choice.value, OpenNumber | OwnText)
        )
        if passing:
            yield Goal(
                limit.rule, f"{name} is {_PAST[limit.keyword]}", limit=limit, fixed={**around, field.node: passing}
            )


def _present(model: Model, node: str) -> dict[str, tuple[Choice, ...]]:
    """Optional objects around a node have to be there."""
    found = {}
    for one in above(node)[:-1]:
        field = model.fields[one]
        if not field.required:
            found[one] = tuple(choice for choice in field.sound if isinstance(choice.value, Items))
    return found


def cel_text(code: ast.expr) -> str:
    """Return a parsed conjunct as the document would write it."""
    text = ast.unparse(code)
    for pattern, written in _WRITTEN:
        text = re.sub(pattern, written, text)
    return text


_WRITTEN: Final = (
    (r"'(\w+)' in (self(?:\['\w+'\])*)", r"has(\2.\1)"),
    (r"\['(\w+)'\]", r".\1"),
    (r"\bpresent\(", "has("),
    (r"\bnot ", "!"),
    (r"\band\b", "&&"),
    (r"\bor\b", "||"),
)
_PAST: Final[Mapping[str, str]] = {
    "minimum": "below its minimum",
    "exclusiveMinimum": "not above its exclusive minimum",
    "maximum": "above its maximum",
    "exclusiveMaximum": "not below its exclusive maximum",
    "minLength": "shorter than its minimum",
    "maxLength": "longer than its maximum",
}
