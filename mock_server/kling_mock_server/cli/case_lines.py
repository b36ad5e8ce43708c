"""`klingkit cases`: the boundary catalogue, or generated cases, as NDJSON."""

import json
from collections.abc import Iterable, Iterator

from kling_contracts import Contract
from kling_contracts.cases.case import Case, catalogue
from kling_contracts.cases.generator import generate


def lines(
    valid: bool | None, rule: str | None, n: int | None, seed: int, contract: Contract | None = None
) -> Iterator[str]:
    """Yield one row a line, without its line end; `case.schema.json` describes a row.

    Without `n` the rows of the boundary catalogue, else so many generated from `seed`. `valid` and `rule` choose
    among both: only valid or only broken ones, only those that break this rule. `contract` is by default the
    documented one. Raises `ValueError` where `rule` is none of the contract's, or is to be broken by valid cases.
    """
    generated = generate(seed, n or 0, contract, valid=valid, rule=rule)
    cases = generated if n is not None else _chosen(catalogue(contract), valid, rule)
    return (json.dumps(case.to_json(), ensure_ascii=False) for case in cases)


def _chosen(cases: Iterable[Case], valid: bool | None, rule: str | None) -> Iterator[Case]:
    for case in cases:
        if valid in (None, not case.breaks) and (rule is None or rule in case.breaks):
            yield case
