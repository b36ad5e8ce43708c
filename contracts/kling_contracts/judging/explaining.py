"""A violation explained: the field to blame, what was found there, and what would be right; notes on other fields."""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import Path
from kling_contracts.judging.found_facts import found_facts
from kling_contracts.judging.object_rules import MISSING, NOTHING, FailingRule
from kling_contracts.judging.partly_unknown import refused_among, with_unknowns
from kling_contracts.judging.remedy import Subject, remedy_of
from kling_contracts.judging.report import Note, Violation
from kling_contracts.rules.cel_compiler import Condition, Expression
from kling_contracts.rules.rule import Advice, Rule
from kling_contracts.unknown import UnknownFactError

MAX_NOTES: Final = 20
"""Unknown fields that one object is told about."""
SHOWN: Final = 60
"""Characters of a value that a report shows."""


_ITSELF: Final = frozenset([""])


class Given(NamedTuple):
    """A value that rules were judged on."""

    value: Any
    path: str
    refused: frozenset[str]
    """The fields that broke a keyword, as JSON Pointers from the value."""

    def field(self, name: str) -> "Given":
        """Return what stands in a field of an object; None where nothing does."""
        refused = _ITSELF if f"/{name}" in self.refused else NOTHING
        return Given(self.value.get(name), f"{self.path}/{name}", refused)

    def judged(self, rule: Expression | Condition) -> Any:
        """Return the value as a rule, or a part of one, sees it: what broke a keyword is unknown."""
        refused = self._refused_to(rule)
        return with_unknowns(self.value, refused, self.path) if refused else self.value

    def reason(self, failing: FailingRule, facts: Any) -> str:
        """Return why a rule of the object can be judged neither way."""
        if failing.outcome is MISSING:
            return "the field is missing"
        expression, field = failing.expression, failing.seat.field
        given = self.field(field) if field and expression.fields else self
        if not given._refused_to(expression):
            reasons = {fact.reason(facts) for fact in failing.asked} - {None}
            if len(reasons) == 1:
                return str(*reasons)
        return given._first_unknown(expression, facts)

    def _first_unknown(self, expression: Expression, facts: Any) -> str:
        # No condition is false: the first one that is not true says it.
        for condition in expression.conditions:
            refused = self._refused_to(condition)
            if refused and not condition.absorbs:
                return f"{self.path}{min(refused)} is itself refused"
            try:
                condition.holds(self.judged(condition), facts)
            except UnknownFactError as error:
                return str(error)
        raise AssertionError("a rule is unverified only where something that it reads is unknown")

    def _refused_to(self, rule: Expression | Condition) -> frozenset[str]:
        return refused_among(self.refused, rule.fields) if self.refused and rule.fields else NOTHING


def violation_of(failing: FailingRule, given: Given, facts: Any) -> Violation:
    """Return the violation of a broken rule."""
    rule, expression = failing.rule, failing.expression
    name = _blamed(rule, given.value)
    judged = given.judged(expression)
    failed = _first_failed(expression, judged, facts)
    number = given.value.get(name) if name else given.value
    remedy = remedy_of(expression, failed, Subject(judged, name, facts), number)
    shown = shown_value(number) if not name or name in given.value else ""
    because = found_facts(failed.reads, facts)
    pointer = f"{given.path}/{name}" if name else given.path
    return Violation(rule, pointer, rule.sentence(failed, number), shown, remedy, because)


def _first_failed(expression: Expression, value: Any, facts: Any) -> Condition:
    for condition in expression.conditions:
        with suppress(UnknownFactError):
            if not condition.holds(value, facts):
                return condition
    raise AssertionError("a rule is broken only where one of its conditions is")


def _blamed(rule: Rule, value: Any) -> str:
    given = (name for name in rule.blame if value.get(name) not in (None, ""))
    return next(given, rule.blame[0] if rule.blame else "")


def notes_on(value: Mapping[str, Any], known: Collection[str], path: str) -> list[Note]:
    """Return notes on the fields of an object that are none of the known ones."""
    from difflib import get_close_matches

    notes = []
    for name in [name for name in value if name not in known][:MAX_NOTES]:
        near = get_close_matches(name[:SHOWN], known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        where = path + pointer((name[:SHOWN],))
        notes.append(Note(where, f"{encode_basestring(name[:SHOWN])} is not a documented field{hint}"))
    return notes


def advice_note(advice: Advice, path: str) -> Note:
    """Return the note of an advice for the object at a path."""
    return Note(f"{path}/{advice.field}" if advice.field else path, advice.says)


def shown_value(value: Any) -> str:
    """Return a value as JSON, cut short: a refused `sound_file` may be megabytes long."""
    if isinstance(value, str):
        shown = encode_basestring(value[:SHOWN])
        return shown if len(value) <= SHOWN else f'{shown[:-1]}…" ({len(value)} characters)'
    if isinstance(value, _CONTAINERS) and value:
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)}"
    try:
        text = str(value) if type(value) is int else _encode(value)
    except ValueError:
        return "a number of very many digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


_CONTAINERS: Final = (dict, list, tuple)
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


def shown_at(payload: Any, path: Path) -> str:
    """Return what stands at a place of a payload, as `shown_value` does; empty where nothing does."""
    value = payload
    try:
        for token in path:
            value = value[token]
    except (LookupError, TypeError):
        return ""
    return shown_value(value)
