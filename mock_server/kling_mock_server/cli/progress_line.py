"""One line on the terminal that says how far a command is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a text in place of the one before; nothing is shown where there is no terminal."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    yield lambda text: click.echo(f"\r{text}", nl=False, err=True)
    click.echo("\r\033[K", nl=False, err=True)
