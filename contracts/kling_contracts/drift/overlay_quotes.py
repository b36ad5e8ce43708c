"""The vendor's sentences that our overlays quote, and the place of each, which a patch has to change."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kling_contracts.documents import overlay
from kling_contracts.drift.structure import pointer_to

Document = dict[str, Any]
Steps = tuple[str | int, ...]


class OverlayQuote(NamedTuple):
    """One quote of the vendor in one of our overlays."""

    document: str
    """The name of its file."""
    target: str
    """The target of the action that holds it."""
    path: str
    """JSONPath of the quote within the overlay."""
    rule_path: str
    """JSONPath of what the quote belongs to: the rule, the update that holds a keyword, the list of reasons."""
    owner: str
    """Id of the rule, or the keyword; empty for a stated reason."""
    node: str
    """JSON Pointer of the node in the vendor's document that the rule sits on."""
    at: str
    """The field below that node whose description is quoted; empty: the node's own."""
    text: str
    meaning: str
    is_rule: bool
    content: Any
    """The rule, the update, or the quote itself where it is a reason."""

    @property
    def pointer(self) -> str:
        """JSON Pointer of the described node."""
        return pointer_to(f"{self.node}/properties", self.at) if self.at else self.node


def overlay_quotes(vendor: Document, overlays: Mapping[str, Document]) -> tuple[OverlayQuote, ...]:
    """Return every quote in overlays that are applied one after the other."""
    found: list[OverlayQuote] = []
    document = vendor
    for name, one in overlays.items():
        for action in one["actions"]:
            places = overlay.places(document, action["target"])
            if "update" in action:
                found += _in_update(name, action, _pointer(places[0]))
            document = overlay.apply(document, {**one, "actions": [action]}, name)
    return tuple(found)


def quoted(text: str) -> str:
    """Return a text as a string literal of JSONPath (RFC 9535)."""
    import json

    return json.dumps(text, ensure_ascii=False)


def action_path(target: str) -> str:
    """Return the JSONPath of the actions of an overlay that have a target."""
    return f"$.actions[?@.target == {quoted(target)}]"


def entry_path(extension: str, key: str, value: str) -> str:
    """Return the JSONPath of the entries of an extension that have a value under a key, in any update of an overlay."""
    return f"$.actions[*].update['{extension}'][?@.{key} == {quoted(value)}]"


def _pointer(parts: Steps) -> str:
    pointer = ""
    for part in parts:
        pointer = pointer_to(pointer, part)
    return pointer


def _in_update(name: str, action: Mapping[str, Any], node: str) -> Iterator[OverlayQuote]:
    update = action["update"]
    if not isinstance(update, Mapping):
        return
    target = action["target"]
    base = f"{action_path(target)}.update"
    for rule in update.get("x-validations", ()):
        path = entry_path("x-validations", "id", rule["id"])
        for quote in rule.get("prose", ()):
            at = quote.get("at", "")
            chosen = f"@.text == {quoted(quote['text'])}" + (f" && @.at == {quoted(at)}" if at else " && !@.at")
            yield OverlayQuote(
                name, target, f"{path}.prose[?{chosen}]", path, rule["id"],
                node, at.lstrip("."), quote["text"], quote["en"], True, rule,
            )  # fmt: skip
    for keyword, quotes in update.get("x-prose", {}).items():
        for quote in quotes:
            path = f"{base}['x-prose'].{keyword}[?@.text == {quoted(quote['text'])}]"
            yield OverlayQuote(name, target, path, base, keyword, node, "", quote["text"], quote["en"], False, update)
    for quote in update.get("x-not-enforced", ()):
        path = f"{base}['x-not-enforced'][?@.text == {quoted(quote['text'])}]"
        yield OverlayQuote(name, target, path, path, "", node, "", quote["text"], "", False, quote)
