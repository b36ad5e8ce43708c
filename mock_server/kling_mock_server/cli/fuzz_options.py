"""The options of `klingkit fuzz` beside its target, the contract and the report."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import click

from kling_mock_server.cli.environment import options_of

SERVER: Final = "a server"
CALLABLE: Final = "a validator or builder"
RECEIVER: Final = "a receiver of callbacks"

_FOREIGN: Final[Mapping[str, frozenset[str]]] = {
    SERVER: frozenset({"webhook_secrets", "kind"}),
    CALLABLE: frozenset(
        {"webhook_secrets", "time_s", "token", "world_file", "callback_url", "only_invalid", "allow_valid", "rules"}
        | {"operations", "timeout_s"}
    ),
    RECEIVER: frozenset({"world_file", "token", "callback_url", "operations", "kind"}),
}
"""By kind of target, the options that are for others."""


class FuzzOptions(NamedTuple):
    """The options as they were given; None, empty or false where one was not."""

    webhook_secrets: tuple[str, ...]
    n: int | None
    seed: int
    time_s: float | None
    token: str
    world_file: str | None
    callback_url: str
    only_invalid: bool
    allow_valid: bool
    ignore: tuple[str, ...]
    rules: tuple[str, ...]
    operations: tuple[str, ...]
    timeout_s: float | None
    kind: str | None
    """`validator` or `builder`."""

    def generated(self, usual: int) -> int | None:
        """Return how many generated cases there are: `usual` by default; None where the time decides."""
        return usual if self.n is None and self.time_s is None else self.n


def refuse_unfollowed(options: FuzzOptions) -> None:
    """Raise `click.UsageError` where the command line asks for callbacks, and no task is followed."""
    if not _is_typed("callback_url"):
        return
    for is_given, option in ((options.only_invalid, "--only-invalid"), (options.rules, "--rule")):
        if is_given:
            raise click.UsageError(f"no task is followed with {option}, so --callback-url says nothing")


def refuse_foreign(target: str) -> None:
    """Raise `click.UsageError` where an option on the command line says nothing about a kind of target.

    The environment may hold it for other runs.
    """
    for option in options_of(click.get_current_context().command):
        name = option.name or ""
        if name in _FOREIGN[target] and _is_typed(name):
            raise click.UsageError(f"{max(option.opts, key=len)} says nothing about {target}")


def _is_typed(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE
