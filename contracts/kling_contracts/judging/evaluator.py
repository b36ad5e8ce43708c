"""Judging one payload: a walk over its schema's tree, in document order."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

from kling_contracts.errors import RuleError
from kling_contracts.facts.measuring import Measurement
from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import MAX_ITEMS, BrokenKeyword, Checker, Path, Place
from kling_contracts.judging.found_facts import found_facts
from kling_contracts.judging.partly_unknown import refused_among, with_unknowns
from kling_contracts.judging.remedy import Subject, remedy_of
from kling_contracts.judging.report import Note, Report, Unverified, Violation
from kling_contracts.judging.timeline import Timeline
from kling_contracts.rules.cel_compiler import Condition, Expression, Judge, all_hold
from kling_contracts.rules.rule import KEYWORDS, Advice, Compiler, Rule
from kling_contracts.unknown import UnknownFactError

MAX_NOTES: Final = 20
"""Unknown fields that one object is told about."""
SHOWN: Final = 60
"""Characters of a value that a report shows."""

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


class Node(NamedTuple):
    """One node of the schema, with the rules that sit on it."""

    rules: tuple[Rule, ...]
    children: Mapping[str, "Node"]
    items: "Node | None"
    required: frozenset[str]
    inner: tuple[tuple[str, "Node"], ...]
    """The children that hold rules or fields; the others need no visit."""
    deeper: tuple[tuple[str, "Node"], ...]
    """Those children that are objects or arrays themselves."""
    all_hold: Judge
    """Answers at once for the rules of an object and of its scalar fields."""
    advice: tuple[Advice, ...] = ()

    def all_rules(self) -> Iterator[Rule]:
        """Yield the rules of this node and of every node below it."""
        yield from self.rules
        for child in self.children.values():
            yield from child.all_rules()
        if self.items:
            yield from self.items.all_rules()


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
        grower = _SchemaCompiler(compiler)
        root = grower.node(schema, "", (), ())
        timeline = Timeline.compile(schema, compiler.facts)
        return cls(root, Checker(schema), grower.keywords, grower.orders, tuple(grower.rules), timeline)

    def report(self, payload: Any, measured: Measurement) -> Report:
        """Judge one payload by its measured facts."""
        faults = self.checker.broken(payload)
        walk = _Evaluation(measured, frozenset(fault.pointer for fault in faults) if faults else _ALL_SOUND)
        walk.visit(self.root, payload, "", measured.facts)
        violations = walk.violations
        if faults:
            violations += [self._violation(fault, payload) for fault in faults]
            violations.sort(key=self._order)
        facts = walk.facts if measured.arrays else [measured.facts]
        return Report(tuple(violations), tuple(walk.unverified), tuple(walk.notes), tuple(facts), self.timeline)

    def _violation(self, fault: BrokenKeyword, payload: Any) -> Violation:
        return Violation(self.keywords[fault.place], fault.pointer, fault.message, _shown_at(payload, fault.path))

    def _order(self, violation: Violation) -> Order:
        return _filled(self.orders[violation.rule.id], violation.pointer)


@lru_cache(maxsize=1024)
def _filled(order: Order, pointer: str) -> Order:
    """Put the indexes of a pointer where the order leaves them open."""
    indexes = iter([int(token) for token in pointer.split("/") if token.isdecimal()])
    return tuple([next(indexes, 0) if step is None else step for step in order])


class _SchemaCompiler:
    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler
        self.rules: list[Rule] = []
        self.keywords: dict[Place, Rule] = {}
        self.orders: dict[str, Order] = {}

    def node(self, schema: Schema, name: str, place: Place, order: Order) -> Node:
        """Document order: a node's keywords, then its rules, then its children in property order."""
        _refuse_unknown_keywords(schema, name)
        for keyword, missing, named in self.compiler.keyword_rules(schema, name):
            rule = self._with_own_id(named, name)
            self._add(rule, (*order, 0, len(self.rules)))
            self.keywords[(*place, keyword, missing) if missing else (*place, keyword)] = rule
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
        inner = tuple((n, child) for n, child in children.items() if child.rules or child.children or child.items)
        deeper = tuple((n, child) for n, child in inner if child.children or child.items)
        required, advice = frozenset(schema.get("required", ())), tuple(self.compiler.advice(schema))
        return Node(rules, children, items, required, inner, deeper, _fast(rules, inner), advice)

    def _with_own_id(self, rule: Rule, name: str) -> Rule:
        """Return a keyword's rule; where another field of the same name has its id, under the path of its field."""
        return replace(rule, id=f"{name.rpartition('.')[0]}.{rule.id}") if rule.id in self.orders else rule

    def _add(self, rule: Rule, order: Order) -> None:
        if rule.id in self.orders:
            raise RuleError(f"two rules have the id {rule.id!r}", rule.id)
        self.orders[rule.id] = order
        self.rules.append(rule)


def _fast(rules: tuple[Rule, ...], inner: tuple[tuple[str, Node], ...]) -> Judge:
    if not rules and not inner:
        return lambda value, facts: True
    scalars = {name: child.rules for name, child in inner if not (child.children or child.items)}
    return all_hold(_expressions(rules), {name: _expressions(below) for name, below in scalars.items()})


def _expressions(rules: tuple[Rule, ...]) -> list[Expression]:
    return [rule.expression for rule in rules if rule.expression]


def _refuse_unknown_keywords(schema: Schema, name: str) -> None:
    for keyword in schema:
        if keyword not in KEYWORDS and keyword not in _ANNOTATIONS and not keyword.startswith("x-"):
            from difflib import get_close_matches

            near = get_close_matches(keyword, (*KEYWORDS, *_ANNOTATIONS), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise RuleError(f"the schema keyword {keyword!r} at {name or 'the body'} cannot be made a rule{hint}")


_ALL_SOUND: Final[frozenset[str]] = frozenset()
_ITSELF: Final = frozenset([""])


class _Evaluation:
    """One payload's walk. `unsound` holds the pointers of fields that broke a keyword."""

    def __init__(self, measured: Measurement, unsound: frozenset[str]) -> None:
        self.measured = measured
        self.unsound = unsound
        self.violations: list[Violation] = []
        self.unverified: list[Unverified] = []
        self.notes: list[Note] = []
        self.facts: list[Any] = []

    def visit(self, node: Node, value: Any, path: str, facts: Any) -> None:
        if node.children:
            self._visit_object(node, value, path, facts)
        elif node.items:
            self._visit_array(node.items, value, path, facts)
        else:
            self._judge_all(node.rules, value, path, facts, _ITSELF if path in self.unsound else _ALL_SOUND)

    def _visit_object(self, node: Node, value: Any, path: str, facts: Any) -> None:
        if not isinstance(value, dict):
            self._give_up(node, path, "it is not an object")
            return
        fields = _with_integers(value) if float in map(type, value.values()) else value
        before = len(self.violations)
        if self._all_hold(node, fields, facts):
            inner = node.deeper
        else:
            inner = node.inner
            self._judge_all(node.rules, fields, path, facts, self._refused_below(path))
        for name, child in inner:
            if name in fields:
                self.visit(child, fields[name], f"{path}/{name}", facts)
            elif name in node.required:
                self._give_up(child, f"{path}/{name}", "the field is missing")
        if node.advice and not self.unsound and len(self.violations) == before:
            self._advise(node.advice, fields, path, facts)
        if not node.children.keys() >= value.keys():
            self.notes += _notes(value, node, path)

    def _advise(self, advice: tuple[Advice, ...], fields: Any, path: str, facts: Any) -> None:
        for one in advice:
            # An unknown is no reason for advice.
            with suppress(UnknownFactError):
                if one.when.holds(fields, facts):
                    self.notes.append(Note(f"{path}/{one.field}" if one.field else path, one.says))

    def _all_hold(self, node: Node, fields: Any, facts: Any) -> bool:
        if self.unsound:
            return False
        try:
            return bool(node.all_hold(fields, facts))
        except UnknownFactError:
            return False

    def _visit_array(self, node: Node, value: Any, path: str, facts: Any) -> None:
        if not isinstance(value, list | tuple) or not value:
            self._give_up(node, path, "there is no item")
            return
        array = path[1:]
        of_items = array in self.measured.arrays
        for index, item in enumerate(value[:MAX_ITEMS]):
            item_facts = self.measured.of_item(array, item) if of_items else facts
            if of_items:
                self.facts.append(item_facts)
            self.visit(node, item, f"{path}/{index}", item_facts)

    def _give_up(self, node: Node, path: str, because: str) -> None:
        self.unverified += [Unverified(rule, path, because) for rule in node.all_rules()]

    def _refused_below(self, path: str) -> frozenset[str]:
        if not self.unsound:
            return _ALL_SOUND
        return frozenset([pointer[len(path) :] for pointer in self.unsound if pointer.startswith(path)])

    def _judge_all(self, rules: tuple[Rule, ...], value: Any, path: str, facts: Any, refused: frozenset[str]) -> None:
        """`refused`: the fields that broke a keyword, as JSON Pointers from `value`."""
        partly: Any = None
        for rule in rules:
            expression = rule.expression
            assert expression is not None
            read = refused_among(refused, expression.fields) if refused else _ALL_SOUND
            if not read:
                self._judge(rule, expression, value, value, path, facts)
            elif not expression.absorbs:
                self.unverified.append(Unverified(rule, path, f"{path}{min(read)} is itself refused"))
            else:
                partly = with_unknowns(value, refused, path) if partly is None else partly
                self._judge(rule, expression, value, partly, path, facts)

    def _judge(self, rule: Rule, expression: Expression, given: Any, judged: Any, path: str, facts: Any) -> None:
        """`judged`: the value that was given, with what broke a keyword unknown."""
        try:
            if not expression.holds(judged, facts):
                self.violations.append(_violation(rule, expression, given, judged, path, facts))
        except UnknownFactError as unknown:
            self.unverified.append(Unverified(rule, path, str(unknown)))


def _first_failed(expression: Expression, value: Any, facts: Any) -> Condition:
    for condition in expression.conditions:
        with suppress(UnknownFactError):
            if not condition.holds(value, facts):
                return condition
    raise AssertionError("a rule is broken only where one of its conditions is")


def _violation(rule: Rule, expression: Expression, given: Any, judged: Any, path: str, facts: Any) -> Violation:
    name = _blamed(rule, given)
    failed = _first_failed(expression, judged, facts)
    number = given.get(name) if name else given
    remedy = remedy_of(expression, failed, Subject(judged, name, facts), number)
    shown = shown_value(number) if not name or name in given else ""
    because = found_facts(failed.reads, facts)
    return Violation(rule, f"{path}/{name}" if name else path, rule.sentence(failed, number), shown, remedy, because)


def _blamed(rule: Rule, value: Any) -> str:
    given = (name for name in rule.blame if value.get(name) not in (None, ""))
    return next(given, rule.blame[0] if rule.blame else "")


def _with_integers(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: int(v) if type(v) is float and v.is_integer() else v for name, v in value.items()}


def _notes(value: Mapping[str, Any], node: Node, path: str) -> list[Note]:
    from difflib import get_close_matches

    notes = []
    for name in [name for name in value if name not in node.children][:MAX_NOTES]:
        near = get_close_matches(name[:SHOWN], node.children, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        where = path + pointer((name[:SHOWN],))
        notes.append(Note(where, f"{encode_basestring(name[:SHOWN])} is not a documented field{hint}"))
    return notes


def shown_value(value: Any) -> str:
    """Return a value as JSON, cut short: a refused `sound_file` may be megabytes long."""
    if isinstance(value, str):
        shown = encode_basestring(value[:SHOWN])
        return shown if len(value) <= SHOWN else f'{shown[:-1]}…" ({len(value)} characters)'
    if isinstance(value, dict | list | tuple) and value:
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)}"
    try:
        text = str(value) if type(value) is int else _encode(value)
    except ValueError:
        return "a number of very many digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


def _shown_at(payload: Any, path: Path) -> str:
    value = payload
    try:
        for token in path:
            value = value[token]
    except (LookupError, TypeError):
        return ""
    return shown_value(value)
