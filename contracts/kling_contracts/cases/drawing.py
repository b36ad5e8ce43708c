"""Drawing: the steps of a solved part as one compiled function, which puts each number into a dictionary."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from kling_contracts.cases.linear import DrawStep, Form

Values = dict[str, int]
Draw = Callable[[Values, "Chooser"], None]

WIDTH: Final = 2**16
"""How far from its bound a number is drawn that has only one."""
CLASSES: Final = ((0, 0), (1, 1), (2, 98), (99, 9_998), (9_999, 10**6))
"""Steps past the limit: at once behind it, one further, about 1 %, more, and so far that a swapped pair shows."""


class Chooser(Protocol):
    """Draws numbers: from a seed, or through Hypothesis."""

    def below(self, options: int) -> int:
        """Return a number from 0 up to, but not including, `options`; 0 is the simplest."""

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`; the one nearest to 0 is the simplest."""

    def several(self, bounds: Sequence[tuple[int, int]]) -> Sequence[int]:
        """Return a number between each pair of bounds, all at once; often one of the two."""

    def beyond(self, most: int | None) -> int:
        """Return how many steps to go past the first distance behind a limit; None: as many as wanted."""


@lru_cache(maxsize=4096)
def compiled(steps: Sequence[DrawStep], first: str) -> Draw:
    """Return the function that draws one part; the variable `first` is a distance past a limit."""
    lines = ["def draw(v, chooser):"]
    for step in steps:
        low, high = _low(step), _high(step)
        name = repr(step.name)
        if step.name == first:
            # It is drawn first, so its bounds are numbers: what else holds may ask for more than the least distance.
            lines.append(f"  low = {low or 0}")
            lines.append(f"  v[{name}] = low + chooser.beyond({f'{high} - low' if high else 'None'})")
        elif low and high:
            lines += [f"  low = {low}", f"  high = {high}"]
            lines.append(f"  v[{name}] = chooser.between(low, high) if low < high else low")
        elif low:
            lines += [f"  low = {low}", f"  v[{name}] = chooser.between(low, (low if low > 0 else 0) + {WIDTH})"]
        elif high:
            lines += [f"  high = {high}", f"  v[{name}] = chooser.between((high if high < 0 else 0) - {WIDTH}, high)"]
        else:
            lines.append(f"  v[{name}] = chooser.between({-WIDTH}, {WIDTH})")
    scope: dict[str, Any] = {}
    exec("\n".join(lines), {"__builtins__": {"max": max, "min": min}}, scope)
    draw: Draw = scope["draw"]
    return draw


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


def source_of(form: Form) -> str:
    """Return an expression over the drawn values as Python."""
    text = " + ".join(f"v[{name!r}]" if factor == 1 else f"{factor} * v[{name!r}]" for name, factor in form.terms)
    return f"{text} + {form.constant}" if text and form.constant else text or str(form.constant)


def _low(step: DrawStep) -> str:
    bounds = [f"-({_divided(form, factor)})" for factor, form in step.lows]
    return f"max({', '.join(bounds)})" if len(bounds) > 1 else "".join(bounds)


def _high(step: DrawStep) -> str:
    bounds = [_divided(form, factor) for factor, form in step.highs]
    return f"min({', '.join(bounds)})" if len(bounds) > 1 else "".join(bounds)


def _divided(form: Form, factor: int) -> str:
    return source_of(form) if factor == 1 else f"(({source_of(form)}) // {factor})"
