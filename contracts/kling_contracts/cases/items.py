"""The items of an array beside its first one: each makes choices and draws numbers of its own.

The nodes below an array are those of its first item, `face_choose[].sound_volume`. The other items are valid where they
can be, and their nodes, numbers and texts are named after their places: `face_choose[1].sound_volume`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts.cases.fields import Choice, Items, OpenNumber
from kling_contracts.cases.linear import Form, Inequality
from kling_contracts.cases.model import Assignment, Model
from kling_contracts.cases.shapes import Shape, Shapes
from kling_contracts.facts.provider import UNKNOWN
from kling_contracts.facts.ways import Amount, OwnText, Way
from kling_contracts.unknown import Unknown

_TRIES: Final = 3
"""Choices that are tried for the other items before they are copies of the first one."""
_APART: Final = 10**6
"""More than the number of any choice of a field."""
_PLACE: Final = re.compile(r"\[(\d+)\]")


class Item(NamedTuple):
    """One item of an array, not the first."""

    array: str
    place: int

    @property
    def node(self) -> str:
        """The node of the item itself."""
        return f"{self.array}[{self.place}]"

    def name(self, name: str) -> str:
        """Return the name that a node or number below the array has in this item; any other name stays."""
        below = f"{self.array}[]"
        return self.node + name[len(below) :] if name.startswith(below) else name

    def form(self, form: Form) -> Form:
        """Return an expression over this item's numbers."""
        return Form(tuple(sorted((self.name(name), factor) for name, factor in form.terms)), form.constant)

    def choice(self, choice: Choice) -> Choice:
        """Return a choice as this item makes it."""
        value: Any = choice.value
        if isinstance(value, OpenNumber):
            value = OpenNumber(self.form(value.form), value.scale)
        rows = tuple(Inequality(*self.form(Form(*row))) for row in choice.rows)
        return choice._replace(
            number=choice.number + self.place * _APART,
            node=self.name(choice.node),
            value=self._own(value),
            way=choice.way and self._way(choice.way),
            rows=rows,
        )

    def _way(self, way: Way) -> Way:
        entries = {
            fact: entry if isinstance(entry, Unknown) else {name: self._own(value) for name, value in entry.items()}
            for fact, entry in way.entries.items()
        }
        return Way(way.says, self._own(way.text), entries)

    def _own(self, value: Any) -> Any:
        if isinstance(value, OwnText):
            return value._replace(field=self.name(value.field))
        if isinstance(value, Amount):
            return Amount(self.name(value.name), self.name(value.minus))
        return value


def place_of(node: str) -> tuple[str, int]:
    """Return the node of the first item that corresponds to a node, and the place of its item: 0 for the first."""
    item = item_of(node)
    return (_PLACE.sub("[]", node), item.place) if item else (node, 0)


def item_of(node: str) -> Item | None:
    """Return the item that a node belongs to; None for a node of the first item or of no item."""
    found = _PLACE.search(node) if "[" in node else None
    return Item(node[: found.start()], int(found[1])) if found else None


def each_item(model: Model, assignment: Assignment) -> Iterator[tuple[int, Assignment]]:
    """Yield the rules by their indexes, each with the assignment that it is judged for: once for every item."""
    for index in range(len(model.rules)):
        yield index, assignment
    yield from _each_further_item(model, assignment)


def _each_further_item(model: Model, assignment: Assignment) -> Iterator[tuple[int, Assignment]]:
    nodes = [node for node in assignment if node.endswith("]") and not node.endswith("[]")]
    for item in filter(None, map(item_of, nodes)):
        view = seen_by(assignment, item)
        for index, parsed in enumerate(model.rules):
            if parsed.rule.node.startswith(f"{item.array}[]"):
                yield index, view


def seen_by(assignment: Assignment, item: Item) -> Assignment:
    """Return the assignment with one item in place of the first."""
    own = {place_of(node)[0]: choice for node, choice in assignment.items() if item_of(node) == item}
    return {**assignment, **own}


def alike(model: Model, one: Assignment, other: Assignment) -> bool:
    """Return whether the rules on further items leave the same inequalities in two assignments."""
    views = zip(_each_further_item(model, one), _each_further_item(model, other), strict=True)
    return all(model.verdicts(index, view) == model.verdicts(index, same) for (index, view), (_, same) in views)


class OtherItems:
    """Makes the choices of the items beside the first ones."""

    def __init__(self, model: Model, shapes: Shapes) -> None:
        self._model = model
        self._shapes = shapes

    def around(self, assignment: Assignment) -> Iterator[Mapping[str, Choice]]:
        """Yield the choices to try for them, at last none: they are then copies of the first."""
        items = [
            Item(node, place)
            for node, choice in assignment.items()
            if isinstance(choice.value, Items) and "[" not in node
            for place in range(1, choice.value.size)
        ]
        for turn in range(_TRIES if items else 0):
            made = [self._choices(item, assignment, turn) for item in items]
            if all(made):
                yield {node: choice for one in made for node, choice in one.items()}
        yield {}

    def _choices(self, item: Item, assignment: Assignment, turn: int) -> dict[str, Choice]:
        """Return the choices of one item; empty where a text would have to name two entries at once."""
        below = f"{item.array}[]"
        chosen = {node: choice for node, choice in self._model.usual.items() if node.startswith(below)}
        for place, shapes in enumerate(self._shapes.valid):
            if any(node.startswith(below) for node in self._shapes.components[place].nodes):
                found = _compatible(shapes, assignment, below)
                picked = found[(turn + item.place + sum(choice.number for choice in assignment.values())) % len(found)]
                chosen |= {choice.node: choice for choice in picked.choices if choice.node in chosen}
        if any(_names_an_entry(choice) and choice.number != assignment[node].number for node, choice in chosen.items()):
            return {}
        return {
            item.name(node): choice if _names_an_entry(choice) else item.choice(choice)
            for node, choice in chosen.items()
        }


def _compatible(shapes: Sequence[Shape], assignment: Assignment, below: str) -> list[Shape]:
    """Return the shapes that choose the same outside of the item, or else all."""
    same = [
        shape
        for shape in shapes
        if all(
            choice.node.startswith(below) or choice.number == assignment[choice.node].number for choice in shape.choices
        )
    ]
    return same or list(shapes)


def _names_an_entry(choice: Choice) -> bool:
    """Whether a text that rules name, or an entry by its other name, would be one and the same for two items."""
    if choice.way is None:
        return False
    if isinstance(choice.way.text, str):
        return any(entry is not UNKNOWN for entry in choice.way.entries.values())
    entries = [entry for entry in choice.way.entries.values() if isinstance(entry, Mapping)]
    return any(isinstance(value, OwnText) for entry in entries for value in entry.values())
