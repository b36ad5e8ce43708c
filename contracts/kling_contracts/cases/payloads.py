"""Payloads: what stands in every field as JSON, with `%s` in place of what is drawn."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from kling_contracts.cases.drawing import Values
from kling_contracts.cases.fields import LEFT_OUT, Choice, Field, Items, OpenNumber
from kling_contracts.cases.items import place_of
from kling_contracts.cases.linear import Form
from kling_contracts.cases.model import Assignment
from kling_contracts.cases.texts import Write, fixed, key_of
from kling_contracts.cases.variants import Variant
from kling_contracts.facts.ways import OwnText

SUBSTITUTE: Final = "=substitute"
"""The name of what stands in place of a right value."""
_BESIDE: Final = "=beside"
_encode: Final = json.JSONEncoder().encode


class Substitute(NamedTuple):
    """One field of a payload that looks right and is not."""

    node: str
    choice: Choice | None
    """The choice that it counts as, where that is another than the right one's."""
    spell: Callable[[Any], str | None] | None = None
    """Takes the right value, and returns as JSON what stands there; None: the right value itself."""
    name: str = ""
    """The name that the field is given in place of its own."""
    is_elsewhere: bool = False
    """Whether what stands there is right for another account alone."""
    is_alone: bool = False
    """Whether the world holds no neighbours of what is right."""
    is_bare: bool = False
    """Whether the first item of an array stands in its place."""
    beside: str = ""
    """The name of a member, or of a parameter, that holds the right value beside the field."""
    right: Callable[[str], str] | None = None
    """How the right value is written, in the world, too; None: as usual."""


class Members(dict[str, Mapping[str, str]]):
    """By the node of an object, the nodes of its members by name; found when they are asked for."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = fields

    def __missing__(self, node: str) -> Mapping[str, str]:
        names = self._fields[place_of(node)[0]].schema.get("properties", {})
        self[node] = {name: f"{node}.{name}".lstrip(".") for name in names}
        return self[node]


class PayloadWriter:
    """Writes one payload."""

    def __init__(
        self, members: Members, assignment: Assignment, variant: Variant, substitute: Substitute | None
    ) -> None:
        self._members = members
        self._assignment = assignment
        self._variant = variant
        self._substitute = substitute
        self.names: list[str] = []
        """The names of what is drawn, in their order."""
        self.fill: dict[str, Write] = {}
        """By name, what writes the numbers that stand there otherwise than they are drawn."""

    def json(self, node: str = "") -> str:
        """Return what stands in a node."""
        substitute = self._substitute
        if substitute and node == _BESIDE:
            return f'"{self._place(key_of(self._assignment[substitute.node].value))}"'
        value = self._assignment[node].value
        if substitute and substitute.spell and substitute.node == node:
            return self._place(SUBSTITUTE)
        if isinstance(value, Items):
            return self._items(node, value.size)
        if isinstance(value, OpenNumber):
            return self._number(value)
        if isinstance(value, OwnText):
            same = fixed(value)
            return f'"{self._place(key_of(value))}"' if same is None else _literal(same)
        return self._object({}) if value == {} else _literal(value)

    def _place(self, name: str) -> str:
        self.names.append(name)
        return "%s"

    def _number(self, value: OpenNumber) -> str:
        name, spell = _name_of(value), self._variant.spell
        if spell:
            name = f"{name}|spelt"
            self.fill[name] = _spelt(number_of(value), spell)
        elif name.startswith("="):
            self.fill[name] = number_of(value)
        place = self._place(name)
        # Beyond 2^53 a fraction of .0 is another number, but no number here is as large.
        return "%.1f" if self._variant.is_float and value.scale == 1 else place

    def _items(self, node: str, count: int) -> str:
        if count < 0:
            members: dict[str, str | None] = {}
            for name, child in self._members[node].items():
                if self._assignment[child].value is not LEFT_OUT:
                    members[self._name_in_place_of(child) or name] = child
            if self._substitute and self._substitute.beside and not node:
                members[self._substitute.beside] = _BESIDE
            return self._object(members if count == -1 else {**members, "unknown_member": None})
        names = [f"{node}[]", *(f"{node}[{place}]" for place in range(1, count))]
        if self._substitute and self._substitute.is_bare and self._substitute.node == node:
            return self.json(names[0])
        items = [self.json(name if name in self._assignment else names[0]) for name in names[:count]]
        return f"[{', '.join(items)}]"

    def _name_in_place_of(self, node: str) -> str:
        return self._substitute.name if self._substitute and self._substitute.node == node else ""

    def _object(self, members: dict[str, str | None]) -> str:
        """Return an object of nodes by name, None for a member that is not declared."""
        several = reversed(members.items()) if self._variant.is_backwards else members.items()
        written = [f"{_name(name)}: {'1' if node is None else self.json(node)}" for name, node in several]
        written += ['"x_unknown": null'] if self._variant.adds_fields else []
        return f"{{{', '.join(written)}}}"


@cache
def _name(name: str) -> str:
    return _literal(name)


def _literal(value: Any) -> str:
    return _encode(value).replace("%", "%%")


def _name_of(number: OpenNumber) -> str:
    (name, factor), *more = number.form.terms
    is_plain = not more and factor == 1 and not number.form.constant and number.scale == 1
    return name if is_plain else f"={name}"


def number_of(number: OpenNumber) -> Callable[[Values, int], Any]:
    """Return what makes the number that stands in a payload of those that are drawn."""
    form, scale = number

    def write(values: Values, place: int) -> Any:
        whole = _value(form, values)
        return whole // scale if whole % scale == 0 else whole / scale

    return write


def _value(form: Form, values: Values) -> int:
    whole: int = form.constant + sum(factor * values[name] for name, factor in form.terms)
    return whole


def _spelt(number: Callable[[Values, int], Any], spell: Callable[[int | float], str]) -> Write:
    return lambda values, place: spell(number(values, place))
