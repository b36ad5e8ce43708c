"""Drawing: the steps of a solved part as one compiled function, which puts each number into a dictionary."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from kling_contracts.cases.choosers import Chooser
from kling_contracts.cases.linear import DrawStep, Form
from kling_contracts.cases.written_code import function

Values = dict[str, Any]
"""By name, the drawn numbers, and texts that hang on the number that tells cases apart, `n`."""
Draw = Callable[[Values, Chooser], None]

WIDTH: Final = 2**16
"""How far from its bound a number is drawn that has only one."""
_FEW: Final = 8
_ASKED: Final = "between({low}, {high})"
_SEEDED: Final = (
    "({low} + int(drawn * ({high} - {low} + 1)) if (drawn := random() * 1.25) < 1 "
    "else {low} if drawn < 1.125 else {high})"
)
"""The work of `SeededChooser.between`, written in place: to call it for each number takes twice as long."""


@lru_cache(maxsize=4096)
def compiled(steps: Sequence[DrawStep], first: str, *, is_seeded: bool = False) -> Draw:
    """Return the function that draws one part; the variable `first` is a distance past a limit.

    `is_seeded`: with a `SeededChooser` only, and faster.
    """
    between, lines = _SEEDED if is_seeded else _ASKED, []
    drawn: dict[str, str] = {}
    for step in steps:
        low, high = _bound("low", "max", _lows(step, drawn)), _bound("high", "min", _highs(step, drawn))
        lines += [*low, *high]
        if step.name == first:
            # It is drawn first, so its bounds are numbers: what else holds may ask for more than the least distance.
            least = "low" if low else "0"
            number = f"{least} + chooser.beyond({f'high - {least}' if high else 'None'})"
        else:
            lines += [] if high else [f"  high = {'(low if low > 0 else 0)' if low else '0'} + {WIDTH}"]
            lines += [] if low else [f"  low = {'(high if high < 0 else 0)' if high else '0'} - {WIDTH}"]
            number = f"{between.format(low='low', high='high')} if low < high else low"
        drawn[step.name] = f"x{len(drawn)}"
        lines.append(f"  {drawn[step.name]} = v[{step.name!r}] = {number}")
    return _function(lines, is_seeded)


@lru_cache(maxsize=1024)
def compiled_at_once(bounds: tuple[tuple[str, tuple[int, int]], ...]) -> Draw:
    """Return the function that draws numbers between bounds with a `SeededChooser`."""
    return _function([f"  v[{name!r}] = {_between(low, high)}" for name, (low, high) in bounds], True)


def _between(low: int, high: int) -> str:
    """Return the expression of one number; of a few numbers each end is frequent without more."""
    return f"{low} + int(random() * {high - low + 1})" if high - low <= _FEW else _SEEDED.format(low=low, high=high)


def _function(lines: Sequence[str], is_seeded: bool) -> Draw:
    source = "random = chooser.random" if is_seeded else "between = chooser.between"
    return function(["def make(v, chooser):", f"  {source}", *lines], {"max": max, "min": min, "int": int})


def loose(steps: Sequence[DrawStep], first: str) -> tuple[int, int] | None:
    """Return the bounds of a part that is one number with nothing to do with others; None for any other part."""
    (step, *more) = steps
    if more or step.name == first or any(form.terms for _, form in (*step.lows, *step.highs)):
        return None
    lows = [-(form.constant // factor) for factor, form in step.lows]
    highs = [form.constant // factor for factor, form in step.highs]
    low = max(lows) if lows else (min(highs) if highs and min(highs) < 0 else 0) - WIDTH
    return low, min(highs) if highs else (low if lows and low > 0 else 0) + WIDTH


def decoded(digit: int, low: int, high: int) -> int:
    """Return the number that a digit below `options(low, high)` stands for; 0 is the one nearest to 0."""
    span = high - low
    if digit > span:
        return high if digit & 1 else low
    nearest = min(max(0, low), high)
    return nearest + digit if nearest + digit <= high else high - digit


def options(low: int, high: int) -> int:
    """Return how many digits stand for the numbers between two bounds: a third of them for the bounds."""
    span = high - low
    return span + span // 2 + 3 if span else 1


def _bound(name: str, function: str, bounds: Sequence[str]) -> list[str]:
    """Return the lines that find the narrowest of several bounds; the first two are compared without a call."""
    if len(bounds) == 2:
        one, other = bounds
        better = ">" if function == "max" else "<"
        return [f"  {name} = {one}", f"  other = {other}", f"  if other {better} {name}: {name} = other"]
    return [f"  {name} = {f'{function}({chr(44).join(bounds)})' if len(bounds) > 1 else bounds[0]}"] if bounds else []


def _lows(step: DrawStep, drawn: Mapping[str, str]) -> list[str]:
    return [
        _sum(form.times(-1), drawn) if factor == 1 else f"-(({_sum(form, drawn)}) // {factor})"
        for factor, form in step.lows
    ]


def _highs(step: DrawStep, drawn: Mapping[str, str]) -> list[str]:
    return [_sum(form, drawn) if factor == 1 else f"({_sum(form, drawn)}) // {factor}" for factor, form in step.highs]


def _sum(form: Form, drawn: Mapping[str, str]) -> str:
    """Return an expression over the drawn numbers as Python."""
    parts = [f"{'-' if value < 0 else '+'} {_times(abs(value))}{drawn[name]}" for name, value in form.terms]
    return " ".join([str(form.constant), *parts])


def _times(factor: int) -> str:
    return "" if factor == 1 else f"{factor} * "
