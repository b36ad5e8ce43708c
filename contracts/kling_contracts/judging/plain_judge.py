"""The facts and the rules of one operation as one function, for flat objects and arrays of them.

Most payloads are of that kind. All others are judged by the walk.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts.facts.measuring import CompiledFacts
from kling_contracts.facts.provider import indented, member_variable
from kling_contracts.jsonio.keywords import MAX_ITEMS
from kling_contracts.judging.evaluator import Node, refused_below, with_integers
from kling_contracts.judging.object_rules import (
    BROKEN,
    DUE,
    MISSING,
    NOTHING,
    UNKNOWN,
    Found,
    ObjectRules,
    RuleWriter,
    Seat,
)
from kling_contracts.rules.cel_code import Doubts, Names

PlainJudge = Callable[[Any, Any, frozenset[str]], list[Found] | None]
"""Takes a payload, its `Measurement` or, where only violations are wanted, its `FactSources`, and the JSON Pointers of
the fields that broke a keyword. Returns what is found, in document order; None where the walk has to judge."""


def plain_judge(root: Node, facts: CompiledFacts, *, only_violations: bool, any_keywords: bool) -> PlainJudge:
    """Return the function for payloads of one schema.

    With `only_violations` it finds broken rules and nothing else, and makes records of facts for these alone; otherwise
    the measurement keeps all facts. With `any_keywords` any may be broken; otherwise each plainly holds.
    """
    arrays = [(name, place, child) for place, name, child in root.deeper if name in facts.arrays or _says(child)]
    flat = root.children and all(child.items and _is_flat(child.items) and not child.rules for *_, child in arrays)
    if not flat or root.own.advice or len(facts.arrays) > 1:
        return lambda payload, by, unsound: None
    writer = _JudgeWriter(facts, only_violations, any_keywords)
    items = [_Items(name, place, child.items) for name, place, child in arrays if child.items]
    body = "\n".join(indented(writer.lines(root, items)))
    exec(compile(f"def judge(payload, by, unsound):\n{body}", "<judge>", "exec"), writer.names)
    function: PlainJudge = writer.names["judge"]
    return function


def _says(node: Node) -> bool:
    return next(node.all_rules(), None) is not None or bool(node.items and node.items.own.advice)


def _is_flat(node: Node) -> bool:
    return bool(node.children) and not node.deeper


class _Items(NamedTuple):
    """An array of objects: its name, its place among the properties, and what each item is."""

    array: str
    place: int
    node: Node

    @property
    def variable(self) -> str:
        return f"items{self.place}"


class _JudgeWriter:
    def __init__(self, facts: CompiledFacts, only_violations: bool, any_keywords: bool) -> None:
        self._only_violations = only_violations
        self._any_keywords = any_keywords
        self._facts = facts.writer()
        self._arrays = facts.arrays
        self._doubts = Doubts(any_keywords, lambda fact, member: member not in facts.by_name[fact].certain)
        self.names = self._facts.names
        self.names.update(_NAMES)
        self._rules = RuleWriter(self.names, self._told, _OF_VARIABLES)

    def lines(self, root: Node, arrays: Sequence[_Items]) -> Iterator[str]:
        """Yield the body of the function; what it leaves to the walk is settled before anything is fetched."""
        if self._any_keywords:
            yield from self._left_to_the_walk(root, arrays)
        for items in arrays:
            yield f"{items.variable} = payload.get({items.array!r})"
            # The walk says which rules an empty array leaves unverified.
            yield f"if {items.variable} is not None and not {items.variable}: return None"
        yield from self._measured()
        if self._any_keywords:
            yield "refused, payload = unsound, with_integers(payload)"
        # Two lists for each array: what is found before it, and within it.
        yield from self._sections(root, [0, *(place for _, place, _ in arrays)])
        for items in arrays:
            yield f"within{items.place} = []"
            yield f"for index, item in enumerate({items.variable} or ()):"
            yield from indented(self._item(items))
        yield f"return {''.join(f'before{place} + within{place} + ' for _, place, _ in arrays)}before"

    def _measured(self) -> Iterator[str]:
        """Yield what measures the facts that hang on no item, and keeps them where all are wanted."""
        yield f"sources = by{'' if self._only_violations else '.sources'}"
        yield "world = sources.world"
        yield from self._facts.whole()
        if not self._only_violations:
            yield from self._made("", "payload")
            yield f"by.whole = facts_of_payload, {self._facts.entries}"
            yield f"kept = by.items = {{{', '.join(f'{name!r}: []' for name in self._arrays)}}}"

    def _sections(self, root: Node, places: Sequence[int]) -> Iterator[str]:
        """Yield what judges the fields of the payload, for those from each place to the next one apart."""
        for first, end in zip(places, [*places[1:], None], strict=True):
            yield f"before{end or ''} = []"
            seats = [seat for seat in root.own.seats if first <= seat.place and (end is None or seat.place < end)]
            yield from self._object(seats, "payload", "''", f"before{end or ''}")

    def _left_to_the_walk(self, root: Node, arrays: Sequence[_Items]) -> Iterator[str]:
        """Yield what leaves values of other types and unknown fields to the walk."""
        yield f"if {self._is_odd('payload', root)}: return None"
        for items in arrays:
            yield f"{items.variable} = payload.get({items.array!r})"
            yield f"if type({items.variable}) is not list or len({items.variable}) > {MAX_ITEMS}: return None"
            yield f"if any([{self._is_odd('item', items.node)} for item in {items.variable}]): return None"

    def _is_odd(self, value: str, node: Node) -> str:
        known = f"fields{len(self.names)}"
        self.names[known] = frozenset(node.children)
        return f"type({value}) is not dict or not {known}.issuperset({value})"

    def _item(self, items: _Items) -> Iterator[str]:
        if items.array in self._arrays:
            yield from self._facts.item(items.array)
            if not self._only_violations:
                yield from self._made(items.array, "item")
                yield f"kept[{items.array!r}].append(facts_of_item)"
        path = f"{f'/{items.array}/'!r} + str(index)"
        if self._any_keywords:
            yield f"refused, item = refused_below({path}, unsound), with_integers(item)"
        yield from self._object(items.node.own.seats, "item", path, f"within{items.place}", items.node.own)

    def _object(
        self, seats: Sequence[Seat], value: str, path: str, into: str, advising: ObjectRules | None = None
    ) -> Iterator[str]:
        """Yield what judges an object, and adds to a list what is found of it."""
        yield "broken, unsure, due = [], [], []" if not self._only_violations else "broken = []"
        for seat in seats:
            yield from self._rules.rules(seat, value, self._doubts)
        if self._only_violations:
            yield "if broken:"
            yield from indented(self._made("", value))
            yield f"    {into}.append((broken, (), (), {value}, {path}, facts_of_{value}, refused))"
            return
        if advising and advising.advice:
            yield "if not broken and not unsound:"
            yield from indented(self._rules.due(advising, value, self._doubts._replace(refusable=False)))
        yield "if broken or unsure or due:"
        yield f"    {into}.append((broken, unsure, due, {value}, {path}, facts_of_{value}, refused))"

    def _made(self, array: str, value: str) -> Iterator[str]:
        """Yield what makes the record of the facts of the payload, or of an item of an array."""
        yield from self._facts.records(array)
        yield f"facts_of_{value} = {self._facts.record}"

    def _told(self, outcome: str, name: str) -> str:
        if self._only_violations and outcome != BROKEN:
            return ""
        return f"{_LISTS[outcome]}.append({name})"


_LISTS: Final = {BROKEN: "broken", UNKNOWN: "unsure", MISSING: "unsure", DUE: "due"}
_OF_VARIABLES: Final = Names("self", "entry_{}", member_variable("{}", "{}"), "(not unknown_{})")
"""Names for facts that are variables; one that is unknown is what its entry is."""
_NAMES: Final = {
    "dict": dict,
    "enumerate": enumerate,
    "list": list,
    "refused": NOTHING,
    "refused_below": refused_below,
    "with_integers": with_integers,
}
