"""Texts for a terminal: colours, its width, and only characters that the output can show."""

import os
import re
import sys
from typing import Final

import click

_BESIDE_BAR: Final = 38
"""Columns of a timeline's line beside its bar: the label, and times of five digits."""
_LEAST_BAR: Final = 10
_DRAWN: Final = "├─┤│"
_ASCII: Final = str.maketrans(_DRAWN, "|-||")

_QUOTE: Final = re.compile(r"^( *vendor: ).*?  (\(.*\))$", re.MULTILINE)
"""A quoted sentence, with its meaning behind it."""
_VERDICT: Final = re.compile(
    r"(?P<green>(?<=: )valid$|(?<=, )no finding$|(?<=  )good(?=  |$))"
    r"|(?P<red>(?<=: )\d+ violations?(?=; )|(?<=: )not read(?=: )|(?<=, )\d+ findings?$|(?<=  )BAD(?=  |$))"
    r"|(?P<yellow>(?<=: )no violation(?=, but )|^ *not (?:verified|judged)(?=[,:])|^ *note(?=: ))",
    re.MULTILINE,
)


def bar_width() -> int:
    """Return how many columns the longest bar of a timeline may have on this terminal."""
    from kling_contracts.judging.timeline import WIDTH

    if not (sys.stdout.isatty() or os.environ.get("COLUMNS")):
        return WIDTH
    import shutil

    return max(_LEAST_BAR, min(WIDTH, shutil.get_terminal_size().columns - _BESIDE_BAR))


def show(text: str) -> None:
    """Print a report for people; in colour on a terminal, unless `NO_COLOR` is set (see no-color.org)."""
    coloured = _VERDICT.sub(lambda match: click.style(match[0], fg=match.lastgroup, bold=True), showable(text))
    click.echo(coloured, nl=False, color=False if os.environ.get("NO_COLOR") else None)


def showable(text: str) -> str:
    """Return a text that the output can show: drawings in ASCII, of a quoted sentence its meaning alone.

    A sentence in Chinese would be a row of escapes. An output that can show all of a text gets it as it is.
    """
    if not _shows(_DRAWN):
        text = text.translate(_ASCII)
    return _QUOTE.sub(lambda quote: quote[0] if _shows(quote[0]) else f"{quote[1]}{quote[2]}", text)


def write_utf8(text: str) -> None:
    """Print what a program reads: in a file or a pipe it is UTF-8, whatever the locale, as JSON, YAML and XML say."""
    # Half a surrogate, which JSON may hold, becomes the escape that JSON has for it.
    click.echo(text if sys.stdout.isatty() else text.encode("utf-8", "backslashreplace"), nl=False)


def _shows(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
