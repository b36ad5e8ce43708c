"""The model of one operation: its fields and rules, and how each rule turns out for a choice of everything finite."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from kling_contracts.cases.fields import LEFT_OUT, Choice, Field, FieldReader, Items, OpenNumber, Texts, form_of
from kling_contracts.cases.formulas import (
    FALSE,
    NOT_KNOWN,
    TRUE,
    Verdict,
    all_of,
    conjuncts,
    verdict,
)
from kling_contracts.cases.keywords import Schema
from kling_contracts.cases.linear import Form
from kling_contracts.cases.shown_members import names_shown
from kling_contracts.contract import Contract
from kling_contracts.errors import RuleError
from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.making import FactMaker
from kling_contracts.facts.provider import NO_SUCH_ID, UNKNOWN
from kling_contracts.facts.ways import Amount, OwnText, Way
from kling_contracts.judging.operation import Operation
from kling_contracts.judging.reading import NULL_IS_ABSENT
from kling_contracts.rules.rule import Rule
from kling_contracts.unknown import Unknown

Assignment = Mapping[str, Choice]
"""A choice for every node."""
OTHER_TEXT: Final = "another"


class ParsedRule(NamedTuple):
    """A rule of the profile, split at its top level."""

    rule: Rule
    parts: tuple[ast.expr, ...]
    nodes: tuple[str, ...]
    """The nodes that its verdict hangs on: what it reads, its own, and those around it."""


class Model:
    """The fields, facts and rules of one operation."""

    def __init__(self, contract: Contract, operation: Operation) -> None:
        self.contract = contract
        self.operation = operation
        self.schema = payload_schema(contract, operation)
        parsed = [rule for rule in operation.rules if rule.expression]
        literals, reads = _Literals(self.schema, parsed), _reads(parsed)
        declared = operation.facts.declared if operation.facts else ()
        sizes = [f"facts.{fact.name}.size_bytes" for fact in declared]
        largest = max(filter(None, map(operation.limit_on, sizes)), default=None)
        self.facts = FactMaker(declared, reads, literals.of_facts, largest)
        self._by_keyword = {
            (rule.node, rule.keyword, rule.value if rule.keyword == "required" else None): rule.id
            for rule in operation.rules
            if rule.keyword
        }
        ways = {node: _ways(self.facts, node) for node in self.facts.fields()}
        places = None if operation.media_types else {name: one.place for name, one in operation.parameters.items()}
        drops_null = bool(contract.document.get(NULL_IS_ABSENT))
        reader = FieldReader(Texts(literals.of_fields, ways, self.facts.plain, self._keyword_rule, places, drops_null))
        reader.read(self.schema)
        self.fields: Mapping[str, Field] = reader.fields
        self.literals = frozenset(["", *(text for some in literals.of_fields.values() for text in some)])
        self.names_shown = names_shown(contract, operation)
        self.fact_texts = frozenset(text for some in literals.of_facts.values() for text in some)
        """The texts that rules compare facts with, and the one that stands for any other."""
        self.world_numbers = tuple(dict.fromkeys(_world_numbers(declared)))
        self.huge = {node: reader.huge(node, self.facts.huge(node)) for node in self.facts.fields()}
        """By node, files that are too large for a row: what only the catalogue for servers has."""
        self.rules = tuple(self._parsed(rule) for rule in parsed)
        self._verdicts: dict[tuple[int, ...], tuple[tuple[Verdict, ...], Verdict]] = {}
        self._distinct: dict[tuple[tuple[Verdict, ...], Verdict], tuple[tuple[Verdict, ...], Verdict]] = {}

    def _keyword_rule(self, node: str, keyword: str, missing: str | None) -> str:
        return self._by_keyword.get((node, keyword, missing), f"{node}.{keyword}")

    def _parsed(self, rule: Rule) -> ParsedRule:
        assert rule.expression is not None
        nodes: dict[str, None] = {}
        for name in sorted(rule.expression.reads):
            root, _, rest = name.partition(".")
            if root == "self":
                nodes |= dict.fromkeys(_below(rule.node, rest))
            else:
                fact = rest.partition(".")[0]
                nodes |= dict.fromkeys(sorted(self.facts.fields_behind(fact)))
        nodes |= dict.fromkeys(above(rule.node))
        for node in list(nodes):
            nodes |= dict.fromkeys(above(node))
        return ParsedRule(rule, tuple(conjuncts(rule.expression.code())), tuple(n for n in nodes if n in self.fields))

    def verdicts(self, index: int, assignment: Assignment) -> tuple[Verdict, ...]:
        """Return the verdict of each conjunct of a rule, by its index."""
        return self._judged(index, assignment)[0]

    def whole(self, index: int, assignment: Assignment) -> Verdict:
        """Return the verdict of a whole rule."""
        return self._judged(index, assignment)[1]

    def _judged(self, index: int, assignment: Assignment) -> tuple[tuple[Verdict, ...], Verdict]:
        parsed = self.rules[index]
        key = (index, *[assignment[node].number for node in parsed.nodes])
        found = self._verdicts.get(key)
        if found is None:
            parts = self._parts(parsed, assignment)
            made = parts, all_of(list(parts))
            # Few of thousands differ, and whatever is kept slows the collector down.
            found = self._verdicts[key] = self._distinct.setdefault(made, made)
        return found

    def _parts(self, parsed: ParsedRule, assignment: Assignment) -> tuple[Verdict, ...]:
        standing = _standing(self.fields, assignment, parsed.rule.node)
        if standing is not None:
            return tuple(standing for _ in parsed.parts)
        scope = _Scope(self, parsed.rule.node, assignment)
        try:
            return tuple(verdict(part, scope) for part in parsed.parts)
        except RuleError as error:
            raise RuleError(f"{parsed.rule.id}: {error}") from None

    @cached_property
    def usual(self) -> Assignment:
        """The first sound choice of every node."""
        return {node: field.sound[0] for node, field in self.fields.items()}


class _Scope:
    def __init__(self, model: Model, node: str, assignment: Assignment) -> None:
        self._model = model
        self._node = node
        self._assignment = assignment

    def read(self, root: str, members: tuple[str, ...]) -> Any:
        if root == "self":
            return self._of_field(members)
        name, *member = members
        if not member:
            return UNKNOWN
        value = self._model.facts.member(name, member[0], self._ways) if self._reaches(name) else UNKNOWN
        if isinstance(value, Amount):
            return form_of(value)
        return Form((), value) if type(value) is int else value

    def has(self, root: str, members: tuple[str, ...]) -> Verdict:
        if root == "self":
            value = self._choice(members)
            if value is None or not value.sound:
                return NOT_KNOWN
            return FALSE if value.value is LEFT_OUT else TRUE
        if not self._reaches(members[0]):
            return NOT_KNOWN
        entry: Any = self._model.facts.entry(members[0], self._ways)
        if len(members) > 1 and not isinstance(entry, Unknown):
            entry = self._model.facts.member(members[0], members[1], self._ways)
        return NOT_KNOWN if entry is UNKNOWN else FALSE if entry is NO_SUCH_ID else TRUE

    def _choice(self, members: tuple[str, ...]) -> Choice | None:
        node = self._node
        for member in members:
            holder = self._assignment[node]
            if not isinstance(holder.value, Items):
                return None
            node = f"{node}.{member}".lstrip(".")
        return self._assignment[node]

    def _of_field(self, members: tuple[str, ...]) -> Any:
        choice = self._choice(members)
        if choice is None or not choice.sound or choice.value is LEFT_OUT:
            return UNKNOWN
        value = choice.value
        if isinstance(value, OpenNumber):
            return value.form if value.scale == 1 else UNKNOWN
        if type(value) is int:
            return Form((), value)
        return value if isinstance(value, str | bool | OwnText) else UNKNOWN

    def _reaches(self, fact: str) -> bool:
        """Facts of an item are known to the rules of that item alone."""
        return "[]" in self._node or not self._model.facts.declared[fact].array

    @cached_property
    def _ways(self) -> Mapping[str, Way | None]:
        return {
            node: choice.way
            for node in self._model.facts.fields()
            if (choice := self._assignment[node]).value is not LEFT_OUT
        }


def _standing(fields: Mapping[str, Field], assignment: Assignment, node: str) -> Verdict | None:
    """Return the verdict of every rule on a node that nobody gets to; None where the rules are judged."""
    for one in above(node):
        choice = assignment[one]
        if choice.value is LEFT_OUT:
            return NOT_KNOWN if fields[one].required else TRUE
        is_reached = isinstance(choice.value, Items) and choice.value.size != 0
        if not is_reached and (one != node or fields[one].is_container):
            return NOT_KNOWN
    return None


def above(node: str) -> list[str]:
    """Return a node and those around it, outermost first."""
    found = [""]
    for part in filter(None, node.split(".")):
        name = f"{found[-1]}.{part.removesuffix('[]')}".lstrip(".")
        found.append(name)
        if part.endswith("[]"):
            found.append(f"{name}[]")
    return found


def _below(node: str, members: str) -> list[str]:
    return above(".".join(filter(None, [node, members])))


def _world_numbers(declared: Iterable[Fact]) -> Iterator[str]:
    for fact in declared:
        for member in fact.members:
            if member.origin.of_world:
                yield member.origin.of_world


def _ways(facts: FactMaker, node: str) -> Any:
    return lambda texts: facts.ways(node, texts)


def _reads(rules: Iterable[Rule]) -> frozenset[str]:
    return frozenset().union(*(rule.expression.reads for rule in rules if rule.expression))


def payload_schema(contract: Contract, operation: Operation) -> Schema:
    """Return the schema of an operation's payload; parameters are the members of an object."""
    body = contract.document["paths"][operation.paths[0]][operation.method.lower()]
    if operation.media_types:
        schema: Schema = body["requestBody"]["content"][operation.media_types[0]]["schema"]
        return schema
    parameters = {one["name"]: one for one in body.get("parameters", ())}
    required = [name for name, one in parameters.items() if one.get("required") and one["in"] != "path"]
    return {
        "type": "object",
        "properties": {name: one["schema"] for name, one in parameters.items()},
        **({"required": required} if required else {}),
    }


class _Literals:
    """The texts that rules compare something with, shared by all that are compared with each other."""

    def __init__(self, schema: Schema, rules: Sequence[Rule]) -> None:
        self._classes: dict[str, set[str]] = {}
        self._texts: dict[str, list[str]] = {}
        for rule in rules:
            assert rule.expression is not None
            for comparison in ast.walk(rule.expression.code()):
                if isinstance(comparison, ast.Compare) and isinstance(comparison.ops[0], ast.Eq | ast.NotEq):
                    self._compared(rule.node, comparison.left, comparison.comparators[0])
        for node, values in _enums(schema):
            if node in self._classes:
                self._texts[node] = [*self._texts.get(node, ()), *values]
        self.of_fields: Mapping[str, tuple[str, ...]] = {}
        self.of_facts: Mapping[str, tuple[str, ...]] = {}
        for name in self._classes:
            texts = self._of(name)
            if name.startswith("facts."):
                self.of_facts = {**self.of_facts, name: (*texts, OTHER_TEXT)}
            else:
                self.of_fields = {**self.of_fields, name: tuple(texts)}

    def _of(self, name: str) -> list[str]:
        members = self._classes[name]
        texts = [text for one in sorted(members) for text in self._texts.get(one, ())]
        shared = ["shared"] if len(members) > 1 and not any(texts) else []
        return list(dict.fromkeys((*texts, *shared)))

    def _compared(self, node: str, left: ast.expr, right: ast.expr) -> None:
        names = [name for side in (left, right) if (name := _name_of(node, side)) is not None]
        texts = [side.value for side in (left, right) if isinstance(side, ast.Constant) and isinstance(side.value, str)]
        joined = set(names).union(*(self._classes.get(name, ()) for name in names))
        for name in joined:
            self._classes[name] = joined
        for name in names:
            self._texts[name] = [*self._texts.get(name, ()), *texts]


def _name_of(node: str, code: ast.expr) -> str | None:
    members: list[str] = []
    while isinstance(code, ast.Attribute | ast.Subscript):
        members.append(code.attr if isinstance(code, ast.Attribute) else getattr(code.slice, "value", ""))
        code = code.value
    if not isinstance(code, ast.Name):
        return None
    dotted = ".".join(reversed(members))
    return f"facts.{dotted}" if code.id == "facts" else ".".join(filter(None, [node, dotted]))


def _enums(schema: Schema, node: str = "") -> Iterable[tuple[str, list[str]]]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    yield node, [value for value in values if isinstance(value, str)]
    for name, body in schema.get("properties", {}).items():
        yield from _enums(body, f"{node}.{name}".lstrip("."))
    if "items" in schema:
        yield from _enums(schema["items"], f"{node}[]")
