"""`klingkit check`."""

import sys
from typing import TYPE_CHECKING

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options
from kling_mock_server.cli.input_files import files_of, read_world
from kling_mock_server.cli.report_options import deliver, report_options
from kling_mock_server.cli.terminal import bar_width

if TYPE_CHECKING:
    from kling_contracts import Contract
    from kling_contracts.facts.sources import Fetch


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER|GLOB... | -")
@click.option("--world", "world_file", type=click.Path(), help="JSON file with the server's side; see docs/world.md.")
@report_options()
@click.option("--strict", is_flag=True, help="Fail on what could not be verified, too.")
@click.option(
    "--fetch",
    type=click.Choice(["loopback", "any", "none"]),
    default="none",
    show_default=True,
    help="Whose sound_file URLs are downloaded and measured.",
)
@contract_options
def check(
    files: tuple[str, ...],
    world_file: str | None,
    form: str,
    reports: tuple[str, ...],
    strict: bool,
    fetch: str,
    choice: ContractOptions,
) -> None:
    """Judge payload files; - reads standard input.

    A FOLDER stands for every .json file below it, save the world. A GLOB may hold ** for any number of folders.
    Exit status: 0 all valid, 1 violations, 2 misuse, and so a file that cannot be read; the others are judged.

    \b
    Example: klingkit check payload.json --world world.json --strict
    klingkit check "**/clip-*.json" --format github --report check.sarif
    """
    from kling_mock_server.reports.check_report import check_report
    from kling_mock_server.reports.payload_checker import PayloadChecker, UnreadFile

    contract = choice.load()
    checking = PayloadChecker(contract, read_world(world_file), _fetch(fetch, contract))
    results = [
        checking.judge(name, given) if isinstance(given, bytes) else UnreadFile(name, given)
        for name, given in files_of(files, leave_out=world_file)
    ]
    deliver(check_report(results, contract, bar_width()), form, reports)
    if any(isinstance(result, UnreadFile) for result in results):
        sys.exit(2)
    judged = [result.report for result in results if not isinstance(result, UnreadFile)]
    sys.exit(1 if any(report.violations or (strict and report.unverified) for report in judged) else 0)


def _fetch(policy: str, contract: "Contract") -> "Fetch":
    if policy == "none":
        from kling_contracts.facts.sources import unfetched

        return unfetched
    from kling_mock_server.outgoing.fetch import fetcher

    return fetcher(policy, contract.largest_file)
