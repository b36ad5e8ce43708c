"""`klingkit rules`."""

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options
from kling_mock_server.cli.table_format import table_format
from kling_mock_server.cli.terminal import write_utf8
from kling_mock_server.reports.showable import showable


@click.command()
@table_format("How the rules are printed.")
@contract_options
@click.argument("ids", nargs=-1, metavar="[RULE]...")
def rules(ids: tuple[str, ...], form: str, choice: ContractOptions) -> None:
    """Print every rule, or these, with the vendor's sentence behind it.

    \b
    Example: klingkit rules clip-too-short
    klingkit rules --format markdown > rules.md
    """
    import json

    from kling_contracts import rule_table
    from kling_contracts.rules.lookup import refuse_unknown_rules

    contract = choice.load()
    try:
        refuse_unknown_rules(ids, contract.every_rule)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if form == "json":
        write_utf8(json.dumps(rule_table.rule_rows(contract, ids), ensure_ascii=False, indent=2) + "\n")
    elif form == "markdown":
        write_utf8(rule_table.rule_markdown(contract, ids) + "\n")
    else:
        click.echo(showable(rule_table.rule_text(contract, ids)))
