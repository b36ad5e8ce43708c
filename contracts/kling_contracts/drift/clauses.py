"""The clauses of one description, and what became of each of them in a newer one."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from kling_contracts.documents.prose_coverage import Passage
from kling_contracts.documents.quotes import folded, folded_text, is_blank
from kling_contracts.drift.alignment import aligned, is_match, is_sign
from kling_contracts.drift.wording import is_punctuation, tokens_of

MIN_LIKENESS: Final = 0.5
"""So much of a clause must be left in its place for it to be a changed clause and no other one."""
MIN_SENTENCE: Final = 6
"""Tokens from which on words that follow a whole clause without punctuation are a sentence of their own."""
_WORD: Final = re.compile(r"[A-Za-z0-9_]+")
_LIST_SIGNS: Final = frozenset("/、,.|")
_SENTENCE_END: Final = re.compile(r"(?<=[。;!?])")


class Clause(NamedTuple):
    """A quoted part of a description, and what answers for it."""

    text: str
    """As our documents quote it."""
    answers: tuple[str, ...]
    """Ids of rules; empty where a stated reason answers."""


class Became(NamedTuple):
    """One clause, and its words in the newer description; None where they are gone."""

    clause: Clause
    text: str | None


class Followed(NamedTuple):
    """Every clause of a description followed into the newer one."""

    became: tuple[Became, ...]
    new: tuple[str, ...]
    """Sentences of the newer description that no clause has become."""


def clauses_of(passages: Sequence[Passage]) -> tuple[Clause, ...]:
    """Return the clauses of a description; a passage that several quote is one clause."""
    answers: dict[str, list[str]] = {}
    for passage in passages:
        answers.setdefault(passage.text, []).extend(passage.answers if passage.enforced else ())
    return tuple(Clause(text, tuple(dict.fromkeys(ids))) for text, ids in answers.items())


def followed(old: str, clauses: Sequence[Clause], new: str) -> Followed:
    """Follow the clauses of a description into a newer one. The order of the result is that of the old description."""
    if folded(old) == folded(new):
        return Followed(tuple(Became(clause, clause.text) for clause in clauses), ())
    return _Following(old, clauses, new).result()


class _Following:
    def __init__(self, old: str, clauses: Sequence[Clause], new: str) -> None:
        self._old_text = folded(old)
        self._new = folded_text(new)
        self._original = new
        self._old_tokens = _tokens(old)
        self._new_tokens = _tokens(new)
        placed = [(self._old_text.find(folded(clause.text)), clause) for clause in clauses]
        self._clauses = sorted(((start, clause) for start, clause in placed if start >= 0), key=lambda pair: pair[0])
        self._strays = [clause for start, clause in placed if start < 0]
        self._old_words = [self._old_text[start:end] for start, end in self._old_tokens]
        self._new_words = [self._new.text[start:end] for start, end in self._new_tokens]
        self._map = aligned(self._old_words, self._new_words)

    def result(self) -> Followed:
        spans = [self._span(start, clause) for start, clause in self._clauses]
        taken = self._owners(spans)
        became = []
        for index, (_, clause) in enumerate(self._clauses):
            own = [token for token, owner in enumerate(taken) if owner == index]
            became.append(Became(clause, self._text(own[0], own[-1] + 1) if own and spans[index] else None))
        missing = [Became(clause, None) for clause in self._strays]
        return Followed((*became, *missing), tuple(self._sentences(taken)))

    def _span(self, start: int, clause: Clause) -> tuple[int, int] | None:
        """Return the range of new tokens that a clause has become; None where too little of it is left."""
        end = start + len(folded(clause.text))
        tokens = [index for index, (a, b) in enumerate(self._old_tokens) if a < end and b > start]
        targets = [(index, target) for index in tokens if (target := self._map[index]) is not None]
        kept = sum(is_match(self._old_words[index], self._new_words[target]) for index, target in targets)
        if not targets or kept < MIN_LIKENESS * len(tokens):
            return None
        span = targets[0][1], targets[-1][1] + 1
        return None if self._stands_elsewhere(clause, span) else span

    def _stands_elsewhere(self, clause: Clause, span: tuple[int, int]) -> bool:
        """Return whether a clause stands to the letter outside of what looks like it: two like ones changed places."""
        start = self._new.text.find(folded(clause.text))
        first, last = self._new_tokens[span[0]][0], self._new_tokens[span[1] - 1][1]
        return start >= 0 and not (start < last and start + len(folded(clause.text)) > first)

    def _owners(self, spans: Sequence[tuple[int, int] | None]) -> list[int | None]:
        """Return for each new token the clause that it belongs to: words that cling to a clause change its meaning."""
        owners: list[int | None] = [None] * len(self._new_tokens)
        for index, span in enumerate(spans):
            for token in range(*(span or (0, 0))):
                owners[token] = index if owners[token] is None else owners[token]
        for start, end in list(_free_runs(owners)):
            for a, b in self._pieces(start, end):
                owner = self._clung_to(a, b, owners)
                if owner is not None:
                    owners[a:b] = [owner] * (b - a)
        return owners

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Split a run of free tokens where punctuation or white space separates them."""
        begin = None
        for token in range(start, end):
            if self._is_punctuation(token):
                if begin is not None:
                    yield begin, token
                begin = None
            elif begin is not None and self._is_spaced(token):
                yield begin, token
                begin = token
            elif begin is None:
                begin = token
        if begin is not None:
            yield begin, end

    def _clung_to(self, start: int, end: int, owners: Sequence[int | None]) -> int | None:
        if end - start == 1 and _WORD.fullmatch(self._new_words[start]):
            return self._list_before(start, owners)
        if end - start >= MIN_SENTENCE:
            return None
        before = start and not self._is_spaced(start) and not self._is_punctuation(start - 1)
        if before and owners[start - 1] is not None:
            return owners[start - 1]
        after = end < len(owners) and not self._is_spaced(end) and not self._is_punctuation(end)
        return owners[end] if after else None

    def _list_before(self, item: int, owners: Sequence[int | None]) -> int | None:
        """Return the clause that ends with the list which an item continues: `.mp3/.wav` and then `/.m4a`."""
        last = item - 1
        while last >= 0 and self._new_words[last] in _LIST_SIGNS and not self._is_spaced(last + 1):
            last -= 1
        continues = 0 <= last < item - 1 and _WORD.fullmatch(self._new_words[last])
        return owners[last] if continues else None

    def _sentences(self, owners: Sequence[int | None]) -> Iterator[str]:
        for start, end in _free_runs(owners):
            for sentence in _SENTENCE_END.split(self._text(start, end)):
                trimmed = _trimmed(sentence)
                if not all(map(_is_edge, trimmed)):
                    yield trimmed

    def _text(self, start: int, end: int) -> str:
        first, last = self._new_tokens[start][0], self._new_tokens[end - 1][1]
        begin, stop = self._new.span(first, last)
        return self._original[begin:stop]

    def _is_punctuation(self, token: int) -> bool:
        return is_sign(self._new_words[token])

    def _is_spaced(self, token: int) -> bool:
        """Return whether white space stands before a token."""
        position = self._new.origins[self._new_tokens[token][0]]
        return position > 0 and is_blank(self._original[position - 1])


def _tokens(text: str) -> list[tuple[int, int]]:
    """Return the ranges of the tokens of a text, in its folded form; white space ends a word."""
    ranges, start = list[tuple[int, int]](), 0
    for part in text.split():
        length = len(folded(part))
        ranges += [(start + a, start + b) for a, b in tokens_of(folded(part))]
        start += length
    return ranges


def _free_runs(owners: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    start = None
    for token, owner in enumerate([*owners, -1]):
        if owner is None and start is None:
            start = token
        elif owner is not None and start is not None:
            yield start, token
            start = None


def _trimmed(text: str) -> str:
    """Cut white space and punctuation off both ends, but no bracket of a pair."""
    start, end = 0, len(text)
    while start < end and _is_edge(text[start]) and _PAIRS.get(text[start], "\n") not in text[start:end]:
        start += 1
    while end > start and _is_edge(text[end - 1]) and _OPENING.get(text[end - 1], "\n") not in text[start:end]:
        end -= 1
    return text[start:end]


_PAIRS: Final = dict(zip("([{(【「", ")]})】」", strict=True))
_OPENING: Final = {closing: opening for opening, closing in _PAIRS.items()}


def _is_edge(character: str) -> bool:
    return is_blank(character) or is_punctuation(character)
