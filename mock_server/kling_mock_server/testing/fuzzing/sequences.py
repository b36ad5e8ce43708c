"""Sequences: what one request cannot tell. A task is created, queried, listed, and created once more."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from kling_contracts import Contract, Operation, Rule
from kling_contracts.audits.audit import Kind
from kling_contracts.cases.answers import Expected
from kling_contracts.cases.case import Case
from kling_contracts.cases.generator import generate
from kling_contracts.cases.places import value_at
from kling_contracts.cases.requests import parameter_request
from kling_contracts.cases.shown_members import kept_members, page_of
from kling_contracts.facts.lookup import Lookup
from kling_mock_server.testing.fuzzing.target import Answer

Ask = Callable[[Case], Answer]
"""Sends a case without loading its world, and returns the answer."""


class Wrong(NamedTuple):
    """One answer that does not fit those before it."""

    kind: Kind
    rule: str
    case: Case
    detail: str


class Maker(NamedTuple):
    """An operation that makes something which another one looks up by what the answer links to."""

    operation: Operation
    looked_up_by: Operation
    parameters: Mapping[str, str]
    """Parameters of the look-up, and the JSON Pointer of each in the answer."""
    unique: str
    """The field whose value is used once."""
    rule: Rule
    """The rule that refuses it a second time."""
    row: Case
    """A valid case with that field."""


_TRIED: Final = 1000
"""Generated cases among which one is looked for that has the field."""


def makers(contract: Contract, operations: tuple[Operation, ...]) -> Iterator[Maker]:
    """Yield the operations whose answer links to a look-up, and that take an id of the caller's own once."""
    by_id = {operation.id: operation for operation in operations}
    for operation in operations:
        body = contract.document["paths"][operation.paths[0]][operation.method.lower()]
        for link in body["responses"].get("200", {}).get("links", {}).values():
            look_up = by_id.get(link["operationId"])
            if look_up is None or look_up.media_types or "parameters" not in link:
                continue
            for fact in operation.facts.declared:
                rule = contract.rule_on(operation.name, f"facts.{fact.name}")
                if isinstance(fact.provider, Lookup) and fact.record is None and rule is not None:
                    name = fact.provider.field.name
                    parameters = {key: one.partition("#")[2] for key, one in link["parameters"].items()}
                    rows = generate(0, _TRIED, contract, operation=operation.name, valid=True)
                    for row in islice((row for row in rows if row.payload.get(name)), 1):
                        yield Maker(operation, look_up, parameters, name, rule, row)


def followed(contract: Contract, operations: tuple[Operation, ...], maker: Maker, ask: Ask) -> Iterator[Wrong]:
    """Make something, make it again, look it up, and see it listed; yield what is wrong.

    The world of the maker's row is loaded, and nothing else was sent since.
    """
    row = maker.row
    first = ask(row)
    if not first.accepted:
        return
    again = ask(row)
    if (again.status, again.code) != (maker.rule.status, maker.rule.code):
        yield Wrong(Kind.ACCEPTED, maker.rule.id, row, f"sent twice; the second time it {again}")
    asked = _named(maker, first)
    known = kept_members(contract, maker.looked_up_by, first.body)
    yield from _looked_up(contract, maker.looked_up_by, asked, known, row, ask)
    own = row.payload[maker.unique]
    yield from _looked_up(contract, maker.looked_up_by, dict.fromkeys(asked, own), known, row, ask)
    payload = {name: value for name, value in row.payload.items() if name != maker.unique}
    second = ask(replace(row, request=row.request._replace(body=json.dumps(payload).encode())))
    newest: list[Any] = [kept_members(contract, maker.looked_up_by, answer.body) for answer in (second, first)]
    for operation in operations:
        page = page_of(contract, operation)
        if page and second.accepted:
            yield from _listed(contract, operation, page, newest, row, ask)
    yield from _not_given_twice(contract, maker, ask)


def _not_given_twice(contract: Contract, maker: Maker, ask: Ask) -> Iterator[Wrong]:
    """Yield what is wrong where an empty id, which stands for none, is taken for one that is used up."""
    body = json.dumps({**maker.row.payload, maker.unique: ""}).encode()
    case = replace(maker.row, request=maker.row.request._replace(body=body))
    if contract.report(case.request, case.world).broken or not ask(case).accepted:
        return
    again = ask(case)
    if not again.accepted:
        yield Wrong(Kind.REFUSED, "", case, f"sent twice with {maker.unique} empty; the second time it {again}")


def _listed(
    contract: Contract, operation: Operation, page: Mapping[str, str], newest: list[Any], row: Case, ask: Ask
) -> Iterator[Wrong]:
    for number, data in enumerate(newest, 1):
        asked = {page["number"]: number, page["size"]: 1}
        yield from _looked_up(contract, operation, asked, [data], row, ask)


def _looked_up(
    contract: Contract, operation: Operation, asked: Mapping[str, Any], data: Any, row: Case, ask: Ask
) -> Iterator[Wrong]:
    case = replace(row, request=parameter_request(operation, asked), operation=operation.name)
    answer = ask(case)
    if not answer.accepted:
        yield Wrong(Kind.REFUSED, "", case, f"after {row.operation} had made it: {answer}")
        return
    for where, text in Expected(200, 0, data).differences(answer.body):
        place = where.replace("/0", "/-")
        yield Wrong(Kind.CONTENT, f"{operation.name} {place}", case, f"after {row.operation}: {where} {text}")


def look_up_case(maker: Maker, made: Answer) -> Case:
    """Return the request that looks up what an answer says was made."""
    request = parameter_request(maker.looked_up_by, _named(maker, made))
    return replace(maker.row, request=request, operation=maker.looked_up_by.name)


def _named(maker: Maker, made: Answer) -> dict[str, str]:
    return {name: str(value_at(made.body, f"/{where.strip('/')}")) for name, where in maker.parameters.items()}
