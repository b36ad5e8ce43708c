"""Realising: a choice of everything finite as a function from the drawn numbers to a request and its world."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final

from kling_contracts.cases.drawing import Values
from kling_contracts.cases.fields import LEFT_OUT, Choice, Items, OpenNumber
from kling_contracts.cases.items import place_of
from kling_contracts.cases.linear import Form
from kling_contracts.cases.model import Assignment, Model
from kling_contracts.cases.requests import HEADERS, OTHER_TOKEN, parameter_request
from kling_contracts.cases.texts import OwnTexts, Write, fixed, key_of
from kling_contracts.cases.variants import Variant
from kling_contracts.cases.worlds import WorldMaker
from kling_contracts.facts.ways import OwnText
from kling_contracts.facts.world import World
from kling_contracts.http import Request
from kling_contracts.named_tuple import NamedTuple

_NOBODY: Final[Mapping[str, World]] = MappingProxyType({})


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


class Realised(NamedTuple):
    """A choice of everything finite, ready to be filled with drawn numbers."""

    payload: str
    """The payload as JSON, with `%s` in place of numbers and texts."""
    read: Callable[[Values], Any]
    """Takes what was drawn, and returns the numbers and texts in their order."""
    world: Callable[[Values], World]
    fill: tuple[tuple[str, Write], ...]
    """Texts and numbers that are written anew for each case: the name of each, and the function that writes it."""
    elsewhere: Callable[[Values], World] | None
    """The world of another account; None where it has nothing."""


class Realiser:
    """Realises the cases of one operation."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._texts = OwnTexts(model)
        self._worlds = WorldMaker(model)
        self.texts: Mapping[int, Values] = self._texts.by_number
        """By the number that tells cases apart, what hangs on it alone: numbers that are drawn stand beside it."""
        operation = model.operation
        self._method, self._path, self._has_body = operation.method, operation.paths[0], bool(operation.media_types)

    def made(self, realised: Realised, values: Values) -> tuple[Request, World, Mapping[str, World]]:
        """Return the request, its world and the worlds of other accounts by token, for the numbers of a case."""
        payload, read, world, fill, elsewhere = realised
        if fill:
            number = values["n"]
            for key, write in fill:
                values[key] = write(values, number)
        sent = payload % read(values)
        if self._has_body:
            request = Request(self._method, self._path, HEADERS, sent.encode(), "", "")
        else:
            request = parameter_request(self._model.operation, json.loads(sent))
        return request, world(values), {OTHER_TOKEN: elsewhere({**values, "n": 0})} if elsewhere else _NOBODY

    def realised(
        self,
        assignment: Assignment,
        ghost: Assignment,
        variant: Variant,
        is_padded: bool,
        substitute: Substitute | None = None,
    ) -> Realised:
        """Prepare an assignment; `ghost` has a sound choice in place of each fault.

        `is_padded`: whether a file in Base64 must have exactly the size that was drawn.
        """
        faults = [choice for choice in assignment.values() if choice.breaks]
        fill = self._texts_of([*ghost.values(), *faults], is_padded) | dict(_computed(assignment))
        world, elsewhere = self._worlds.world(ghost, is_alone=bool(substitute and substitute.is_alone)), None
        if substitute and substitute.spell:
            fill[_SUBSTITUTE] = self._substituted(assignment[substitute.node], substitute.spell)
        elif substitute and substitute.is_elsewhere:
            own = {substitute.node: substitute.choice} if substitute.choice else {}
            elsewhere, world = world, self._worlds.world({**ghost, **own})
        if variant.spell:
            fill |= dict(_spelt(assignment, variant.spell))
        payload, names = _template(variant.change(self._symbolic("", assignment, substitute)), variant)
        written = tuple((sys.intern(name), write) for name, write in fill.items())
        return Realised(payload, _reader(names), world, written, elsewhere)

    def text(self, choice: Choice, number: int) -> str | None:
        """Return what a choice of a text is for one number that tells cases apart; None where it takes more."""
        if isinstance(choice.value, str):
            return choice.value
        if not isinstance(choice.value, OwnText) or choice.value.kind not in ("id", "url") or _is_sized(choice):
            return None
        return self._texts.write(choice.value, False, False)({}, number)

    def _substituted(self, choice: Choice, spell: Callable[[Any], str | None]) -> Write:
        right = self._right(choice)
        return lambda values, number: spell(right(values, number)) or "null"

    def _right(self, choice: Choice) -> Callable[[Values, int], Any]:
        if isinstance(choice.value, OpenNumber):
            number: Callable[[Values, int], Any] = _number(choice.value.form, choice.value.scale)
            return number
        if isinstance(choice.value, OwnText):
            return self._texts.write(choice.value, False, False)
        return lambda values, number: choice.value

    def _texts_of(self, choices: Iterable[Choice], is_padded: bool) -> dict[str, Write]:
        """Return what writes the texts that hang on drawn numbers, too."""
        found = {}
        for choice in choices:
            if isinstance(choice.value, OwnText) and fixed(choice.value) is None:
                key, is_sized = key_of(choice.value), _is_sized(choice)
                if is_sized or key not in self._texts.plain:
                    found[key] = self._texts.write(choice.value, is_sized, is_padded)
        return found

    def _symbolic(self, node: str, assignment: Assignment, substitute: Substitute | None = None) -> Any:
        """Return the payload with placeholders for numbers and own texts."""
        if substitute and substitute.spell and substitute.node == node:
            return f"\0{_SUBSTITUTE}\0"
        value = assignment[node].value
        if isinstance(value, Items):
            return self._symbolic_items(node, value.size, assignment, substitute)
        if isinstance(value, OwnText):
            return fixed(value) or f"\0{key_of(value)}\1"
        return f"\0{_name_of(value)}\0" if isinstance(value, OpenNumber) else value

    def _symbolic_items(self, node: str, count: int, assignment: Assignment, substitute: Substitute | None) -> Any:
        if count >= 0:
            names = [f"{node}[]", *(f"{node}[{place}]" for place in range(1, count))]
            known = [name if name in assignment else names[0] for name in names[:count]]
            items = [self._symbolic(name, assignment, substitute) for name in known]
            return items[0] if substitute and substitute.is_bare and substitute.node == node else items
        members = {}
        for name in self._model.fields[place_of(node)[0]].schema.get("properties", {}):
            child = f"{node}.{name}".lstrip(".")
            if assignment[child].value is not LEFT_OUT:
                other = substitute.name if substitute and substitute.node == child else ""
                members[other or name] = self._symbolic(child, assignment, substitute)
        return members if count == -1 else {**members, "unknown_member": 1}


def _template(payload: Any, variant: Variant) -> tuple[str, list[str]]:
    """Return the payload as JSON with `%s` in place of what is drawn, and the names of that in their order."""
    around, *rest = _PLACE.split(json.dumps(payload).replace("%", "%%"))
    numbers, texts, behind = rest[::3], rest[1::3], rest[2::3]
    suffix = _SPELT if variant.spell else ""
    names = [f"{number}{suffix}" if number else text for number, text in zip(numbers, texts, strict=True)]
    # Beyond 2^53 a fraction of .0 is another number, but no number here is as large.
    places = ["%.1f" if variant.is_float and number and number[:2] != "=/" else "%s" for number in numbers]
    return "".join([around, *chain.from_iterable(zip(places, behind, strict=True))]), names


def _reader(names: Sequence[str]) -> Callable[[Values], Any]:
    return itemgetter(*map(sys.intern, names)) if names else lambda values: ()


def _is_sized(choice: Choice) -> bool:
    """Whether the length of a text is drawn."""
    return any(name == f"{choice.node}.length" for row in choice.rows for name, _ in row.terms)


_PLACE: Final = re.compile(r'"\\u0000([^"]+?)\\u0000"|\\u0000([^"]+?)\\u0001')


_SUBSTITUTE: Final = "=/substitute"
_SPELT: Final = "|spelt"


def _spelt(assignment: Assignment, spell: Callable[[int | float], str]) -> Iterator[tuple[str, Write]]:
    """Yield every number of the payload as it is written."""
    for choice in assignment.values():
        if isinstance(choice.value, OpenNumber):
            number = _number(choice.value.form, choice.value.scale)
            yield f"{_name_of(choice.value)}{_SPELT}", _written(number, spell)


def _written(number: Write, spell: Callable[[int | float], str]) -> Write:
    return lambda values, place: spell(number(values, place))  # type: ignore[arg-type]


def _name_of(number: OpenNumber) -> str:
    (name, factor), *more = number.form.terms
    if not more and factor == 1 and not number.form.constant and number.scale == 1:
        return name
    return f"={'/' if number.scale > 1 else ''}{name}"


def _computed(assignment: Assignment) -> Iterator[tuple[str, Write]]:
    """Yield the numbers that stand in the payload otherwise than they are drawn."""
    for choice in assignment.values():
        if isinstance(choice.value, OpenNumber) and _name_of(choice.value).startswith("="):
            yield _name_of(choice.value), _number(choice.value.form, choice.value.scale)


def _number(form: Form, scale: int) -> Any:
    def write(values: Values, number: int) -> Any:
        whole = form.constant + sum(factor * values[name] for name, factor in form.terms)
        return whole // scale if whole % scale == 0 else whole / scale

    return write
