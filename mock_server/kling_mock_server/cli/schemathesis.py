"""`klingkit schemathesis`: the files of a Schemathesis run, put where its users expect them."""

from pathlib import Path
from typing import Final

import click

FILES: Final = ("schemathesis.toml", "klingkit_hooks.py")

_NEXT: Final = """\
Next, where klingkit's extra `schemathesis` is installed:
  klingkit serve --token klingkit
  {cd}schemathesis run http://127.0.0.1:8080/_mock/openapi.json"""


@click.group()
def schemathesis() -> None:
    """Test a mock with Schemathesis and klingkit's rules.

    Example: klingkit schemathesis init tests/fuzz
    """


@schemathesis.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(folder: Path, force: bool) -> None:
    """Write schemathesis.toml and a hooks module into FOLDER, by default this one.

    Example: klingkit schemathesis init tests/fuzz
    """
    there = [name for name in FILES if (folder / name).exists()]
    if there and not force:
        raise click.ClickException(f"{' and '.join(there)} already in {folder}; --force overwrites")
    try:
        _write(folder)
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror}") from None
    click.echo(f"Wrote {' and '.join(str(folder / name) for name in FILES)}.")
    click.echo(_NEXT.format(cd="" if folder == Path() else f"cd {folder} && "))


def _write(folder: Path) -> None:
    from importlib import resources

    folder.mkdir(parents=True, exist_ok=True)
    shipped = resources.files("kling_mock_server.testing") / "schemathesis_files"
    for name in FILES:
        (folder / name).write_bytes((shipped / name).read_bytes())
