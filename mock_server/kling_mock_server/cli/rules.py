"""`klingkit rules`."""

from pathlib import Path

import click

from kling_mock_server.cli.profile_options import chosen_contract, profile_options


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@profile_options
def rules(form: str, profile: str, upstream_state: bool, null_is_absent: bool, documents: Path | None) -> None:
    """Print every rule with the vendor's sentence behind it.

    Example: klingkit rules --format markdown > rules.md
    """
    import json

    from kling_contracts import rule_table

    contract = chosen_contract(
        profile, upstream_state=upstream_state, null_is_absent=null_is_absent, documents=documents
    )
    if form == "json":
        click.echo(json.dumps(rule_table.rule_rows(contract), ensure_ascii=False, indent=2))
    else:
        click.echo(rule_table.rule_markdown(contract) if form == "markdown" else rule_table.rule_text(contract))
