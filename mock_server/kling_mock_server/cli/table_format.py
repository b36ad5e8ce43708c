"""`--format`, for every command that prints a table of what there is."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


def table_format(says: str) -> Callable[[Decorated], Decorated]:
    """Add the option `form`: `text`, `json` or `markdown`. Its help `says` what is printed."""
    formats = click.Choice(["text", "json", "markdown"])
    return click.option("--format", "form", type=formats, default="text", show_default=True, help=says)
