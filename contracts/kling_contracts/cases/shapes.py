"""Shapes: choices of everything finite under which every rule can hold, or as few as possible fall.

Nodes that one rule reads together form a component; components are enumerated on their own, a rule being looked at as
soon as all it reads is chosen. Shapes that leave the same inequalities are one group.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts.cases.fields import LEFT_OUT, Choice, Items, OpenNumber
from kling_contracts.cases.formulas import NEVER, Verdict
from kling_contracts.cases.model import Assignment, Model

MAX_BROKEN: Final = 4
"""Other rules that may fall together with the one that is meant, before nothing is found."""


class Conjunct(NamedTuple):
    """One conjunct of a rule, both by their indexes."""

    rule: int
    part: int


class Shape(NamedTuple):
    """A choice for each node of one component."""

    choices: tuple[Choice, ...]
    group: int
    """Shapes of one group leave the same inequalities."""


def grouped(shapes: Sequence[Shape]) -> list[list[Shape]]:
    """Return the shapes of each group."""
    groups: dict[int, list[Shape]] = {}
    for shape in shapes:
        groups.setdefault(shape.group, []).append(shape)
    return list(groups.values())


class Component(NamedTuple):
    """Nodes with several choices that are tied by rules, and the rules that read them."""

    nodes: tuple[str, ...]
    rules: tuple[int, ...]


class Shapes:
    """Finds the shapes of one operation."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.components = tuple(_components(model))
        self.of_node = {node: place for place, one in enumerate(self.components) for node in one.nodes}
        self._groups: dict[object, int] = {}
        self.valid = [self._shapes_of(component, {}, None, model.usual, valid=True) for component in self.components]
        """By component, the shapes of a valid payload."""

    def of(
        self, place: int, fixed: Mapping[str, Sequence[Choice]], target: Conjunct | None, more: int = 0
    ) -> Sequence[Shape]:
        """Return the shapes of a component for what is fixed and meant to fall, with `more` rules than need be."""
        base = {**self._model.usual, **{node: choices[0] for node, choices in fixed.items()}}
        component = self.components[place]
        return self._shapes_of(component, fixed, target, base, valid=False, more=more)

    def regrouped(self, place: int, base: Assignment) -> Sequence[Shape]:
        """Return the valid shapes of a component, grouped anew for a base that is not the usual one."""
        component = self.components[place]
        return [shape._replace(group=self._group(component, shape.choices, base)) for shape in self.valid[place]]

    def touches(self, place: int, nodes: Iterable[str]) -> bool:
        """Return whether a rule of a component reads one of these nodes."""
        wanted = set(nodes)
        return any(not wanted.isdisjoint(self._model.rules[index].nodes) for index in self.components[place].rules)

    def _shapes_of(
        self,
        component: Component,
        fixed: Mapping[str, Sequence[Choice]],
        target: Conjunct | None,
        base: Assignment,
        valid: bool,
        more: int = 0,
    ) -> Sequence[Shape]:
        options = [fixed.get(node) or self._model.fields[node].sound for node in component.nodes]
        tries = [(0, True), (0, False)] if valid else [(k, s) for k in range(MAX_BROKEN + 1) for s in (True, False)]
        least: int | None = None
        for broken, strict in tries:
            # Together with another rule the rest may well be unknown: of two sources nobody knows which one counts.
            if least is not None and (broken < least + more or strict):
                continue
            search = _Search(self._model, component, options, target, dict(base), frozenset(fixed), broken, strict)
            found = list(search.run())
            if found and least is None and more:
                least = broken
            elif found:
                found.sort(key=_given)
                if more:
                    # Each of two given things is to be good by itself: a server that overlooks one accepts the other.
                    found.sort(key=lambda choices: self._hidden(component, choices, base))
                return [Shape(choices, self._group(component, choices, base)) for choices in found]
        return []

    def _hidden(self, component: Component, choices: tuple[Choice, ...], base: Assignment) -> int:
        """Return how many rules fall once one thing that is given is left out, summed over all such things."""
        counts = 0
        for place, choice in enumerate(choices):
            left_out = next((one for one in self._model.fields[choice.node].sound if one.value is LEFT_OUT), None)
            if left_out is not None and choice.value is not LEFT_OUT:
                lesser = (*choices[:place], left_out, *choices[place + 1 :])
                assignment = {**base, **{one.node: one for one in lesser}}
                counts += sum(falls(self._model.whole(index, assignment)) for index in component.rules)
        return counts

    def _group(self, component: Component, choices: tuple[Choice, ...], base: Assignment) -> int:
        assignment = {**base, **{choice.node: choice for choice in choices}}
        verdicts = tuple(self._model.verdicts(index, assignment) for index in component.rules)
        faults = tuple((choice.node, choice.breaks) for choice in choices if choice.breaks)
        rows = tuple((choice.rows, choice.value if _is_open(choice.value) else None) for choice in choices)
        return self._groups.setdefault((component.nodes, verdicts, rows, faults), len(self._groups))


class _Search:
    """Enumerates the choices of one component depth first."""

    def __init__(
        self,
        model: Model,
        component: Component,
        options: Sequence[Sequence[Choice]],
        target: Conjunct | None,
        assignment: dict[str, Choice],
        fixed: frozenset[str],
        allowed: int,
        strict: bool,
    ) -> None:
        self._model = model
        self._nodes = component.nodes
        self._options = options
        self._target = target
        self._assignment = assignment
        self._fixed = fixed
        self._allowed = allowed
        self._strict = strict
        self._due: list[list[int]] = [[] for _ in component.nodes]
        for index in component.rules:
            last = max(place for place, node in enumerate(component.nodes) if node in model.rules[index].nodes)
            self._due[last].append(index)

    def run(self) -> Iterator[tuple[Choice, ...]]:
        return self._from(0, ())

    def _from(self, place: int, chosen: tuple[Choice, ...], broken: int = 0) -> Iterator[tuple[Choice, ...]]:
        if place == len(self._nodes):
            if broken == self._allowed:
                yield chosen
            return
        for choice in self._options[place]:
            self._assignment[self._nodes[place]] = choice
            now = broken
            for index in self._due[place]:
                now += self._cost(index)
                if now > self._allowed:
                    break
            else:
                yield from self._from(place + 1, (*chosen, choice), now)

    def _cost(self, index: int) -> int:
        """Return how many rules more fall, or more than is allowed where the choice will not do."""
        refused = self._allowed + 1
        if self._target and index == self._target.rule:
            part = self._model.verdicts(index, self._assignment)[self._target.part]
            return refused if part.false == NEVER else 0
        whole = self._model.whole(index, self._assignment)
        if falls(whole):
            return 1
        unknown = whole.true == NEVER
        return refused if self._strict and unknown and self._fixed.isdisjoint(self._model.rules[index].nodes) else 0


def _is_open(value: Any) -> bool:
    """Whether a value brings numbers of its own: itself, or those of several items."""
    return isinstance(value, OpenNumber) or (isinstance(value, Items) and value.size > 1)


def _given(choices: tuple[Choice, ...]) -> int:
    """Count what stands in the payload: the less, the simpler."""
    return sum(choice.value is not LEFT_OUT for choice in choices)


def falls(verdict: Verdict) -> bool:
    """Return whether a rule is broken whatever the numbers are."""
    return () in verdict.false


def _components(model: Model) -> Iterator[Component]:
    several = [node for node, field in model.fields.items() if len(field.sound) > 1]
    # How many items an array has decides no rule.
    groups: dict[str, list[str]] = {node: [node] for node in several if not _is_always_there(model, node)}
    for rule in model.rules:
        tied = [node for node in rule.nodes if node in groups]
        for node in tied[1:]:
            if groups[node] is not groups[tied[0]]:
                joined = groups[tied[0]] + groups[node]
                for member in joined:
                    groups[member] = joined
    done: set[str] = set()
    for node in several:
        if node not in groups:
            yield Component((node,), ())
        elif node not in done:
            done.update(groups[node])
            nodes = tuple(one for one in several if one in groups[node])
            rules = tuple(i for i, rule in enumerate(model.rules) if not set(rule.nodes).isdisjoint(nodes))
            yield Component(nodes, rules)


def _is_always_there(model: Model, node: str) -> bool:
    return all(isinstance(choice.value, Items) for choice in model.fields[node].sound)
