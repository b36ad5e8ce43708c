"""`klingkit check`."""

import sys
from pathlib import Path

import click

from kling_mock_server.cli.input_files import read_file, read_world
from kling_mock_server.cli.profile_options import chosen_contract, profile_options


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE... | -")
@click.option("--world", "world_file", type=click.Path(), help="JSON file with the server's side; see docs/world.md.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Fail on what could not be verified, too.")
@click.option(
    "--fetch",
    type=click.Choice(["loopback", "any", "none"]),
    default="none",
    show_default=True,
    help="Whose sound_file URLs are downloaded and measured.",
)
@profile_options
def check(
    files: tuple[str, ...],
    world_file: str | None,
    form: str,
    strict: bool,
    fetch: str,
    profile: str,
    upstream_state: bool,
    documents: Path | None,
) -> None:
    """Judge payload files; - reads standard input.

    Exit status: 0 all valid, 1 violations, 2 misuse: a file that cannot be read, though the others are judged.

    Example: klingkit check payload.json --world world.json --strict
    """
    from kling_mock_server.outgoing.fetch import fetcher
    from kling_mock_server.reports.payload_checker import PayloadChecker

    contract = chosen_contract(profile, upstream_state=upstream_state, documents=documents)
    checking = PayloadChecker(contract, read_world(world_file), fetcher(fetch, contract.largest_file))
    results, misused = [], False
    for name in files:
        try:
            results.append(checking.judge(name, read_file(name)))
        except click.UsageError as error:
            # The other files are judged all the same.
            misused = True
            click.echo(f"Error: {error.format_message()}", err=True)
    if not results:
        sys.exit(2)
    click.echo(checking.as_json(results) if form == "json" else checking.as_text(results))
    failed = any(result.report.violations or (strict and result.report.unverified) for result in results)
    sys.exit(2 if misused else 1 if failed else 0)
