"""Prose coverage: which characters of the vendor's descriptions a rule, a keyword or a stated reason answers for."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from kling_contracts.documents.quotes import find_quote, holds_quote, is_blank
from kling_contracts.jsonio.json_pointer import pointer

Document = Mapping[str, Any]


class Passage(NamedTuple):
    """A quoted part of a description, and what answers for it."""

    text: str
    answers: tuple[str, ...]
    """Rule ids; or one reason why it is not enforced."""
    enforced: bool
    meaning: str = ""
    """In English; empty where nothing gives it."""


class Described(NamedTuple):
    """One description of the vendor's document."""

    pointer: str
    """JSON Pointer of the node that is described."""
    description: str
    passages: tuple[Passage, ...]
    uncovered: tuple[str, ...]
    """The runs of characters that nothing answers for."""
    strays: tuple[str, ...]
    """Quotes that do not stand in the description."""

    @property
    def characters(self) -> int:
        """How many characters must be answered for: all but spaces and punctuation."""
        return sum(map(_counts, self.description))

    @property
    def uncovered_characters(self) -> int:
        """How many of them nothing answers for."""
        return sum(sum(map(_counts, run)) for run in self.uncovered)


def coverage(vendor: Document, effective: Document) -> tuple[Described, ...]:
    """Compare every description of the vendor's document with what the effective document quotes of it."""
    quoted, meanings = _passages(effective), _meanings(effective)
    return tuple(
        _described(pointer, node["description"], quoted.get(pointer, {}), meanings)
        for pointer, node in _nodes(vendor, "")
        if node.get("description") and isinstance(node["description"], str)
    )


def coverage_text(described: tuple[Described, ...], can_show: Callable[[str], bool] = lambda text: True) -> str:
    """Return the coverage for people: every description, every quote, what answers for it, what is left over.

    `can_show` says of a text whether the output has its characters; where it has not, its meaning stands there.
    """
    total, open_ = sum(one.characters for one in described), sum(one.uncovered_characters for one in described)
    blocks = ["\n".join(_lines(one, can_show)) for one in described]
    share = 100 * (total - open_) / total if total else 100.0
    return "\n\n".join([*blocks, f"covered: {total - open_} of {total} characters, {share:.1f} %"])


def _lines(one: Described, can_show: Callable[[str], bool]) -> Iterator[str]:
    yield one.pointer
    for passage in sorted(one.passages, key=lambda passage: find_quote(one.description, passage.text) or (-1, -1)):
        answers = ", ".join(passage.answers)
        text = passage.text if can_show(passage.text) else f"({passage.meaning or f'{len(passage.text)} characters'})"
        yield f"  {text}  ->  {answers if passage.enforced else f'not enforced: {answers}'}"
    for run in one.uncovered:
        yield f"  {run}  ->  NOTHING ANSWERS FOR THIS"
    for stray in one.strays:
        yield f"  {stray}  ->  THE VENDOR DOES NOT SAY THIS"


def _meanings(effective: Document) -> Mapping[str, str]:
    """Return what quotes mean in English, where the overlay says it."""
    prose = (
        entry
        for _, node in _nodes(effective, "")
        for entries in (
            *node.get("x-prose", {}).values(),
            *(rule.get("prose", ()) for rule in node.get("x-validations", ())),
        )
        for entry in entries
    )
    return {entry["text"]: entry.get("en", "") for entry in prose}


Quoted = dict[str, dict[tuple[str, bool], list[str]]]
"""By node, then by text and whether it is enforced: the rule ids, or the reason."""


def _passages(effective: Document) -> Quoted:
    quoted: Quoted = {}
    for node_pointer, node in _nodes(effective, ""):
        for quoted_at, text, enforced, answer in _quotes(node, node_pointer):
            answers = quoted.setdefault(quoted_at, {}).setdefault((text, enforced), [])
            if answer not in answers:
                answers.append(answer)
    return quoted


def _quotes(node: Document, place: str) -> Iterator[tuple[str, str, bool, str]]:
    for entry in node.get("x-not-enforced", ()):
        yield place, entry["text"], False, entry["reason"]
    name = place.rpartition("/")[2]
    for keyword, entries in node.get("x-prose", {}).items():
        for entry in entries:
            yield place, entry["text"], True, f"{name}.{keyword}"
    for rule in node.get("x-validations", ()):
        for entry in rule.get("prose", ()):
            below = entry.get("at", "").replace(".", "/properties/", 1)
            yield place + below, entry["text"], True, rule["id"]


def _nodes(node: Any, place: str) -> Iterator[tuple[str, Document]]:
    if isinstance(node, dict):
        yield place, node
        for key, child in node.items():
            yield from _nodes(child, place + pointer((key,)))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _nodes(child, place + pointer((index,)))


def _described(
    pointer: str, description: str, quoted: Mapping[tuple[str, bool], list[str]], meanings: Mapping[str, str]
) -> Described:
    covered = [not _counts(character) for character in description]
    for text, _ in quoted:
        start, end = find_quote(description, text) or (0, 0)
        covered[start:end] = [True] * (end - start)
    passages = tuple(
        Passage(text, tuple(answers), enforced, meanings.get(text, "")) for (text, enforced), answers in quoted.items()
    )
    strays = tuple(passage.text for passage in passages if not holds_quote(description, passage.text))
    return Described(pointer, description, passages, tuple(_runs(description, covered)), strays)


def _runs(description: str, covered: list[bool]) -> Iterator[str]:
    """Uncovered characters, with the punctuation between them: a sentence is named whole."""
    run = ""
    for character, done in zip(description, covered, strict=True):
        if not done or (run and not _counts(character)):
            run += character
        elif run:
            yield _trimmed(run)
            run = ""
    if run:
        yield _trimmed(run)


def _trimmed(run: str) -> str:
    while not _counts(run[-1]):
        run = run[:-1]
    return run


def _counts(character: str) -> bool:
    return not is_blank(character) and not unicodedata.category(character).startswith("P")
