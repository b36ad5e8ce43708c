"""`klingkit cases`: the boundary catalogue, or generated cases, as NDJSON."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options

if TYPE_CHECKING:
    from kling_contracts import Contract
    from kling_contracts.cases.case import Case


@click.command()
@click.option("--valid/--invalid", "valid", default=None, help="Only cases that break nothing, or only ones that do.")
@click.option("--rule", help="Only cases that break this rule.")
@click.option("--operation", default="", help="The operation, by its short name, or `all`; by default create.")
@click.option("-n", type=click.IntRange(0), help="So many generated cases, instead of the boundary catalogue.")
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same cases.")
@contract_options
def cases(
    valid: bool | None,
    rule: str | None,
    operation: str,
    n: int | None,
    seed: int,
    choice: ContractOptions,
) -> None:
    """Print labelled requests as NDJSON: test vectors for any language.

    A row has the request, its world, what the world says of it, and the verdict of each rule (docs/vectors.md).

    Example: klingkit cases --rule clip-too-short
    """
    contract = choice.load()
    try:
        rows = case_lines(valid, rule, n, seed, contract, operation)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    for row in rows:
        click.echo(row)


def case_lines(
    valid: bool | None,
    rule: str | None,
    n: int | None,
    seed: int,
    contract: "Contract | None" = None,
    operation: str = "",
) -> Iterator[str]:
    """Yield one row per line, without its line end; `case.schema.json` describes a row.

    Without `n` the rows of the boundary catalogue, else so many generated from `seed`. `valid` and `rule` choose
    among both: only valid or only broken ones, only those that break this rule. `contract` is by default the
    documented one. Raises `ValueError` where `rule` is none of the contract's, or is to be broken by valid cases.
    """
    import json

    from kling_contracts.cases.catalogue import catalogue
    from kling_contracts.cases.factory import factory_of
    from kling_contracts.cases.generator import generate
    from kling_contracts.cases.vectors import vector

    judging = contract or factory_of(None).contract
    generated = generate(seed, n or 0, contract, operation=operation, valid=valid, rule=rule)
    cases = generated if n is not None else _chosen(catalogue(contract, operation=operation), valid, rule)
    return (json.dumps(vector(case, judging), ensure_ascii=False) for case in cases)


def _chosen(cases: "Iterable[Case]", valid: bool | None, rule: str | None) -> "Iterator[Case]":
    for case in cases:
        if valid in (None, not case.breaks) and (rule is None or rule in case.breaks):
            yield case
