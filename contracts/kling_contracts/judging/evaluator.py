"""Judging one payload: a walk over its schema's tree, in document order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kling_contracts.facts.measuring import Measurement
from kling_contracts.jsonio.keywords import MAX_ITEMS
from kling_contracts.judging.explaining import Given, advice_note, notes_on, violation_of
from kling_contracts.judging.object_rules import BROKEN, FailingRule, Found, ObjectRules
from kling_contracts.judging.report import Note, Unverified, Violation
from kling_contracts.rules.rule import Rule


class Node(NamedTuple):
    """One node of the schema, with the rules that sit on it."""

    rules: tuple[Rule, ...]
    children: Mapping[str, "Node"]
    items: "Node | None"
    required: frozenset[str]
    own: ObjectRules
    """The rules of this node and of its scalar children."""
    deeper: tuple[tuple[int, str, "Node"], ...]
    """The other children with rules or fields, each with its place among the properties, from 1, and its name."""

    def all_rules(self) -> Iterator[Rule]:
        """Yield the rules of this node and of every node below it."""
        yield from self.rules
        for child in self.children.values():
            yield from child.all_rules()
        if self.items:
            yield from self.items.all_rules()


class Evaluation:
    """One payload's walk."""

    def __init__(self, measured: Measurement, unsound: frozenset[str], only_violations: bool) -> None:
        """`unsound`: the pointers of fields that broke a keyword. `only_violations`: whether nothing else is
        wanted."""
        self._measured = measured
        self._unsound = unsound
        self._only_violations = only_violations
        self.violations: list[Violation] = []
        self.unverified: list[Unverified] = []
        self.notes: list[Note] = []

    def explain(self, found: list[Found]) -> None:
        """Take what is found in a payload without a walk."""
        for broken, unsure, due, value, path, facts, refused in found:
            given = Given(value, path, refused)
            self._explain([*broken, *unsure], given, facts)
            self.notes += [advice_note(one, path) for one in due]

    def visit(self, node: Node, value: Any, path: str, facts: Any) -> None:
        """Judge a value, and what is within it, by the facts."""
        if node.children:
            self._visit_object(node, value, path, facts)
        elif node.items:
            self._visit_array(node.items, value, path, facts)
        else:
            refused = refused_below(path, self._unsound)
            self._explain(node.own.failing(value, facts, refused), Given(value, path, refused), facts)

    def _visit_object(self, node: Node, value: Any, path: str, facts: Any) -> None:
        if not isinstance(value, dict):
            self._give_up(node, path, "it is not an object")
            return
        fields = with_integers(value)
        refused = refused_below(path, self._unsound)
        found = node.own.failing(fields, facts, refused)
        given = Given(fields, path, refused)
        before, behind = len(self.violations), 0
        for place, name, child in node.deeper:
            self._explain([one for one in found if behind <= one.seat.place < place], given, facts)
            self._visit_child(child, name, name in node.required, given, facts)
            behind = place
        self._explain([one for one in found if one.seat.place >= behind] if behind else found, given, facts)
        if not self._only_violations:
            if not self._unsound and len(self.violations) == before:
                self.notes += [advice_note(one, path) for one in node.own.due(fields, facts)]
            if not node.children.keys() >= value.keys():
                self.notes += notes_on(value, node.children, path)

    def _visit_child(self, child: Node, name: str, required: bool, given: Given, facts: Any) -> None:
        path = f"{given.path}/{name}"
        if name in given.value:
            self.visit(child, given.value[name], path, facts)
        elif required:
            self._give_up(child, path, "the field is missing")

    def _visit_array(self, node: Node, value: Any, path: str, facts: Any) -> None:
        if not isinstance(value, list | tuple) or not value:
            self._give_up(node, path, "there is no item")
            return
        array = path[1:]
        of_items = array in self._measured.arrays
        for index, item in enumerate(value[:MAX_ITEMS]):
            item_facts = self._measured.of_next_item(array, index, item) if of_items else facts
            self.visit(node, item, f"{path}/{index}", item_facts)

    def _give_up(self, node: Node, path: str, because: str) -> None:
        self.unverified += [Unverified(rule, path, because) for rule in node.all_rules()]

    def _explain(self, found: Sequence[FailingRule], of: Given, facts: Any) -> None:
        for failing in found:
            field = failing.seat.field
            if failing.outcome is BROKEN:
                self.violations.append(violation_of(failing, of.field(field) if field else of, facts))
            elif not self._only_violations:
                path = f"{of.path}/{field}" if field else of.path
                self.unverified.append(Unverified(failing.rule, path, of.reason(failing, facts)))


def refused_below(path: str, unsound: frozenset[str]) -> frozenset[str]:
    """Return the fields that broke a keyword, `unsound`, as JSON Pointers from the value at a path."""
    if not unsound or not path:
        return unsound
    within = f"{path}/"
    return frozenset([one[len(path) :] for one in unsound if one == path or one.startswith(within)])


def with_integers(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object with each whole number that is written as a float as an integer: `1.0` is one."""
    if float not in map(type, value.values()):
        return value
    return {name: int(v) if type(v) is float and v.is_integer() else v for name, v in value.items()}
