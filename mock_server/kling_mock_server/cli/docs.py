"""`klingkit docs`: the pages of the documentation, and the files that they use."""

import sys
from pathlib import Path
from typing import Final

import click

_PACKED: Final = Path(__file__).parents[1] / "documentation"
_CHECKOUT: Final = Path(__file__).parents[3]
ROOT: Final = _PACKED if _PACKED.exists() else _CHECKOUT
"""The folder that holds README.md, docs/ and tests/examples/: of the wheel, or of a checkout."""


@click.command()
@click.argument("page", required=False)
@click.option(
    "--examples",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the files that the pages use into this folder.",
)
def docs(page: str | None, folder: Path | None) -> None:
    """List the pages of the documentation, or show one.

    The files that the pages and the examples of other commands use are written by --examples.

    \b
    Example: klingkit docs offline
    klingkit docs --examples .
    """
    if folder is not None:
        _write_examples(folder)
    elif page is None:
        click.echo("\n".join(f"{name:<13} {_title(path)}" for name, path in pages().items()))
    else:
        _show(page)


def pages() -> dict[str, Path]:
    """Return the file of each page by its name: `readme` is README.md, `mock` docs/mock.md, `zh/ci` docs/zh/ci.md."""
    readmes = {path.stem.lower(): path for path in sorted(ROOT.glob("README*.md"))}
    english = {path.stem: path for path in sorted(ROOT.glob("docs/*.md"))}
    return {**readmes, **english, **{f"zh/{path.stem}": path for path in sorted(ROOT.glob("docs/zh/*.md"))}}


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def _show(name: str) -> None:
    known = pages()
    if name not in known:
        from difflib import get_close_matches

        near = "".join(f"did you mean {one!r}? " for one in get_close_matches(name, known, n=1))
        raise click.UsageError(f"there is no page {name!r}; {near}`klingkit docs` lists them")
    text = known[name].read_text(encoding="utf-8")
    if sys.stdout.isatty():
        click.echo_via_pager(text)
    else:
        click.echo(text, nl=False)


def _write_examples(folder: Path) -> None:
    files = [path for path in sorted((ROOT / "tests" / "examples").iterdir()) if path.is_file()]
    there = [path.name for path in files if (folder / path.name).exists()]
    if there:
        raise click.ClickException(f"already in {folder}: {', '.join(there)}; nothing was written")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in files:
            (folder / path.name).write_bytes(path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror}") from None
    click.echo(f"Wrote {', '.join(str(folder / path.name) for path in files)}.")
