"""Files that a command reads; a file that cannot be used is misuse, in one sentence."""

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kling_contracts import World


def read_file(name: str) -> bytes:
    """Return the bytes of a file; `-` is standard input. Raises `click.UsageError` where it cannot be read."""
    try:
        if name == "-":
            return sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise click.UsageError(f"cannot read {name}: {error.strerror}") from None


def _noted(name: str, world: "World") -> "World":
    """Print a note on what contradicts itself in a world, and return it."""
    from kling_contracts.facts.world_notes import world_notes
    from kling_contracts.judging.report import printable

    for sentence in world_notes(world):
        click.echo(printable(f"note: {name}: {sentence}"), err=True)
    return world


def read_world(name: str | None) -> "World | None":
    """Return the world of a JSON file; None without a name. Raises `click.UsageError` where it is not one."""
    if name is None:
        return None
    from kling_contracts import World
    from kling_contracts.jsonio import strict_json

    try:
        return _noted(name, World.from_json(strict_json.decode(read_file(name))))
    except strict_json.BodyError as error:
        raise click.UsageError(f"{name} is not JSON: {error}") from None
    except ValueError as error:
        raise click.UsageError(f"{name} is not a world:\n{error}") from None
