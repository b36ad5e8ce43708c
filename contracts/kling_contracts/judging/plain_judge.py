"""The facts and the rules of one operation as one function, for payloads of which every keyword plainly holds.

Most payloads are of that kind: flat objects, and arrays of them. All others are judged by the walk.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kling_contracts.facts.measuring import CompiledFacts, Measurement
from kling_contracts.facts.provider import indented
from kling_contracts.judging.evaluator import Node
from kling_contracts.judging.object_rules import BROKEN, DUE, NOTHING, UNKNOWN, Found, ObjectRules, RuleWriter, Seat
from kling_contracts.rules.cel_code import Doubts, unknown_kept

PlainJudge = Callable[[Any, Measurement], list[Found] | None]
"""Returns what is found, in document order; None where the walk has to judge."""


def plain_judge(root: Node, facts: CompiledFacts) -> PlainJudge:
    """Return the function for payloads of one schema; its facts are kept in the measurement."""
    arrays = [(place, name, child) for place, name, child in root.deeper if name in facts.arrays or _says(child)]
    flat = root.children and all(child.items and _is_flat(child.items) and not child.rules for *_, child in arrays)
    if not flat or len(facts.arrays) > 1:
        return lambda payload, measured: None
    writer = _JudgeWriter(facts)
    items = [(place, name, child.items.own) for place, name, child in arrays if child.items]
    body = "\n".join(indented(writer.lines(root.own, items)))
    exec(compile(f"def judge(payload, measured):\n{body}", "<judge>", "exec"), writer.names)
    function: PlainJudge = writer.names["judge"]
    return function


def _says(node: Node) -> bool:
    return next(node.all_rules(), None) is not None or bool(node.items and node.items.own.advice)


def _is_flat(node: Node) -> bool:
    return bool(node.children) and not node.deeper


class _JudgeWriter:
    def __init__(self, facts: CompiledFacts) -> None:
        self._facts = facts.writer()
        self._arrays = facts.arrays
        self._doubts = Doubts(False, lambda fact: not facts.by_name[fact].is_certain)
        self.names = self._facts.names
        self.names.update(
            {"enumerate": enumerate, "refused": NOTHING, "BROKEN": BROKEN, "UNKNOWN": UNKNOWN, "DUE": DUE}
        )

    def lines(self, own: ObjectRules, arrays: list[tuple[int, str, ObjectRules]]) -> Iterator[str]:
        for place, name, _ in arrays:
            yield f"items{place} = payload.get({name!r})"
            # The walk says which rules an empty array leaves unverified.
            yield f"if items{place} is not None and not items{place}: return None"
        yield "sources = measured.sources"
        yield "world = sources.world"
        yield from self._facts.whole()
        yield f"facts = {self._facts.record}"
        yield f"measured.whole = facts, {self._facts.entries}"
        yield f"kept = measured.items = {{{', '.join(f'{name!r}: []' for name in self._arrays)}}}"
        # Two lists for each array: what is found before it, and within it.
        sections = [0, *(place for place, *_ in arrays)]
        for first, end in zip(sections, [*sections[1:], None], strict=True):
            yield f"before{end or ''} = []"
            seats = [seat for seat in own.seats if first <= seat.place and (end is None or seat.place < end)]
            yield from self._rules(seats, "payload", "''", "facts", f"before{end or ''}")
        yield from self._due(own, "payload", "''", "facts", "before")
        for place, name, items in arrays:
            yield f"within{place} = []"
            yield f"for index, item in enumerate(items{place} or ()):"
            yield from indented(self._item(name, items, f"within{place}"))
        yield f"return {''.join(f'before{place} + within{place} + ' for place, *_ in arrays)}before"

    def _item(self, array: str, own: ObjectRules, into: str) -> Iterator[str]:
        facts = "facts"
        if array in self._arrays:
            facts = "item_facts"
            yield from self._facts.item(array)
            yield f"{facts} = {self._facts.record}"
            yield f"kept[{array!r}].append({facts})"
        path = f"{f'/{array}/'!r} + str(index)"
        yield from self._rules(own.seats, "item", path, facts, into)
        yield from self._due(own, "item", path, facts, into)

    def _rules(self, seats: Iterable[Seat], value: str, path: str, facts: str, into: str) -> Iterator[str]:
        writer = self._writer(value, path, facts, into)
        lines = [line for seat in seats for line in writer.rules(seat, value, self._doubts)]
        yield from [*unknown_kept(writer.facts), *lines]

    def _due(self, own: ObjectRules, value: str, path: str, facts: str, into: str) -> Iterator[str]:
        writer = self._writer(value, path, facts, into)
        lines = list(writer.due(own, value))
        yield from [*unknown_kept(writer.facts), *lines]

    def _writer(self, value: str, path: str, facts: str, into: str) -> RuleWriter:
        def told(outcome: str, name: str) -> str:
            return f"{into}.append(({outcome.upper()}, {name}, {value}, {path}, {facts}))"

        return RuleWriter(self.names, told)
