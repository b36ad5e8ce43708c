"""`klingkit scenarios`."""

import click

from kling_mock_server.cli.table_format import table_format
from kling_mock_server.cli.terminal import write_utf8


@click.command()
@table_format("How the list is printed.")
@click.argument("name", required=False)
def scenarios(name: str | None, form: str) -> None:
    """List the scenarios that come with the mock, or show one as JSON.

    Example: klingkit scenarios rate-limited
    """
    import json

    from kling_mock_server.failures.scenarios import listing

    if name is not None:
        try:
            shown: object = listing.named(name).to_json()
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    else:
        shown = listing.scenario_rows() if form == "json" else None
    if shown is not None:
        write_utf8(json.dumps(shown, ensure_ascii=False, indent=2) + "\n")
    else:
        click.echo(listing.scenario_markdown() if form == "markdown" else listing.scenario_text())
