"""The options that choose a contract, for every command that judges by one."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


def profile_options(command: Decorated) -> Decorated:
    """Add the options that choose a contract."""
    command = click.option(
        "--no-upstream-state",
        "upstream_state",
        is_flag=True,
        default=True,
        flag_value=False,
        help="Drop the two rules that only Kling's own documentation states: session age, external id twice.",
    )(command)
    return click.option(
        "--profile",
        type=click.Choice(["documented", "upstream"]),
        default="documented",
        show_default=True,
        help="documented: the vendor's document as published; upstream: volumes are floats and optional.",
    )(command)
