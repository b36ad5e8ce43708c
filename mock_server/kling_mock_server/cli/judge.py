"""`klingkit judge`: recorded traffic of the real service, or of any other, held against the contract."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options
from kling_mock_server.cli.input_files import read_file
from kling_mock_server.cli.report_options import deliver, report_options

if TYPE_CHECKING:
    from kling_mock_server.recordings.exchange import RecordedExchange


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE... | -")
@click.option("--patch", type=click.Path(dir_okay=False), help="Write what the recordings prove as a patch.")
@report_options()
@contract_options
def judge(
    files: tuple[str, ...],
    patch: str | None,
    form: str,
    reports: tuple[str, ...],
    choice: ContractOptions,
) -> None:
    """Hold recorded traffic against the contract, and name every difference.

    FILE is HAR 1.2, a vcrpy cassette (YAML or JSON), or the mock's journal as NDJSON. Keys and audio are redacted on
    reading. Exit status: 0 no difference, 1 differences, 2 misuse.

    \b
    Example: klingkit judge session.har
    klingkit judge tests/cassettes/*.yaml --patch observed.patch.yaml
    """
    from kling_mock_server.recordings.judging import judge as judged
    from kling_mock_server.recordings.report import recordings_report

    if patch and choice.documents:
        raise click.UsageError("--patch is for the installed documents, and takes no --documents")
    recordings = [_exchanges(name) for name in files]
    contract = choice.load()
    judgement = judged(contract, recordings)
    report = recordings_report(files, judgement)
    deliver(report, form, reports)
    if patch:
        from kling_mock_server.recordings.proposing import observed_patch

        _write(patch, observed_patch(judgement))
    sys.exit(report.status)


def _exchanges(name: str) -> "list[RecordedExchange]":
    from kling_mock_server.recordings.reading import read

    try:
        return read(read_file(name), name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _write(name: str, patch: dict[str, object]) -> None:
    from kling_contracts.documents import loading

    if not patch:
        click.echo(f"the recordings prove no change; {name} is not written", err=True)
        return
    try:
        Path(name).write_text(loading.dump(patch, "yaml"), encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {name}: {error.strerror}") from None
    click.echo(f"the patch is in {name}", err=True)
