"""The options that choose a contract, for every command that judges by one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kling_contracts import Contract

Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


def profile_options(command: Decorated) -> Decorated:
    """Add the options that choose a contract: `profile`, `upstream_state`, `null_is_absent` and `documents`."""
    command = click.option(
        "--no-upstream-state",
        "upstream_state",
        is_flag=True,
        callback=lambda context, option, is_dropped: not is_dropped,
        help="Drop the two rules that only Kling's own documentation states: session age, external id twice.",
    )(command)
    command = click.option(
        "--null-is-absent",
        is_flag=True,
        help="Let a documented field that is null count as absent, as the profile upstream does.",
    )(command)
    command = click.option(
        "--documents",
        metavar="FOLDER",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Documents of one's own instead of Kling's: NAME.openapi.yaml and NAME.overlay.yaml; see docs/overlay.md.",
    )(command)
    return click.option(
        "--profile",
        metavar="NAME",
        default="documented",
        show_default=True,
        help="documented: the vendor's document as published; upstream: volumes are optional floats, null is absent, "
        "fractions of times are cut. A folder of one's own has a profile for each further overlay.",
    )(command)


def chosen_contract(profile: str, *, upstream_state: bool, null_is_absent: bool, documents: Path | None) -> "Contract":
    """Return the contract that the options choose; an unknown profile is misuse."""
    from kling_contracts import Contract, DocumentError

    try:
        return Contract.load(profile, upstream_state=upstream_state, null_is_absent=null_is_absent, folder=documents)
    except DocumentError:
        raise
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--profile'") from None
