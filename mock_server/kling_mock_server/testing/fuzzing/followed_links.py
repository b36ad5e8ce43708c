"""Links followed: what one operation answers must be known to the operation that the documents link to."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from kling_contracts import Contract, Operation, Request, World
from kling_contracts.audits.audit import Kind, shortened
from kling_contracts.cases.case import Case
from kling_contracts.cases.generator import generate
from kling_contracts.cases.places import NOTHING, value_at
from kling_contracts.cases.requests import HEADERS
from kling_contracts.facts.lookup import Lookup
from kling_contracts.facts.world import TABLES
from kling_mock_server.testing.fuzzing.carried_numbers import array_of, fields_of
from kling_mock_server.testing.fuzzing.sequences import Ask, Wrong
from kling_mock_server.testing.fuzzing.target import Answer

MAX_TRIES: Final = 12
"""How many payloads are sent with the answered ids before a server is said not to know them."""
_DRAWN: Final = 300
"""Generated cases among which payloads are looked for."""
_ANSWER: Final = "$response.body#"


class BodyLink(NamedTuple):
    """A link of an answer to an operation that takes members of it in its payload."""

    source: Operation
    target: Operation
    members: Any
    """The part of the payload that the link gives: objects and arrays with an expression for each member."""


def body_links(contract: Contract, operations: tuple[Operation, ...]) -> Iterator[BodyLink]:
    """Yield the links between the operations whose `requestBody` takes members of the answer."""
    by_id = {operation.id: operation for operation in operations}
    for source in operations:
        body = contract.document["paths"][source.paths[0]][source.method.lower()]
        for link in body["responses"].get("200", {}).get("links", {}).values():
            target = by_id.get(link.get("operationId"))
            if source.media_types and target and target.media_types and isinstance(link.get("requestBody"), Mapping):
                yield BodyLink(source, target, link["requestBody"])


def known_afterwards(contract: Contract, link: BodyLink, load: Callable[[World], None], ask: Ask) -> Iterator[Wrong]:
    """Yield what is wrong where no payload with the answered ids is accepted, as if they were unknown.

    `load` loads a world, and `ask` sends a case in it. The lengths behind a new id are the server's own, so that a
    payload may not fit them: several are sent, those with the smallest numbers first.
    """
    refused: Wrong | None = None
    for asked, next_row in islice(_pairs(contract, link), MAX_TRIES):
        world = _joined(asked.world, next_row.world)
        load(world)
        first = ask(replace(asked, world=world))
        told = _told(link.members, first.body)
        if not first.accepted or told is NOTHING:
            continue
        body = json.dumps(_filled(next_row.payload, told)).encode()
        case = replace(next_row, world=world, request=next_row.request._replace(body=body))
        answer = ask(case)
        if answer.accepted:
            return
        unknown = unknown_ids(contract, link, answer)
        if unknown:
            text = f"{link.source.name} answered {json.dumps(told)}, and {link.target.name} does not know it: {answer}"
            text += f"\nbefore: {asked.request.method} {asked.request.path} {shortened(asked.request.body.decode())}"
            refused = refused or Wrong(Kind.REFUSED, unknown[0], case, text)
    if refused:
        yield refused


def _pairs(contract: Contract, link: BodyLink) -> Iterator[tuple[Case, Case]]:
    """Yield valid cases of both operations: the documents' own examples first."""
    sources, targets = (
        [*example_case(one), *generate(0, _DRAWN, contract, operation=one.name, valid=True)]
        for one in (link.source, link.target)
    )
    array = array_of(link.target)
    needed = fields_of(link.members, array).keys() - {array}
    usable = [case for case in targets if all(fields_of(case.payload, array).get(name) for name in needed)]
    small = small_first(link.target, usable[1:])
    yield from zip(sources, [*usable[:1], *small], strict=False)


def example_case(operation: Operation) -> list[Case]:
    """Return the documents' own example as a case; empty where there is none."""
    if operation.example is None:
        return []
    body = json.dumps(operation.example).encode()
    request = Request(operation.method, operation.paths[0], HEADERS, body)
    return [
        Case(request, operation.example_world, frozenset(), "The documents' own example.", operation=operation.name)
    ]


def small_first(operation: Operation, cases: Iterable[Case]) -> list[Case]:
    """Return cases of an operation, those with the smallest numbers first."""
    array = array_of(operation)

    def size(case: Case) -> float:
        return sum(value for value in fields_of(case.payload, array).values() if isinstance(value, int | float))

    return sorted(cases, key=size)


def _joined(one: World, other: World) -> World:
    """Return a world with the entries of two."""
    tables = {}
    for name in TABLES:
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine is None or theirs is None:
            tables[name] = theirs if mine is None else mine
        else:
            tables[name] = {**theirs, **mine} if isinstance(mine, Mapping) else mine | theirs
    return replace(other, now_ms=other.now_ms or one.now_ms, **tables)


def _told(members: Any, answer: Any) -> Any:
    """Return the members of a link with values of an answer; `NOTHING` where one is missing."""
    if isinstance(members, str):
        return value_at(answer, members.removeprefix(_ANSWER)) if members.startswith(_ANSWER) else members
    pairs = members.items() if isinstance(members, Mapping) else enumerate(members)
    found = {key: _told(one, answer) for key, one in pairs}
    if any(one is NOTHING for one in found.values()):
        return NOTHING
    return found if isinstance(members, Mapping) else list(found.values())


def _filled(payload: Any, told: Any) -> Any:
    """Return a payload with what was told in place of its members; an array keeps its further items."""
    if isinstance(told, Mapping) and isinstance(payload, Mapping):
        return {**payload, **{name: _filled(payload.get(name), one) for name, one in told.items()}}
    if isinstance(told, list) and isinstance(payload, list):
        return [*map(_filled, payload, told), *payload[len(told) :]]
    return told


def unknown_ids(contract: Contract, link: BodyLink, answer: Answer) -> list[str]:
    """Return the rules about ids that nobody knows by which a refusal is, or may be, made; empty: by another one."""
    array = array_of(link.target)
    given = fields_of(link.members, array)
    looked_up = [one for one in link.target.facts.declared if isinstance(one.provider, Lookup)]
    named = [one.name for one in looked_up if str(one.field) in given]
    rules = [rule for name in named if (rule := contract.rule_on(link.target.name, f"facts.{name}"))]
    if answer.named is not None:
        return [rule.id for rule in rules if rule.id in answer.named]
    return [rule.id for rule in rules if (rule.status, rule.code) == (answer.status, answer.code)]
