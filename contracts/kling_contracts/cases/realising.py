"""Realising: a choice of everything finite as a function from the drawn numbers to a request and its world."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from kling_contracts.cases.drawing import Values
from kling_contracts.cases.fields import LEFT_OUT, Items, OpenNumber
from kling_contracts.cases.items import place_of
from kling_contracts.cases.linear import Form
from kling_contracts.cases.model import Assignment, Model
from kling_contracts.cases.records import quick
from kling_contracts.cases.requests import HEADERS, parameter_request
from kling_contracts.cases.texts import OwnTexts, Write, key_of
from kling_contracts.cases.variants import Variant
from kling_contracts.cases.worlds import WorldMaker
from kling_contracts.facts.ways import OwnText
from kling_contracts.facts.world import World
from kling_contracts.http import Request

Make = Callable[[Values], tuple[Request, World]]


class Realiser:
    """Makes the functions that realise the cases of one operation."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._texts = OwnTexts(model)
        self._worlds = WorldMaker(model)

    def realised(self, assignment: Assignment, ghost: Assignment, variant: Variant, is_padded: bool) -> Make:
        """Return the function that makes request and world; `ghost` has a sound choice in place of each fault.

        `is_padded`: whether a file in Base64 must have exactly the size that was drawn.
        """
        texts = self._texts_of(ghost, is_padded) | self._texts_of(assignment, is_padded)
        fill = [*texts.items(), *_computed(assignment)]
        ask = self._request(variant.change(self._symbolic("", assignment)), variant.is_float)
        world_of = self._worlds.world(ghost)

        def make(values: Values) -> tuple[Request, World]:
            filled: dict[str, Any] = values
            number = values["n"]
            for key, write in fill:
                filled[key] = write(values, number)
            return ask(filled), world_of(filled)

        return make

    def _texts_of(self, assignment: Assignment, is_padded: bool) -> dict[str, Write]:
        found = {}
        for choice in assignment.values():
            if isinstance(choice.value, OwnText):
                length = f"{choice.node}.length"
                is_sized = any(name == length for row in choice.rows for name, _ in row.terms)
                found[key_of(choice.value)] = self._texts.write(choice.value, is_sized, is_padded)
        return found

    def _symbolic(self, node: str, assignment: Assignment) -> Any:
        """Return the payload with placeholders for numbers and own texts."""
        value = assignment[node].value
        if isinstance(value, Items):
            return self._symbolic_items(node, value.size, assignment)
        if isinstance(value, OwnText):
            return f"\0{key_of(value)}\1"
        return f"\0{_name_of(value)}\0" if isinstance(value, OpenNumber) else value

    def _symbolic_items(self, node: str, count: int, assignment: Assignment) -> Any:
        if count >= 0:
            names = [f"{node}[]", *(f"{node}[{place}]" for place in range(1, count))]
            return [self._symbolic(name if name in assignment else names[0], assignment) for name in names[:count]]
        members = {}
        for name in self._model.fields[place_of(node)[0]].schema.get("properties", {}):
            child = f"{node}.{name}".lstrip(".")
            if assignment[child].value is not LEFT_OUT:
                members[name] = self._symbolic(child, assignment)
        return members if count == -1 else {**members, "unknown_member": 1}

    def _request(self, payload: Any, is_float: bool) -> Callable[[dict[str, Any]], Request]:
        operation = self._model.operation
        method, path = operation.method, operation.paths[0]
        template = _PLACE.sub(_put_float if is_float else _put, json.dumps(payload).replace("%", "%%"))
        if operation.media_types:
            request = quick(Request)
            return lambda filled: request(method, path, HEADERS, (template % filled).encode(), "", "")
        return lambda filled: parameter_request(operation, json.loads(template % filled))


_PLACE: Final = re.compile(r'"\\u0000([^"]+?)\\u0000"|\\u0000([^"]+?)\\u0001')


def _put(match: re.Match[str]) -> str:
    return f"%({match[1] or match[2]})s"


def _put_float(match: re.Match[str]) -> str:
    # Beyond 2^53 a fraction of .0 is another number, but no number here is as large.
    return f"%({match[1]}).1f" if match[1] and not match[1].startswith("=/") else _put(match)


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
