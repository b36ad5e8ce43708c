"""The progress of a command on a terminal; a file or a pipe gets nothing of it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import click


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a text in place of the one before; nothing is shown where there is no terminal."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    yield lambda text: click.echo(f"\r{text}", nl=False, err=True)
    click.echo("\r\033[K", nl=False, err=True)


class ProgressBar:
    """Told how many are done, and of how many: shows a bar with the rate or, without a total, a line."""

    def __init__(self, label: str, unit: str, line: Callable[[str], None], opened: ExitStack) -> None:
        self.label = label
        self.unit = unit
        self.line = line
        self.opened = opened
        self.began_s = time.monotonic()
        self.advance: Callable[[int, str], None] | None = None

    def __call__(self, number: int, total: int | None) -> None:
        """Show that `number` of `total` are done; None: the time decides how many there are."""
        per_s = number / max(time.monotonic() - self.began_s, _LEAST_S)
        rate = f"{per_s:.{0 if per_s >= 10 else 1}f} {self.unit}/s"
        if total is None:
            self.line(f"{self.label}: {number} {self.unit}, {rate}")
            return
        if self.advance is None:
            self.advance = self._opened(total)
        self.advance(number, rate)

    def _opened(self, total: int) -> Callable[[int, str], None]:
        bar = click.progressbar(
            length=total, label=self.label, file=sys.stderr, width=0, show_pos=True, item_show_func=lambda rate: rate
        )
        shown: Any = self.opened.enter_context(bar)
        return lambda number, rate: shown.update(number - shown.pos, rate)


@contextmanager
def progress_bar(label: str, unit: str = "cases") -> Iterator[Callable[[int, int | None], None]]:
    """Yield what is told how many are done, and of how many; nothing is shown where there is no terminal."""
    if not sys.stderr.isatty():
        yield lambda number, total: None
        return
    with progress_line() as line, ExitStack() as opened:
        yield ProgressBar(label, unit, line, opened)


_LEAST_S: Final = 0.001
