"""One writer for each format of a report, and the endings of files that choose one."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kling_mock_server.reports.finding import FindingReport

FORMATS: Final = ("text", "json", "junit", "sarif", "github", "markdown")
"""The values of `--format`; each is a module of this folder."""

ENDINGS: Final[Mapping[str, str]] = {
    ".txt": "text",
    ".json": "json",
    ".xml": "junit",
    ".sarif": "sarif",
    ".md": "markdown",
}
"""The format of a report's file by its ending."""


def rendered(report: "FindingReport", form: str) -> str:
    """Return a report in one of `FORMATS`, with its last line end where it has any text."""
    if form in report.forms:
        return report.forms[form]()
    # At first use: a run needs one format, and none of what the others import.
    write: Callable[[FindingReport], str] = import_module(f"{__name__}.{form}_format").write
    return write(report)


def refuse_unwritable(name: str) -> None:
    """Raise `ValueError` where no report can be written to a file: its ending names no format, or it cannot be opened.

    Called before a run, so that no hour of work ends in a message about a folder that does not exist. A file that
    exists keeps its content; one that does not is not left behind.
    """
    path = Path(name)
    if path.suffix not in ENDINGS:
        raise ValueError(f"{name}: the ending chooses the format; there are {', '.join(ENDINGS)}")
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise ValueError(f"cannot write {name}: {error.strerror}") from None


def write_file(report: "FindingReport", name: str) -> None:
    """Write a report to a file, in the format that its ending names. Raises `OSError` where it cannot be written."""
    path = Path(name)
    path.write_text(rendered(report, ENDINGS[path.suffix]), encoding="utf-8")
