"""Vectors: a case as a row that any engine of CEL can judge, with its facts and the verdict of each rule."""

from collections.abc import Iterator
from typing import Any

from kling_contracts.cases.answers import ExpectedAnswers
from kling_contracts.cases.case import Case
from kling_contracts.contract import Contract
from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.sources import FactSources
from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import MAX_ITEMS
from kling_contracts.judging.operation import Operation
from kling_contracts.judging.report import Violation
from kling_contracts.unknown import Absent, Unknown


def vector(case: Case, contract: Contract) -> dict[str, Any]:
    """Return the row of a case with its facts, verdicts and expected answer; `case.schema.json` describes them.

    The broken rules are those of the case's label. The facts are measured, and `Contract.report` tells the rules that
    hold from those that nobody can judge. Raises `ValueError` where the contract has no operation of the case's name.
    """
    operation = contract.by_name.get(case.operation)
    if operation is None:
        raise ValueError(f"the contract has no operation {case.operation!r}")
    routed = contract.request_rules.route(case.request)
    sent = routed if isinstance(routed, Violation) else contract.request_rules.payload(case.request, routed)
    is_judged = not case.breaks & contract.request_rules.rules.keys() and not isinstance(sent, Violation)
    row, facts = {**case.to_json(), "expects": ExpectedAnswers(contract).of(case).to_json()}, {}
    if is_judged:
        payload = operation.reader.payload(sent)
        facts = _facts(operation, payload, FactSources(case.world))
        if payload != sent or not operation.media_types:
            row["payload"] = payload
    return {**row, "facts": facts, "verdicts": _verdicts(case, contract, operation)}


def _verdicts(case: Case, contract: Contract, operation: Operation) -> dict[str, list[str]]:
    of_requests = list(contract.request_rules.rules)
    every = (*of_requests, *(rule.id for rule in operation.rules))
    refused = [rule for rule in of_requests if rule in case.breaks]
    if refused:
        unjudged = {*every[every.index(refused[0]) :]}
    else:
        unjudged = {one.rule.id for one in contract.report(case.request, case.world).unverified}
    verdicts: dict[str, list[str]] = {"holds": [], "broken": [], "not_judged": []}
    for rule in every:
        verdicts["broken" if rule in case.breaks else "not_judged" if rule in unjudged else "holds"].append(rule)
    return verdicts


def _facts(operation: Operation, payload: Any, sources: FactSources) -> dict[str, Any]:
    """Return the facts of the payload, and those of each item that has its own, by JSON Pointer."""
    measured = operation.facts.measure(payload, sources)
    return {where: _record(operation, array, facts) for where, array, facts in _places(payload, measured)}


def _places(payload: Any, measured: Measurement) -> Iterator[tuple[str, str, Any]]:
    """Yield JSON Pointer, array and facts of the payload and of each item that has facts of its own."""
    yield "", "", measured.facts
    for array in measured.arrays:
        items = payload.get(array) if isinstance(payload, dict) else None
        for index, item in enumerate(items[:MAX_ITEMS] if isinstance(items, list) else ()):
            yield pointer((array, index)), array, measured.of_item(array, item)


def _record(operation: Operation, array: str, facts: Any) -> dict[str, Any]:
    known: dict[str, Any] = {}
    absent: list[str] = []
    unknown: dict[str, str] = {}
    for fact in operation.facts.declared:
        if fact.array != array:
            continue
        value = getattr(facts, fact.name)
        if isinstance(value, Absent):
            absent.append(fact.name)
        elif isinstance(value, Unknown):
            unknown[fact.name] = value.reason
        else:
            members = value._asdict()
            known[fact.name] = {name: _plain(one) for name, one in members.items() if not isinstance(one, Unknown)}
            unknown |= {f"{fact.name}.{name}": one.reason for name, one in members.items() if isinstance(one, Unknown)}
    return {"known": known, "absent": absent, "unknown": unknown}


def _plain(value: int | str | bool) -> int | str | bool:
    """Return a value without the evidence that a text of a file carries."""
    return str(value) if isinstance(value, str) else value
