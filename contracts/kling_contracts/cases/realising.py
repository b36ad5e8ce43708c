"""Realising: a choice of everything finite as a function from the drawn numbers to a request and its world."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from kling_contracts.cases.drawing import Values
from kling_contracts.cases.fields import Choice, OpenNumber
from kling_contracts.cases.model import Assignment, Model
from kling_contracts.cases.payloads import SUBSTITUTE, Members, PayloadWriter, Substitute, number_of
from kling_contracts.cases.requests import HEADERS, OTHER_TOKEN, parameter_request
from kling_contracts.cases.texts import OwnTexts, Write, fixed, key_of
from kling_contracts.cases.variants import Variant
from kling_contracts.cases.worlds import WorldMaker
from kling_contracts.facts.ways import OwnText
from kling_contracts.facts.world import World
from kling_contracts.http import Request

_NOBODY: Final[Mapping[str, World]] = MappingProxyType({})


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
        self._members = Members(model.fields)
        self._written: dict[tuple[int, bool], Write | None] = {}
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
        writer = PayloadWriter(self._members, assignment, variant, substitute)
        payload = writer.json()
        fill = self._texts_of([*ghost.values(), *faults], is_padded) | writer.fill
        world, elsewhere = self._worlds.world(ghost, is_alone=bool(substitute and substitute.is_alone)), None
        if substitute and substitute.right:
            value = assignment[substitute.node].value
            fill[key_of(value)] = _respelt(self._texts.write(value, False, False), substitute.right)
        if substitute and substitute.spell:
            fill[SUBSTITUTE] = self._substituted(assignment[substitute.node], substitute)
        elif substitute and substitute.is_elsewhere:
            own = {substitute.node: substitute.choice} if substitute.choice else {}
            elsewhere, world = world, self._worlds.world({**ghost, **own})
        written = tuple((sys.intern(name), write) for name, write in fill.items())
        return Realised(payload, _reader(writer.names), world, written, elsewhere)

    def text(self, choice: Choice, number: int) -> str | None:
        """Return what a choice of a text is for one number that tells cases apart; None where it takes more.

        A text whose length is drawn is the one that it is where nothing asks for a length.
        """
        if isinstance(choice.value, str):
            return choice.value
        if not isinstance(choice.value, OwnText) or choice.value.kind not in ("id", "url"):
            return None
        return self._texts.write(choice.value, False, False)({}, number)

    def _substituted(self, choice: Choice, substitute: Substitute) -> Write:
        right, spell = self._right(choice), substitute.spell
        assert spell is not None
        if substitute.right:
            right = _respelt(right, substitute.right)
        return lambda values, number: spell(right(values, number)) or "null"

    def _right(self, choice: Choice) -> Callable[[Values, int], Any]:
        if isinstance(choice.value, OpenNumber):
            return number_of(choice.value)
        if isinstance(choice.value, OwnText):
            return self._texts.write(choice.value, False, False)
        return lambda values, number: choice.value

    def _texts_of(self, choices: Iterable[Choice], is_padded: bool) -> dict[str, Write]:
        """Return what writes the texts that hang on drawn numbers, too."""
        found = {}
        for choice in choices:
            if isinstance(choice.value, OwnText):
                kept = choice.number, is_padded
                if kept not in self._written:
                    self._written[kept] = self._text_of(choice, is_padded)
                if write := self._written[kept]:
                    found[key_of(choice.value)] = write
        return found

    def _text_of(self, choice: Choice, is_padded: bool) -> Write | None:
        is_sized, text = _is_sized(choice), choice.value
        is_plain = not is_sized and key_of(text) in self._texts.plain
        return None if is_plain or fixed(text) is not None else self._texts.write(text, is_sized, is_padded)


def _respelt(write: Write, spell: Callable[[str], str]) -> Write:
    return lambda values, number: spell(write(values, number))


def _reader(names: Sequence[str]) -> Callable[[Values], Any]:
    return itemgetter(*map(sys.intern, names)) if names else lambda values: ()


def _is_sized(choice: Choice) -> bool:
    """Whether the length of a text is drawn."""
    return any(name == f"{choice.node}.length" for row in choice.rows for name, _ in row.terms)
