"""`--format` and `--report`, for every command that reports findings."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kling_mock_server.cli.terminal import show, write_utf8
from kling_mock_server.reports.formats import ENDINGS, FORMATS, refuse_unwritable, rendered, write_file

if TYPE_CHECKING:
    from kling_mock_server.reports.finding import FindingReport

Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)


def report_options(default: str | None = "text", others: tuple[str, ...] = ()) -> Callable[[Decorated], Decorated]:
    """Add the options `form` and `reports`; what cannot be written is refused before the command runs.

    `others` are formats that the command has for something else than findings.
    """

    def decorated(command: Decorated) -> Decorated:
        command = click.option(
            "--report",
            "reports",
            multiple=True,
            type=click.Path(),
            callback=_writable,
            help=f"Write the report to a file, too; repeatable. The ending chooses the format: {', '.join(ENDINGS)}.",
        )(command)
        return click.option(
            "--format",
            "form",
            type=click.Choice(list(dict.fromkeys([*others, *FORMATS]))),
            default=default,
            show_default=default is not None,
            help="What is printed.",
        )(command)

    return decorated


def _writable(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        try:
            refuse_unwritable(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return names


def deliver(report: "FindingReport", form: str, reports: tuple[str, ...]) -> None:
    """Print a report and write it to its files. Raises `click.ClickException` where a file cannot be written."""
    text = rendered(report, form)
    if form == "text":
        show(text)
    else:
        write_utf8(text)
    for name in reports:
        try:
            write_file(report, name)
        except OSError as error:
            raise click.ClickException(f"cannot write {name}: {error.strerror}") from None
