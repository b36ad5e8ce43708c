"""Cases carried over to a given world: its entries in place of theirs, where the documents' facts say they stand."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, islice
from secrets import token_hex
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from kling_contracts import Contract, Operation, Violation, World
from kling_contracts.cases.case import Case
from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.file_content import URL
from kling_contracts.facts.flagged import Flagged
from kling_contracts.facts.lookup import Lookup
from kling_contracts.facts.media import Media
from kling_mock_server.testing.fuzzing.carried_numbers import CarriedNumbers, NumberRules, array_of, fields_of

MAX_COMBINATIONS: Final = 400
"""How many ways of carrying one case over to a given world are tried."""

_Texts = dict[str, str]
"""Texts by the path of their field."""


class GivenWorld:
    """Carries cases over to one world. Each of its entries has its turn to be tried first."""

    def __init__(self, world: World, contract: Contract) -> None:
        self.world = world
        self._contract = contract
        self._rules = {operation.name: NumberRules(operation) for operation in contract.operations}
        # The server may remember the ids of the run before.
        self._run = f"klingkit-fuzz-{token_hex(4)}"
        self._numbers = count(1)
        self._turns = count()

    def fitted(self, case: Case) -> Case | None:
        """Return the case in the given world; None where no entries make it break what it breaks in its own."""
        candidates = islice(self._candidates(case), MAX_COMBINATIONS)
        return next((one for one in candidates if self._holds(one)), None)

    def _holds(self, case: Case) -> bool:
        """Whether a case breaks in the given world what it broke in its own, and nothing is left open."""
        report = self._contract.report(case.request, case.world)
        return frozenset(report.broken) == case.breaks and not (report.unverified and not case.breaks)

    def _candidates(self, case: Case) -> Iterator[Case]:
        operation = self._contract.by_name.get(case.operation)
        payload = _payload(self._contract, operation, case) if operation else None
        if operation is None or payload is None:
            yield replace(case, world=self.world)
            return
        choice = _EntryChoice(case.world, self.world, fields_of(payload, array_of(operation)), next(self._turns))
        fresh = f"{self._run}-{next(self._numbers)}"
        own = CarriedNumbers(self._rules[operation.name], payload, case.world)
        for texts in choice.texts(operation.facts.declared, fresh):
            there = _with_texts(payload, array_of(operation), texts)
            renamed = replace(case, world=self.world, request=_rewritten(case, operation, texts))
            if self._may_hold(renamed, operation):
                for numbers in own.to(there, self.world):
                    yield replace(renamed, request=_rewritten(renamed, operation, numbers))

    def _may_hold(self, case: Case, operation: Operation) -> bool:
        """Whether the rules that no number of a field changes break as they should."""
        broken = self._contract.report(case.request, case.world).broken
        return not case.breaks.symmetric_difference(broken) - self._rules[operation.name].ids


class _EntryChoice:
    """The choice of entries of a world for those that a case's own world knows."""

    def __init__(self, own: World, world: World, fields: Mapping[str, Any], turn: int) -> None:
        self._own = own
        self._world = world
        self._fields = fields
        self._turn = turn

    def texts(self, facts: Sequence[Fact], fresh: str) -> Iterator[_Texts]:
        """Yield each choice, as texts of the fields that change; `fresh` makes an id one that nobody has."""
        yield from self._chosen(tuple(facts), fresh, {}, {})

    def _chosen(
        self, facts: tuple[Fact, ...], fresh: str, texts: _Texts, entries: Mapping[str, tuple[Any, Any]]
    ) -> Iterator[_Texts]:
        """Go on with the facts that are left; `entries` are those of both worlds behind the facts before."""
        if not facts:
            yield texts
            return
        fact, *rest = facts
        provider = fact.provider
        path = str(fact.field or "")
        text = self._fields.get(path)
        if not isinstance(text, str) or path in texts or not isinstance(provider, Lookup | Media | Flagged):
            yield from self._chosen(tuple(rest), fresh, texts, entries)
            return
        own, there = self._tables(provider, entries)
        if isinstance(provider, Flagged):
            options = [text.replace(word, one) for word in own if word in text for one in there] or [text]
        else:
            options = self._ids(fact, own, there, text, fresh)
        for option in options:
            changed = texts if option == text else {**texts, path: option}
            known = {**entries, fact.name: (_entry(own, text), _entry(there, option))}
            yield from self._chosen(tuple(rest), fresh, changed, known)

    def _tables(self, provider: Lookup | Media | Flagged, entries: Mapping[str, tuple[Any, Any]]) -> tuple[Any, Any]:
        if isinstance(provider, Flagged):
            return getattr(self._own, provider.words), getattr(self._world, provider.words)
        inside = isinstance(provider, Lookup) and provider.inside
        holders = entries.get(inside, (None, None)) if inside else (self._own, self._world)
        own, there = (getattr(holder, provider.table, None) or {} for holder in holders)
        return own, there

    def _ids(self, fact: Fact, own: Any, there: Any, text: str, fresh: str) -> list[str]:
        also = fact.provider.also if isinstance(fact.provider, Lookup) else ""
        if text in own:
            alike = [one for one in there if bool(URL.match(one)) is bool(URL.match(text))]
            # A blank text may be an id, and may name nothing.
            return [*self._in_turn(sorted(alike)), *([] if text.strip() else [text])]
        if also and text and any(getattr(entry, also) == text for entry in own.values()):
            return self._in_turn([name for entry in there.values() if (name := getattr(entry, also))])
        # A server keeps every id of the caller's own, so each is sent once.
        return [f"{text}-{fresh}"] if fact.record is None and text.strip() else [text]

    def _in_turn(self, options: list[str]) -> list[str]:
        first = self._turn % len(options) if options else 0
        return [*options[first:], *options[:first]]


def _entry(table: Any, text: str) -> Any:
    return table.get(text) if isinstance(table, Mapping) else None


def _payload(contract: Contract, operation: Operation, case: Case) -> Any:
    """Return the payload of a request; None where it cannot be read."""
    if operation.media_types:
        try:
            return case.payload
        except (ValueError, RecursionError):
            return None
    routed = contract.request_rules.route(case.request)
    return None if isinstance(routed, Violation) else contract.request_rules.payload(case.request, routed)


def _with_texts(payload: Any, array: str, texts: _Texts) -> Any:
    """Return a payload with other texts in its fields, and in those of the first item of its array."""
    if not texts:
        return payload
    plain = {path: text for path, text in texts.items() if "[]" not in path}
    inner = {path.rpartition(".")[2]: text for path, text in texts.items() if "[]" in path}
    changed = {**payload, **plain}
    if inner:
        first, *others = payload[array]
        changed[array] = [{**first, **inner}, *others]
    return changed


def _rewritten(case: Case, operation: Operation, values: Mapping[str, Any]) -> Any:
    """Return the request with other values of its fields; all else in it may be what the case is about."""
    request = case.request
    for field, value in values.items():
        name = field.rpartition(".")[2]
        place = operation.parameters[name].place if name in operation.parameters else ""
        if place == "path":
            request = request._replace(path=_in_path(operation, request.path, name, value))
        elif place:
            pairs = [(key, str(value) if key == name else one) for key, one in parse_qsl(request.query, True)]
            request = request._replace(query=urlencode(pairs, quote_via=quote))
        else:
            request = request._replace(body=_in_body(request.body, name, value))
    return request


def _in_path(operation: Operation, path: str, name: str, value: Any) -> str:
    for known in operation.paths:
        before, _, after = known.partition(f"{{{name}}}")
        if path.startswith(before) and path.endswith(after):
            return f"{before}{value}{after}"
    return path


def _in_body(body: bytes, name: str, value: Any) -> bytes:
    kind = rb'"(?:[^"\\]|\\.)*"' if isinstance(value, str) else rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    pattern = rb'("%s"\s*:\s*)%s' % (re.escape(name.encode()), kind)
    return re.sub(pattern, partial(_put, json.dumps(value).encode()), body)


def _put(value: bytes, match: re.Match[bytes]) -> bytes:
    return match[1] + value
