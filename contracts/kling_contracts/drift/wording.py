"""The kind of change that one sentence went through: numbers, lists, negations, words."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import takewhile
from typing import Final, NamedTuple

from kling_contracts.documents.quotes import folded

_TIME: Final = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE: Final = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_UNITS: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(("毫秒", "ms", "milliseconds", "millisecond"), ("ms", "ms")),
    **dict.fromkeys(("秒钟", "秒", "s", "sec", "seconds", "second"), ("ms", "s")),
    **dict.fromkeys(("分钟", "分", "min", "minutes", "minute"), ("ms", "min")),
    **dict.fromkeys(("个小时", "小时", "h", "hours", "hour"), ("ms", "h")),
    **dict.fromkeys(("天", "日", "days", "day"), ("ms", "d")),
    **dict.fromkeys(("字节", "bytes", "byte"), ("bytes", "B")),
    **dict.fromkeys(("kb", "k"), ("bytes", "KB")),
    **dict.fromkeys(("mb", "m", "兆"), ("bytes", "MB")),
    **dict.fromkeys(("gb", "g"), ("bytes", "GB")),
    **dict.fromkeys(("像素", "px", "p"), ("px", "")),
    **{word: (word, "") for word in ("个", "人", "条", "次", "位", "字符", "字", "段", "倍", "%")},
}
"""Units as they are written: the unit of the value, and the one that it is counted in."""

_WORDS: Final = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_HAN: Final = {one: number for number, one in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_QUANTITY: Final = re.compile(
    rf"(?:(?<![\w.])|(?<=[^\x00-\x7f]))(?P<number>(?:(?<=[\[(,:])-)?\d+(?:\.\d+)?)(?: ?(?P<unit>{_WORDS})(?![A-Za-z]))?"
    rf"|(?P<han>[〇零一二两三四五六七八九十百]+)(?P<han_unit>毫秒|秒钟|秒|分钟|小时|天)",
    re.IGNORECASE,
)
_ITEM: Final = r"\.?(?:[A-Za-z][A-Za-z0-9_]*|[0-9][A-Za-z][A-Za-z0-9_]*)"
_LIST: Final = re.compile(rf"{_ITEM}(?:(?:[/、,;|]|或|和|及|与| or | and ){_ITEM})*", re.IGNORECASE)
_SEPARATOR: Final = re.compile(r"[/、,;|]|或|和|及|与")
_INTERVAL: Final = re.compile(r"([\[(])#[,~\-–—至到]+#([\])])")

_NEGATIONS: Final = ("不", "无", "非", "未", "没", "勿", "禁", "莫", "not", "never", "without", "no", "cannot")
_MODALS: Final = (
    *("必须", "必需", "应当", "应该", "可以", "能够", "允许", "需要", "建议", "推荐", "最好", "尽量", "原则上", "一般"),
    *("至少", "至多", "最多", "最少", "仅", "只", "暂时", "暂", "须", "应", "可", "能", "需", "约", "左右"),
    *("must", "should", "shall", "may", "can", "only", "at least", "at most"),
)
_DIRECTIONS: Final = (
    *("短于", "长于", "早于", "晚于", "大于", "小于", "超过", "少于", "多于", "低于", "高于", "等于", "达到"),
    *("以上", "以下", "以内", "以外", "之前", "之后", "longer", "shorter", "earlier", "later", "more", "less"),
)
_SIGNALS: Final = re.compile(
    "|".join(
        rf"(?<![a-z]){signal}(?![a-z])" if signal.isascii() else signal
        for signal in sorted((*_MODALS, *_DIRECTIONS, *_NEGATIONS), key=len, reverse=True)
    )
)


class WordedQuantity(NamedTuple):
    """One number of a sentence: its value in ms, bytes or whatever it counts."""

    value: Decimal
    unit: str
    text: str

    @property
    def number(self) -> int | float:
        """The value as JSON has it."""
        return int(self.value) if self.value == self.value.to_integral_value() else float(self.value)


class Wording(NamedTuple):
    """How a sentence changed: a kind of `change.SEVERITIES`, or `same`."""

    kind: str
    quantities: tuple[tuple[WordedQuantity, WordedQuantity], ...] = ()
    """The numbers that changed, old and new."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """The items that the list gained and lost."""


def compared(old: str, new: str) -> Wording:
    """Return how a sentence changed. A number that is written in another unit and is the same is no change."""
    if folded(old) == folded(new):
        return Wording("same")
    before, after = _Shape(_worded(old)), _Shape(_worded(new))
    if before.skeleton == after.skeleton and before.intervals == after.intervals:
        changed = tuple(pair for pair in zip(before.quantities, after.quantities, strict=True) if _differ(*pair))
        added, removed = _missing(after.items, before.items), _missing(before.items, after.items)
        if added or removed:
            return Wording("list-changed", changed, added, removed)
        return Wording("limit-changed" if changed else "reworded", changed)
    if before.signals != after.signals and (before.rest == after.rest or before.negations != after.negations):
        return Wording("negation-changed")
    return Wording("meaning-unclear")


def quantities_of(text: str) -> tuple[WordedQuantity, ...]:
    """Return the numbers of a sentence in order; `0分0秒` is one of them."""
    return tuple(quantity for _, _, quantity in _found(_worded(text)))


def _worded(text: str) -> str:
    """Return a text folded, but for the space that separates two ASCII words."""
    parts = [folded(part) for part in text.split()]
    joined = ""
    for part in parts:
        joined += " " * bool(joined and part and _is_ascii_word(joined[-1]) and _is_ascii_word(part[0])) + part
    return joined


def _is_ascii_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def tokens_of(folded_text: str) -> list[tuple[int, int]]:
    """Return the ranges of the tokens of a folded text: a number, an ASCII word, or one other character."""
    return [match.span() for match in _TOKEN.finditer(folded_text)]


_TOKEN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\d+(?:\.\d+)?|.", re.DOTALL)


def is_punctuation(character: str) -> bool:
    """Return whether prose coverage leaves a character out."""
    return unicodedata.category(character).startswith("P")


class _Shape:
    """A sentence with its numbers and lists taken out and set apart."""

    def __init__(self, text: str) -> None:
        found = list(_found(text))
        self.quantities = tuple(quantity for _, _, quantity in found)
        masked = _replaced(text, [(start, end, "#") for start, end, _ in found])
        self.intervals = _INTERVAL.findall(masked)
        lists = [match for match in _LIST.finditer(masked) if _SEPARATOR.search(match[0]) or "." in match[0]]
        self.items = tuple(item.lower().lstrip(".") for one in lists for item in _items(one[0]))
        unlisted = _replaced(masked, [(*one.span(), "@") for one in lists]).casefold()
        self.skeleton = _bare(unlisted)
        self.signals = Counter(_SIGNALS.findall(unlisted))
        self.negations = sum(count for signal, count in self.signals.items() if signal in _NEGATIONS)
        self.rest = _bare(_SIGNALS.sub("", unlisted))


def _items(text: str) -> list[str]:
    return [item for item in _SEPARATOR.split(text) if item]


def _found(text: str) -> Iterator[tuple[int, int, WordedQuantity]]:
    """Yield numbers with their ranges, those of one time (minutes and seconds) joined."""
    matches = list(_QUANTITY.finditer(text))
    index = 0
    while index < len(matches):
        run = [matches[index], *_continuing(matches, index)]
        parts = [_quantity(match) for match in run]
        start, end = run[0].start(), run[-1].end()
        yield (
            start,
            end,
            WordedQuantity(sum((part.value for part in parts), Decimal(0)), parts[0].unit, text[start:end]),
        )
        index += len(run)


def _continuing(matches: list[re.Match[str]], index: int) -> list[re.Match[str]]:
    """Return what follows a number without a gap, as seconds follow minutes."""
    pairs = zip(matches[index:], matches[index + 1 :], strict=False)
    return [later for _, later in takewhile(lambda pair: _continues(*pair), pairs)]


def _continues(first: re.Match[str], second: re.Match[str]) -> bool:
    return first.end() == second.start() and _quantity(first).unit == _quantity(second).unit == "ms"


def _quantity(match: re.Match[str]) -> WordedQuantity:
    word = (match["unit"] or match["han_unit"] or "").lower()
    unit, counted = _UNITS.get(word, (word, ""))
    number = Decimal(match["number"]) if match["number"] else Decimal(_han(match["han"]))
    return WordedQuantity(number * (_TIME.get(counted) or _SIZE.get(counted) or 1), unit, match[0])


def _han(text: str) -> int:
    """Return a Chinese numeral below a thousand; digits that merely stand side by side are read as such."""
    if not set(text) & {"十", "百"}:
        return int("".join(str(_HAN[one]) for one in text))
    total, digit = 0, 0
    for one in text:
        if one in _HAN:
            digit = _HAN[one]
        else:
            total += (digit or 1) * (100 if one == "百" else 10)
            digit = 0
    return total + digit


def _replaced(text: str, ranges: list[tuple[int, int, str]]) -> str:
    for start, end, by in reversed(ranges):
        text = text[:start] + by + text[end:]
    return text


def _bare(text: str) -> str:
    return "".join(one for one in text if one in "#@" or not (one == " " or is_punctuation(one)))


def _differ(one: WordedQuantity, other: WordedQuantity) -> bool:
    return (one.value, one.unit) != (other.value, other.unit)


def _missing(items: tuple[str, ...], among: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(item for item in items if item not in among)
