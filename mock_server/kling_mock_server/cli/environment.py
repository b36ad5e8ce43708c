"""Every option of every command as an environment variable: `KLINGKIT_PORT`, or `KLINGKIT_SERVE_PORT`, which wins."""

import os
from collections.abc import Iterator
from typing import Final

import click
from click.core import ParameterSource

PREFIX: Final = "KLINGKIT"


def give_variables(command: click.Command, *names: str) -> None:
    """Let the environment give every option of a command, and say so in its help; `names` lead to the command."""
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            give_variables(one, *names, name)
        return
    options = list(options_of(command))
    for option in options:
        general, own = variable(option), variable(option, *names)
        option.envvar = [own, general]
        option.help = f"{option.help or ''}  [env: {general}]".lstrip()
    if options:
        command.epilog = (
            f"Every option can come from the environment: {variable(options[0])} for all commands, "
            f"{variable(options[0], *names)} for this one. The option itself wins, then the longer name. Several "
            f"values of one variable are separated by spaces, names of files by {os.pathsep!r}."
        )


def options_of(command: click.Command) -> Iterator[click.Option]:
    """Yield the options of a command beside `--help` and `--version`."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_eager:
            yield parameter


def variable(option: click.Option, *names: str) -> str:
    """Return the variable of an option: of its longest spelling, behind the command's names if any."""
    spelling = max(option.opts, key=len).lstrip("-")
    return "_".join([PREFIX, *names, spelling]).replace("-", "_").upper()


def with_variables(error: click.UsageError) -> click.UsageError:
    """Return an error that names the variables which were read: its cause may stand nowhere on the command line."""
    context = error.ctx
    if context is None:
        return error
    blamed = getattr(error, "param", None)
    options = [option for option in options_of(context.command) if blamed in (None, option)]
    used = [_set_one(option) for option in options if _is_from_environment(context, option)]
    if not used:
        return error
    return click.UsageError(f"{error.format_message()}\n(options from the environment: {', '.join(used)})", context)


def _is_from_environment(context: click.Context, option: click.Option) -> bool:
    return context.get_parameter_source(option.name or "") is ParameterSource.ENVIRONMENT


def _set_one(option: click.Option) -> str:
    return next(name for name in option.envvar or () if os.environ.get(name))
