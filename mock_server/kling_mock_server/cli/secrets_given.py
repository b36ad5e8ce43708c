"""Secrets on the command line: as they are, from the environment, or from a file."""

from pathlib import Path

import click


class FromFile(str):
    """A secret that a file held."""

    __slots__ = ()


def secret(value: str) -> str:
    """Return a secret; `@FILE` is what that file holds, which keeps it out of the list of processes.

    Raises `click.BadParameter` where it is empty, the file cannot be read, or does not hold one word.
    """
    if not value:
        # As from `--secret "$SECRET"` where that was never set: nobody means a mock that lets everybody in.
        raise click.BadParameter("it is empty; leave the option out where none is meant")
    if not value.startswith("@") or isinstance(value, FromFile):
        return value
    path = value[1:]
    try:
        words = Path(path).read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path!r}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    if len(words) != 1:
        raise click.BadParameter(f"{path!r} must hold one secret, without spaces; it holds {len(words)} words")
    return FromFile(words[0])


def shown(ctx: click.Context, option: str, values: tuple[str, ...]) -> str:
    """Return the first of the values where it may be printed: it was typed on the command line; else empty."""
    if not values or isinstance(values[0], FromFile):
        return ""
    is_typed = ctx.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE
    return values[0] if is_typed else ""
