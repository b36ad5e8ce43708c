"""The facts and the rules of one operation as one function, for payloads of which every keyword plainly holds.

Most payloads are of that kind: flat objects, and arrays of them. All others are judged by the walk.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts.facts.measuring import CompiledFacts, Measurement
from kling_contracts.facts.provider import indented, member_variable
from kling_contracts.facts.sources import FactSources
from kling_contracts.judging.evaluator import Node
from kling_contracts.judging.object_rules import BROKEN, DUE, NOTHING, UNKNOWN, Found, ObjectRules, RuleWriter, Seat
from kling_contracts.rules.cel_code import Doubts, Names

PlainReport = Callable[[Any, Measurement], list[Found] | None]
"""Returns what is found, in document order; None where the walk has to judge. The measurement keeps the facts."""
PlainViolations = Callable[[Any, FactSources], list[Found] | None]
"""The same, of broken rules alone; records of facts are made only for these."""


def plain_report(root: Node, facts: CompiledFacts) -> PlainReport:
    """Return the function that finds everything in payloads of one schema."""
    return _compiled(root, facts, only_violations=False)


def plain_violations(root: Node, facts: CompiledFacts) -> PlainViolations:
    """Return the function that finds broken rules in payloads of one schema."""
    return _compiled(root, facts, only_violations=True)


def _compiled(root: Node, facts: CompiledFacts, *, only_violations: bool) -> Callable[[Any, Any], list[Found] | None]:
    arrays = [(name, place, child) for place, name, child in root.deeper if name in facts.arrays or _says(child)]
    flat = root.children and all(child.items and _is_flat(child.items) and not child.rules for *_, child in arrays)
    if not flat or root.own.advice or len(facts.arrays) > 1:
        return lambda payload, by: None
    writer = _JudgeWriter(facts, only_violations)
    items = [_Items(name, place, child.items.own) for name, place, child in arrays if child.items]
    body = "\n".join(indented(writer.lines(root.own, items)))
    parameters = "payload, sources" if only_violations else "payload, measured"
    exec(compile(f"def judge({parameters}):\n{body}", "<judge>", "exec"), writer.names)
    function: Callable[[Any, Any], list[Found] | None] = writer.names["judge"]
    return function


def _says(node: Node) -> bool:
    return next(node.all_rules(), None) is not None or bool(node.items and node.items.own.advice)


def _is_flat(node: Node) -> bool:
    return bool(node.children) and not node.deeper


class _Items(NamedTuple):
    """An array of objects: its name, its place among the properties, and the rules of each item."""

    array: str
    place: int
    own: ObjectRules


class _JudgeWriter:
    def __init__(self, facts: CompiledFacts, only_violations: bool) -> None:
        self._only_violations = only_violations
        self._facts = facts.writer()
        self._arrays = facts.arrays
        self._doubts = Doubts(False, lambda fact, member: member not in facts.by_name[fact].certain)
        self.names = self._facts.names
        self.names.update({"enumerate": enumerate, "refused": NOTHING})
        self._rules = RuleWriter(self.names, self._told, _OF_VARIABLES)

    def lines(self, own: ObjectRules, arrays: Sequence[_Items]) -> Iterator[str]:
        for array, place, _ in arrays:
            yield f"items{place} = payload.get({array!r})"
            # The walk says which rules an empty array leaves unverified.
            yield f"if items{place} is not None and not items{place}: return None"
        if not self._only_violations:
            yield "sources = measured.sources"
        yield "world = sources.world"
        yield from self._facts.whole()
        if not self._only_violations:
            yield from self._made("", "payload")
            yield f"measured.whole = facts_of_payload, {self._facts.entries}"
            yield f"kept = measured.items = {{{', '.join(f'{name!r}: []' for name in self._arrays)}}}"
        # Two lists for each array: what is found before it, and within it.
        sections = [0, *(place for _, place, _ in arrays)]
        for first, end in zip(sections, [*sections[1:], None], strict=True):
            yield f"before{end or ''} = []"
            seats = [seat for seat in own.seats if first <= seat.place and (end is None or seat.place < end)]
            yield from self._object(seats, "payload", "''", f"before{end or ''}")
        for items in arrays:
            yield f"within{items.place} = []"
            yield f"for index, item in enumerate(items{items.place} or ()):"
            yield from indented(self._item(items))
        yield f"return {''.join(f'before{place} + within{place} + ' for _, place, _ in arrays)}before"

    def _item(self, items: _Items) -> Iterator[str]:
        if items.array in self._arrays:
            yield from self._facts.item(items.array)
            if not self._only_violations:
                yield from self._made(items.array, "item")
                yield f"kept[{items.array!r}].append(facts_of_item)"
        path = f"{f'/{items.array}/'!r} + str(index)"
        yield from self._object(items.own.seats, "item", path, f"within{items.place}", items.own)

    def _object(
        self, seats: Sequence[Seat], value: str, path: str, into: str, advising: ObjectRules | None = None
    ) -> Iterator[str]:
        """Yield what judges an object, and adds to a list what is found of it."""
        if not seats:
            return
        yield "broken, unsure, due = [], [], []" if not self._only_violations else "broken = []"
        for seat in seats:
            yield from self._rules.rules(seat, value, self._doubts)
        if self._only_violations:
            yield "if broken:"
            yield from indented(self._made("", value))
            yield f"    {into}.append((broken, (), (), {value}, {path}, facts_of_{value}))"
            return
        if advising and advising.advice:
            yield "if not broken:"
            yield from indented(self._rules.due(advising, value, self._doubts))
        yield "if broken or unsure or due:"
        yield f"    {into}.append((broken, unsure, due, {value}, {path}, facts_of_{value}))"

    def _made(self, array: str, value: str) -> Iterator[str]:
        """Yield what makes the record of the facts of the payload, or of an item of an array."""
        yield from self._facts.records(array)
        yield f"facts_of_{value} = {self._facts.record}"

    def _told(self, outcome: str, name: str) -> str:
        if self._only_violations and outcome != BROKEN:
            return ""
        return f"{_LISTS[outcome]}.append({name})"


_LISTS: Final = {BROKEN: "broken", UNKNOWN: "unsure", DUE: "due"}
_OF_VARIABLES: Final = Names("self", "entry_{}", member_variable("{}", "{}"), "(not unknown_{})")
"""Names for facts that are variables; one that is unknown is what its entry is."""
