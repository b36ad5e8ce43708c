"""Texts for a terminal: colours, its width, and only characters that the output can show."""

import os
import re
import sys
from typing import Final

import click

from kling_mock_server.reports.showable import showable

_BESIDE_BAR: Final = 38
"""Columns of a timeline's line beside its bar: the label, and times of five digits."""
_LEAST_BAR: Final = 10

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


def write_utf8(text: str) -> None:
    """Print what a program reads: in a file or a pipe it is UTF-8, whatever the locale, as JSON, YAML and XML say."""
    # Half a surrogate, which JSON may hold, becomes the escape that JSON has for it.
    click.echo(text if sys.stdout.isatty() else text.encode("utf-8", "backslashreplace"), nl=False)
