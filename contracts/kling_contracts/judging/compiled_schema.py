"""The compiled schema of one operation's payload: its keywords and its rules, in document order."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.errors import RuleError
from kling_contracts.jsonio.keywords import Checker, Place
from kling_contracts.judging.evaluator import Node
from kling_contracts.judging.object_rules import ObjectRules, Seat
from kling_contracts.judging.timeline import Timeline
from kling_contracts.rules.rule import KEYWORDS, Compiler, Rule

_ANNOTATIONS: Final = {
    "$defs",
    "properties",
    "items",
    "description",
    "title",
    "default",
    "example",
    "examples",
    "deprecated",
}

Schema = Mapping[str, Any]
Order = tuple[int | None, ...]
"""Place of a rule in document order; None stands for the index of an array's item."""


class CompiledSchema(NamedTuple):
    """The rules of one operation's payload, compiled."""

    root: Node
    checker: Checker
    keywords: Mapping[Place, Rule]
    orders: Mapping[str, Order]
    rules: tuple[Rule, ...]
    """Every rule in document order."""
    timeline: Timeline

    @classmethod
    def compile(cls, schema: Schema, compiler: Compiler) -> "CompiledSchema":
        """Compile the payload's schema. Raises `RuleError` where a rule is wrong or an id stands twice."""
        compiled = _SchemaCompiler(compiler)
        root = compiled.node(schema, "", (), ())
        timeline = Timeline.compile(schema, compiler.facts)
        return cls(root, Checker(schema), compiled.keywords, compiled.orders, tuple(compiled.rules), timeline)


class _SchemaCompiler:
    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler
        self.rules: list[Rule] = []
        self.keywords: dict[Place, Rule] = {}
        self.orders: dict[str, Order] = {}

    def node(self, schema: Schema, name: str, place: Place, order: Order) -> Node:
        """Document order: a node's keywords, then its rules, then its children in property order."""
        _refuse_unknown_keywords(schema, name)
        self._add_keywords(schema, name, place, order)
        rules = tuple(self.compiler.cel_rules(schema, name))
        for rule in rules:
            self._add(rule, (*order, 1, len(self.rules)))
        children = {
            child: self.node(body, f"{name}.{child}".lstrip("."), (*place, "properties", child), (*order, 2, index))
            for index, (child, body) in enumerate(schema.get("properties", {}).items())
        }
        items = None
        if "items" in schema:
            items = self.node(schema["items"], f"{name}[]", (*place, "items"), (*order, 2, None))
        required, advice = frozenset(schema.get("required", ())), tuple(self.compiler.advice(schema))
        seats, deeper = [Seat(rules)], []
        for number, (child, below) in enumerate(children.items(), 1):
            if below.children or below.items:
                deeper.append((number, child, below))
            else:
                seats.append(Seat(below.rules, child, number, child in required))
        return Node(rules, children, items, required, ObjectRules(tuple(seats), advice), tuple(deeper))

    def _add_keywords(self, schema: Schema, name: str, place: Place, order: Order) -> None:
        for keyword, missing, named in self.compiler.keyword_rules(schema, name):
            rule = self._with_own_id(named, name)
            self._add(rule, (*order, 0, len(self.rules)))
            self.keywords[(*place, keyword, missing) if missing else (*place, keyword)] = rule

    def _with_own_id(self, rule: Rule, name: str) -> Rule:
        """Return a keyword's rule; where another field of the same name has its id, under the path of its field."""
        return rule._replace(id=f"{name.rpartition('.')[0]}.{rule.id}") if rule.id in self.orders else rule

    def _add(self, rule: Rule, order: Order) -> None:
        if rule.id in self.orders:
            raise RuleError(f"two rules have the id {rule.id!r}", rule.id)
        self.orders[rule.id] = order
        self.rules.append(rule)


def _refuse_unknown_keywords(schema: Schema, name: str) -> None:
    for keyword in schema:
        if keyword not in KEYWORDS and keyword not in _ANNOTATIONS and not keyword.startswith("x-"):
            from difflib import get_close_matches

            near = get_close_matches(keyword, (*KEYWORDS, *_ANNOTATIONS), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise RuleError(f"the schema keyword {keyword!r} at {name or 'the body'} cannot be made a rule{hint}")
