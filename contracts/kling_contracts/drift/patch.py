"""The patch that lets our overlays fit a newer document: what is certain is changed, what is not is taken out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from kling_contracts.documents.loading import COMPANIONS, PROFILES
from kling_contracts.documents.patches import DOCUMENT_MEMBER
from kling_contracts.documents.quotes import folded
from kling_contracts.documents.vocabulary import CONDITIONS
from kling_contracts.drift.baseline import OVERLAYS, Baseline
from kling_contracts.drift.change import Change, Limit
from kling_contracts.drift.comparing import Drift
from kling_contracts.drift.overlay_quotes import OverlayQuote, action_path, entry_path, quoted
from kling_contracts.drift.structure import field_of
from kling_contracts.drift.wording import compared
from kling_contracts.jsonio.json_pointer import tokens

Document = dict[str, Any]
Action = dict[str, Any]

MAIN: Final = PROFILES["documented"][0]


class Edit(NamedTuple):
    """One action of a patch, and the document that it changes."""

    document: str
    action: Action

    def to_json(self) -> Action:
        """Return the action as it stands in the patch."""
        member = {} if self.document == MAIN else {DOCUMENT_MEMBER: self.document}
        return {"target": self.action["target"], **member, **{k: v for k, v in self.action.items() if k != "target"}}


def patch_document(title: str, edits: Sequence[Edit]) -> Document:
    """Return a patch as an OpenAPI Overlay."""
    return {
        "overlay": "1.1.0",
        "info": {"title": title, "version": "1.0.0"},
        "extends": MAIN,
        "actions": [edit.to_json() for edit in edits],
    }


def edits_for(drift: Drift, baseline: Baseline) -> list[Edit]:
    """Return what has to change in our documents for the sentences and names of a newer one."""
    proposing = _Proposing(drift, baseline.quotes)
    return [
        *(edit for change in drift.changes for edit in proposing.for_change(change)),
        *proposing.without_quotes(),
        *_renames(drift, baseline.documents),
        *(_left_out(change) for change in drift.changes if change.kind in ("path-added", "method-added")),
    ]


def _left_out(change: Change) -> Edit:
    """Take a new operation out of the effective document: nothing of ours says what it is."""
    why = f"{change.message}; none of our documents describes it"
    path = "".join(f"[{quoted(token)}]" for token in tokens(change.pointer)[1:])
    action = {"target": f"$.paths{path}", "description": why, "remove": True}
    return Edit(MAIN, {"target": "$.actions", "description": why, "update": [action]})


class _Proposing:
    def __init__(self, drift: Drift, quotes: Sequence[OverlayQuote]) -> None:
        self._drift = drift
        self._quotes = quotes
        self._removed: list[OverlayQuote] = []
        self._limited: set[Limit] = set()

    def for_change(self, change: Change) -> Iterator[Edit]:
        """Yield the edits of every place that quotes the changed sentence."""
        if change.kind == "clause-new" or not change.old_pointer:
            return
        for quote in self._quotes:
            if quote.pointer == change.old_pointer and folded(quote.text) == folded(change.old):
                yield from self._for_quote(change, quote)

    def without_quotes(self) -> Iterator[Edit]:
        """Yield the edits of rules that have no quote left: nobody but us says them now."""
        for path in dict.fromkeys(quote.rule_path for quote in self._removed if quote.is_rule):
            quotes = [quote for quote in self._quotes if quote.rule_path == path]
            if all(quote in self._removed for quote in quotes):
                yield _edit(
                    quotes[0], path, f"No sentence of the vendor says {quotes[0].owner} any more", {"source": "mock"}
                )

    def _for_quote(self, change: Change, quote: OverlayQuote) -> Iterator[Edit]:
        if change.kind == "clause-moved":
            yield from self._moved(change, quote)
        elif change.kind in ("reworded", "limit-changed", "list-changed") and self._is_certain(change, quote):
            yield from self._literals(change, quote)
            meaning = {"en": _translated(quote.meaning, change)} if quote.meaning else {}
            yield _edit(quote, quote.path, change.message, {"text": change.new, **meaning})
        else:
            yield self._removal(quote, change.message)

    def _is_certain(self, change: Change, quote: OverlayQuote) -> bool:
        """Return whether a rule can follow a sentence: its literal is known, and no other sentence contradicts it."""
        if change.kind == "reworded" or not quote.owner:
            return change.kind == "reworded"
        if change.kind == "list-changed":
            return (
                quote.is_rule
                and all(f"== '{one}'" in quote.content["rule"] for one in change.removed)
                and bool(_listed_items(quote.content["rule"], change))
            )
        changed = compared(change.old, change.new).quantities
        mine = [limit for limit in change.limits if limit.rule == self._rule_id(quote)]
        if not mine:
            # One number of a pair, [0, 2]: the other keyword is as it was.
            return not quote.is_rule and bool(change.limits) and len(change.limits) == len(changed)
        return all(self._agrees(limit, quote) for limit in mine)

    def _agrees(self, limit: Limit, quote: OverlayQuote) -> bool:
        """Return whether every sentence that a rule quotes now names the same limit."""
        others = [other for other in self._quotes if other.rule_path == quote.rule_path and other.is_rule]
        if not quote.is_rule:
            return True
        changes = [change for change in self._drift.changes if limit in change.limits]
        return all(
            any(other.pointer == change.old_pointer and other.text == change.old for change in changes)
            for other in others
            if _names(other.text, limit.old)
        )

    def _literals(self, change: Change, quote: OverlayQuote) -> Iterator[Edit]:
        for limit in change.limits:
            if limit.rule == self._rule_id(quote) and limit not in self._limited:
                self._limited.add(limit)
                yield _edit(quote, quote.rule_path, str(limit), _with_limit(quote, limit))
        if change.kind == "list-changed":
            yield _edit(quote, quote.rule_path, change.message, {"rule": _with_items(quote.content["rule"], change)})

    def _rule_id(self, quote: OverlayQuote) -> str:
        return quote.owner if quote.is_rule else f"{field_of(quote.node)}.{quote.owner}"

    def _moved(self, change: Change, quote: OverlayQuote) -> Iterator[Edit]:
        if change.pointer == self._drift.renamed.get(quote.pointer, quote.pointer):
            return
        parent, _, name = change.pointer.rpartition("/properties/")
        if quote.is_rule and parent == quote.node:
            yield _edit(quote, quote.path, change.message, {"at": f".{name}"})
        else:
            yield self._removal(quote, change.message)

    def _removal(self, quote: OverlayQuote, why: str) -> Edit:
        self._removed.append(quote)
        return Edit(quote.document, {"target": quote.path, "description": why, "remove": True})


def _edit(quote: OverlayQuote, path: str, why: str, update: Any) -> Edit:
    return Edit(quote.document, {"target": path, "description": why, "update": update})


def _names(text: str, number: float) -> bool:
    from kling_contracts.drift.wording import quantities_of

    return any(quantity.number == number for quantity in quantities_of(text))


def _with_limit(quote: OverlayQuote, limit: Limit) -> Any:
    if not quote.is_rule:
        return {quote.owner: limit.new}
    return {"rule": re.sub(rf"(?<![\w.]){limit.old}(?![\w.])", str(limit.new), quote.content["rule"])}


def _listed_items(rule: str, change: Change) -> list[re.Match[str]]:
    """Return the comparisons with a string that a list stands for in a rule."""
    items = [match for match in _EQUALS.finditer(rule) if match["item"]]
    sentence = folded(change.old).lower()
    return [match for match in items if match["item"].lower() in sentence]


_EQUALS: Final = re.compile(r"(?P<name>[\w.]+) == '(?P<item>[^']*)'")


def _with_items(rule: str, change: Change) -> str:
    """Return a rule that compares one name with the items of a list, joined by `||`, for the new list."""
    last = _listed_items(rule, change)[-1]
    added = "".join(f" || {last['name']} == '{item}'" for item in change.added)
    rule = rule[: last.end()] + added + rule[last.end() :]
    for item in change.removed:
        rule = re.sub(rf" \|\| [\w.]+ == '{re.escape(item)}'|[\w.]+ == '{re.escape(item)}' \|\| ", "", rule, count=1)
    return rule


def _translated(meaning: str, change: Change) -> str:
    """Return the meaning of a sentence with its new numbers and items; a unit that changed is left to a person."""
    if change.kind == "reworded":
        return meaning
    for old, new in compared(change.old, change.new).quantities:
        numbers = [re.match(r"-?[\d.]+", side.text) for side in (old, new)]
        if numbers[0] and numbers[1]:
            meaning = re.sub(rf"(?<![\w.]){re.escape(numbers[0][0])}(?![\w.])", numbers[1][0], meaning)
    if change.added or change.removed:
        parts = (("new", change.added), ("gone", change.removed))
        meaning += " (" + "; ".join(f"{word}: {', '.join(items)}" for word, items in parts if items) + ")"
    return meaning


def _renames(drift: Drift, documents: Mapping[str, Document]) -> Iterator[Edit]:
    """Yield the edits for fields, paths and methods that have another name; targets are changed last."""
    for old, new in drift.renamed.items():
        before, after = (_last(pointer) for pointer in (old, new))
        if "/properties/" in old:
            yield from _field_renamed(before, after, documents)
        elif old.count("/") == 2:
            yield from _path_renamed(before, after, documents)
        else:
            old_path, path = (_last(pointer.rpartition("/")[0]) for pointer in (old, new))
            yield from _method_renamed(old_path, path, before, after, documents)


def _last(pointer: str) -> str:
    return tokens(pointer)[-1]


def _field_renamed(before: str, after: str, documents: Mapping[str, Document]) -> Iterator[Edit]:
    word = re.compile(rf"(?<![\w-]){re.escape(before)}(?![\w-])")
    why = f"{before} is now {after}"
    for name in OVERLAYS:
        actions = documents[name]["actions"]
        for extension, member in CONDITIONS.items():
            for entry in _entries_in(actions, extension):
                yield from _field_in_entry(name, extension, member, entry, before, after)
        yield from _field_in_facts(name, documents[name], before, after)
        yield from _field_in_timeline(name, actions, before, after)
        targets = [action["target"] for action in actions if word.search(action["target"])]
        yield from _targets_changed(name, targets, word, after, why)


def _entries_in(actions: Sequence[Action], extension: str) -> Iterator[Document]:
    for action in actions:
        if isinstance(action.get("update"), Mapping):
            yield from action["update"].get(extension, ())


def _field_in_entry(name: str, extension: str, member: str, entry: Document, before: str, after: str) -> Iterator[Edit]:
    why = f"{before} is now {after}"
    path = entry_path(extension, "id", entry["id"])
    changed = re.sub(rf"\bself\.{re.escape(before)}\b", f"self.{after}", entry[member])
    if changed != entry[member]:
        yield Edit(name, {"target": path, "description": why, "update": {member: changed}})
    if entry.get("fieldPath") == f".{before}":
        yield Edit(name, {"target": path, "description": why, "update": {"fieldPath": f".{after}"}})
    elif f".{before}" in entry.get("fieldPath", ()):
        yield from _replaced_in_list(name, f"{path}.fieldPath", f".{before}", f".{after}", why)
    if any(quote.get("at") == f".{before}" for quote in entry.get("prose", ())):
        target = f"{path}.prose[?@.at == {quoted(f'.{before}')}]"
        yield Edit(name, {"target": target, "description": why, "update": {"at": f".{after}"}})


def _field_in_facts(name: str, document: Document, before: str, after: str) -> Iterator[Edit]:
    """Yield the edits of the fields that facts are looked up by, `face_choose[].audio_id`."""
    for member, path in dict.fromkeys(_fields_of_facts(document)):
        changed = re.sub(rf"(?<![\w-]){re.escape(before)}(?![\w-])", lambda _: after, path)
        if changed != path:
            target = f"$..[?@.kind && @.{member} == {quoted(path)}]"
            yield Edit(name, {"target": target, "description": f"{before} is now {after}", "update": {member: changed}})


def _fields_of_facts(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        provider = node.get("x-provider")
        if isinstance(provider, Mapping):
            yield from ((member, provider[member]) for member in ("key", "field") if member in provider)
    for child in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _fields_of_facts(child)


def _field_in_timeline(name: str, actions: Sequence[Action], before: str, after: str) -> Iterator[Edit]:
    word = re.compile(rf"\bself\.{re.escape(before)}\b")
    for action in actions:
        update = action.get("update")
        for bar in update.get("x-timeline", ()) if isinstance(update, Mapping) else ():
            ends = {end: bar[end] for end in ("start", "end") if word.search(bar.get(end, ""))}
            if ends:
                changed = {end: word.sub(f"self.{after}", text) for end, text in ends.items()}
                target = entry_path("x-timeline", "label", bar["label"])
                yield Edit(name, {"target": target, "description": f"{before} is now {after}", "update": changed})


def _replaced_in_list(name: str, path: str, before: str, after: str, why: str) -> Iterator[Edit]:
    yield Edit(name, {"target": path, "description": why, "update": [after]})
    yield Edit(name, {"target": f"{path}[?@ == {quoted(before)}]", "description": why, "remove": True})


def _targets_changed(name: str, targets: Sequence[str], word: re.Pattern[str], after: str, why: str) -> Iterator[Edit]:
    for target in dict.fromkeys(targets):
        changed = word.sub(lambda _: after, target)
        yield Edit(name, {"target": action_path(target), "description": why, "update": {"target": changed}})


def _path_renamed(before: str, after: str, documents: Mapping[str, Document]) -> Iterator[Edit]:
    why = f"{before} is now {after}"
    old, new = f"$.paths[{quoted(before)}]", f"$.paths[{quoted(after)}]"
    if before in documents[COMPANIONS]["paths"]:
        yield from _key_renamed(COMPANIONS, "$.paths", old, new, after, why)
    # The path that upstream has may be the one that the vendor's document names now.
    for action in documents[MAIN]["actions"]:
        also = action.get("update", {}).get("x-also-at", ()) if isinstance(action.get("update"), Mapping) else ()
        if after in also:
            target = f"$.actions[*].update['x-also-at'][?@ == {quoted(after)}]"
            yield Edit(MAIN, {"target": target, "description": why, "remove": True})


def _key_renamed(name: str, parent: str, old: str, new: str, key: str, why: str) -> Iterator[Edit]:
    """An overlay cannot rename a key: it makes the new one, copies, and removes the old one."""
    yield Edit(name, {"target": parent, "description": why, "update": {key: {}}})
    yield Edit(name, {"target": new, "description": why, "copy": old})
    yield Edit(name, {"target": old, "description": why, "remove": True})


def _method_renamed(
    old_path: str, path: str, before: str, after: str, documents: Mapping[str, Document]
) -> Iterator[Edit]:
    why = f"the method {before} is now {after}"
    word = re.compile(rf"(?<=\.){before}(?![\w-])")
    for name in OVERLAYS:
        targets = [one["target"] for one in documents[name]["actions"] if word.search(one["target"])]
        yield from _targets_changed(name, targets, word, after, why)
    where = f"$.paths[{quoted(path)}]"
    if before in documents[COMPANIONS]["paths"].get(old_path, {}):
        yield from _key_renamed(COMPANIONS, where, f"{where}.{before}", f"{where}.{after}", after, why)
