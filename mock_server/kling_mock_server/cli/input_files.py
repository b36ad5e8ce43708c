"""Files that a command reads; a file that cannot be used is misuse, in one sentence."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kling_contracts import World


def read_file(name: str) -> bytes:
    """Return the bytes of a file; `-` is standard input. Raises `click.UsageError` where it cannot be read."""
    try:
        return _content(name)
    except OSError as error:
        raise click.UsageError(f"cannot read {name}: {error.strerror}") from None


def _noted(name: str, world: "World") -> "World":
    """Print a note on what contradicts itself in a world, and return it."""
    from kling_contracts.facts.world_notes import world_notes
    from kling_contracts.judging.report import printable

    for sentence in world_notes(world):
        click.echo(printable(f"note: {name}: {sentence}"), err=True)
    return world


def files_of(names: Iterable[str], *, leave_out: str | None = None) -> Iterator[tuple[str, bytes | str]]:
    """Yield name and content of each file, or in place of the content a text that says why it cannot be read.

    A name may be a file, `-`, a folder, of which every .json file is meant, or a glob. `leave_out` is a file that
    neither folder nor glob stands for.
    """
    seen: set[str] = set()
    for name in names:
        found = _files_below(name, leave_out)
        if not found:
            yield name, "no .json file is in it" if Path(name).is_dir() else "no file matches it"
        for one in found:
            if one not in seen:
                seen.add(one)
                yield one, _content_or_problem(one)


def _files_below(name: str, leave_out: str | None) -> list[str]:
    path = Path(name)
    if name != "-" and path.is_dir():
        found = sorted(map(str, path.rglob("*.json")))
    elif name != "-" and not path.exists() and any(one in name for one in "*?["):
        from glob import glob

        found = sorted(one for one in glob(name, recursive=True) if not Path(one).is_dir())
    else:
        return [name]
    return [one for one in found if leave_out is None or Path(one).resolve() != Path(leave_out).resolve()]


def _content_or_problem(name: str) -> bytes | str:
    try:
        return _content(name)
    except OSError as error:
        return error.strerror or str(error)


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    with open(name, "rb") as file:
        return file.read()


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
