"""Every way in which a contract can be broken, by rule."""

from collections.abc import Iterator, Mapping
from typing import Final

from kling_contracts.cases.generation.bounds import BOUNDS, HUGE
from kling_contracts.cases.generation.changes import Change
from kling_contracts.cases.generation.limits import Limits
from kling_contracts.cases.generation.shapes import keyword_changes
from kling_contracts.cases.generation.states import state_changes
from kling_contracts.cases.generation.transport import request_changes, server_changes
from kling_contracts.contract import Contract

SERVER_RULES: Final = frozenset(["authorization-expired", "authorization-not-yet-valid", "body-too-large"])
"""The rules that a server alone can judge; `Contract.report` does not."""


def faults_of(contract: Contract, limits: Limits) -> Mapping[str, tuple[Change, ...]]:
    """Return the ways to break each rule of a contract, in its order; none where nobody has thought of one."""
    named = list(_named(contract, limits))
    return {
        rule.id: tuple(
            keyword_changes(rule, contract.rules)
            if rule.kind == "keyword"
            else [one for one in named if one.rule == rule.id]
        )
        for rule in contract.rules.values()
    }


def _named(contract: Contract, limits: Limits) -> Iterator[Change]:
    yield from request_changes()
    yield from server_changes(contract.largest_file or 0)
    yield from BOUNDS
    yield from HUGE
    yield from state_changes(limits)
