"""Which part of a new description each clause of the old one has become: a global alignment with affine gaps (Gotoh).

Gaps that are cheap to extend keep an inserted sentence in one piece instead of scattering it over its neighbours.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from kling_contracts.drift.wording import is_punctuation

Tokens = Sequence[str]
Aligned = list[int | None]
"""For each old token the index of the new one that it became; None where it is gone."""

MAX_CELLS: Final = 1_000_000
"""Old tokens times new ones; beyond it difflib answers, less exactly."""
_SAME, _NUMBER, _OTHER, _OPEN, _EXTEND = 4, 2, -2, -6, -1
_OPEN_AT_SIGN: Final = -5
"""A gap that begins with punctuation or behind it is likelier: sentences are inserted between sentences."""
_NEVER: Final = -(10**9)
_DIAGONAL, _DELETE, _INSERT = 0, 1, 2


def aligned(old: Tokens, new: Tokens) -> Aligned:
    """Align two token lists; a number may become another number."""
    head = _whole(old, _common(old, new))
    rest_old, rest_new = old[head:][::-1], new[head:][::-1]
    tail = _whole(rest_old, _common(rest_old, rest_new))
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(middle_old) * len(middle_new) > MAX_CELLS:
        middle = _by_difflib(middle_old, middle_new)
    else:
        middle = _by_gotoh(middle_old, middle_new)
    shift = len(new) - len(old)
    return [
        *range(head),
        *(None if index is None else index + head for index in middle),
        *range(len(old) - tail + shift, len(new)),
    ]


def is_match(old: str, new: str) -> bool:
    """Return whether two tokens are the same, or both numbers."""
    return old == new or (_is_number(old) and _is_number(new))


def is_sign(token: str) -> bool:
    """Return whether a token is punctuation: where a sentence may begin or end."""
    return all(map(is_punctuation, token))


def _is_number(token: str) -> bool:
    return token[0].isdigit()


def _common(one: Tokens, other: Tokens) -> int:
    """Return how many tokens both begin with."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _whole(tokens: Tokens, count: int) -> int:
    """Return how many of the first tokens are whole sentences: what is common to two sentences is not one of them."""
    while count and count < len(tokens) and not is_sign(tokens[count - 1]):
        count -= 1
    return count


def _by_difflib(old: Tokens, new: Tokens) -> Aligned:
    result: Aligned = [None] * len(old)
    for start, begins, size in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        result[start : start + size] = range(begins, begins + size)
    return result


def _score(old: str, new: str) -> int:
    if old == new:
        return _SAME
    return _NUMBER if is_match(old, new) else _OTHER


def _by_gotoh(old: Tokens, new: Tokens) -> Aligned:
    """Fill one row for each old token, keeping for each of the three states the state that it came from."""
    width = len(new) + 1
    opening_old, opening_new = _openings(old), _openings(new)
    first = opening_new[0] if new else 0
    scores = [[0, *([_NEVER] * len(new))], [_NEVER] * width, [_NEVER, *(first + _EXTEND * n for n in range(len(new)))]]
    ways: list[list[tuple[int, int, int]]] = []
    for token, opening in zip(old, opening_old, strict=True):
        scores, origins = _row(token, opening, new, opening_new, scores)
        ways.append(origins)
    ends = [row[-1] for row in scores]
    return _traced(ways, len(old), len(new), ends.index(max(ends)))


def _openings(tokens: Tokens) -> list[int]:
    """Return for each token what a gap costs that begins with it."""
    signs = [True, *map(is_sign, tokens)]
    return [_OPEN_AT_SIGN if signs[index] or signs[index + 1] else _OPEN for index in range(len(tokens))]


def _row(
    token: str, opening: int, new: Tokens, opening_new: list[int], above: list[list[int]]
) -> tuple[list[list[int]], list[tuple[int, int, int]]]:
    diagonal, delete, insert = [_NEVER], [0], [_NEVER]
    first = _best(above[0][0] + opening, above[1][0] + _EXTEND, above[2][0] + opening)
    delete[0] = first[0]
    origins = [(0, first[1], 0)]
    for column, other in enumerate(new, 1):
        score = _score(token, other)
        best, from_diagonal = _best(above[0][column - 1], above[1][column - 1], above[2][column - 1])
        diagonal.append(best + score)
        best, from_delete = _best(above[0][column] + opening, above[1][column] + _EXTEND, above[2][column] + opening)
        delete.append(best)
        open_at = opening_new[column - 1]
        best, from_insert = _best(diagonal[column - 1] + open_at, delete[column - 1] + open_at, insert[-1] + _EXTEND)
        insert.append(best)
        origins.append((from_diagonal, from_delete, from_insert))
    return [diagonal, delete, insert], origins


def _best(diagonal: int, delete: int, insert: int) -> tuple[int, int]:
    if diagonal >= delete and diagonal >= insert:
        return diagonal, _DIAGONAL
    return (delete, _DELETE) if delete >= insert else (insert, _INSERT)


def _traced(ways: list[list[tuple[int, int, int]]], row: int, column: int, state: int) -> Aligned:
    result: Aligned = [None] * row
    while row:
        came = ways[row - 1][column][state]
        if state == _DIAGONAL:
            row, column = row - 1, column - 1
            result[row] = column
        elif state == _DELETE:
            row -= 1
        else:
            column -= 1
        state = came
    return result
