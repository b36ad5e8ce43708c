"""The options that choose a contract, for every command that judges by one."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from kling_contracts import Contract


class ContractOptions(NamedTuple):
    """The choice of a contract, as `Contract.load` takes it."""

    profile: str
    upstream_state: bool
    null_is_absent: bool
    documents: Path | None
    """The folder of the documents; None: the installed ones."""

    def load(self) -> "Contract":
        """Return the contract. Raises `click.BadParameter` where there is no such profile."""
        from kling_contracts import Contract, DocumentError

        try:
            return Contract.load(
                self.profile,
                upstream_state=self.upstream_state,
                null_is_absent=self.null_is_absent,
                folder=self.documents,
            )
        except DocumentError:
            raise
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'--profile'") from None


def contract_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose a contract; the command gets them as one, `choice`."""

    @wraps(command)
    def with_choice(
        *arguments: Any,
        profile: str,
        upstream_state: bool,
        null_is_absent: bool,
        documents: Path | None,
        **options: Any,
    ) -> None:
        command(*arguments, choice=ContractOptions(profile, upstream_state, null_is_absent, documents), **options)

    for option in _OPTIONS:
        option(with_choice)
    return with_choice


_OPTIONS = (
    click.option(
        "--no-upstream-state",
        "upstream_state",
        is_flag=True,
        callback=lambda context, option, is_dropped: not is_dropped,
        help="Drop the two rules that only Kling's own documentation states: session age, external id twice.",
    ),
    click.option(
        "--null-is-absent",
        is_flag=True,
        help="Let a documented field that is null count as absent, as the profile upstream does.",
    ),
    click.option(
        "--documents",
        metavar="FOLDER",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Documents of one's own instead of Kling's: NAME.openapi.yaml and NAME.overlay.yaml; see docs/overlay.md.",
    ),
    click.option(
        "--profile",
        metavar="NAME",
        default="documented",
        show_default=True,
        help="documented: the vendor's document as published; upstream: volumes are optional floats, null is absent, "
        "fractions of times are cut. A folder of one's own has a profile for each further overlay.",
    ),
)
"""The last of them stands first in the help."""
