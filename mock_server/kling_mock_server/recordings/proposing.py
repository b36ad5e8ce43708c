"""Proven deviations as a patch of our documents: another limit, another text, another code."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from kling_contracts import Contract, Rule
from kling_contracts.documents import loading, overlay
from kling_contracts.documents.patches import DOCUMENT_MEMBER, patched
from kling_contracts.documents.vocabulary import SourceDocument
from kling_contracts.errors import DocumentError, OverlayError
from kling_mock_server.recordings.judging import Judgement
from kling_mock_server.recordings.verdicts import Margin, RecordedDifference, RuleVerdict

TITLE: Final = "What recordings of the service show"
_MAIN: Final = loading.PROFILES["documented"][0]

Action = dict[str, Any]


def observed_patch(judgement: Judgement) -> dict[str, Any]:
    """Return a patch with `evidence: observed` for what the recordings prove; empty where they prove no change.

    Changes that do not load are left out: a code that no response declares, a limit that no rule can have.
    """
    proposed = list(_actions(judgement))
    documents = loading.own_documents() if proposed else {}
    actions: list[Action] = []
    for action in proposed:
        group = [*_making_room(documents, action), action]
        if _loads(documents, [*actions, *group]):
            actions += group
    return _patch(actions) if actions else {}


def _patch(actions: list[Action]) -> dict[str, Any]:
    info = {"title": TITLE, "version": "1.0.0"}
    return {"overlay": "1.1.0", "info": info, "extends": _MAIN, "actions": actions}


def _loads(documents: dict[str, Any], actions: list[Action]) -> bool:
    try:
        fitted = patched(documents, _patch(actions), "the patch", frozenset(documents))
        sources = [SourceDocument(name, b"", fitted[name]) for name in (_MAIN, loading.COMPANIONS)]
        Contract.compile(loading.assemble(loading.vendor(), sources))
    except DocumentError:
        return False
    return True


def _actions(judgement: Judgement) -> Iterator[Action]:
    for verdict in judgement.verdicts.values():
        if verdict.contradicted:
            differences = [one for one in judgement.differences if one.rule == verdict.rule.id]
            yield from _of_limit(verdict, differences)
            yield from _of_null(verdict, differences)
            yield from _of_words(verdict.rule, differences)


def _of_limit(verdict: RuleVerdict, differences: list[RecordedDifference]) -> Iterator[Action]:
    moving = [one for one in differences if one.kind in ("accepted", "refused")]
    if not moving:
        return
    for condition in {margin.distance.condition for margin in verdict.margins}:
        margins = [margin for margin in verdict.margins if margin.distance.condition == condition]
        shift = _shift(margins)
        if shift:
            yield from _shifted(verdict.rule, margins[0], shift, moving)


def _shift(margins: list[Margin]) -> int | float:
    """Return by how much a limit is stricter than ours (negative: looser); 0 where nothing proves that it is not ours.

    The limit lies between the farthest call that was refused and the nearest that was accepted.
    """
    accepted = [margin.distance.margin for margin in margins if margin.is_accepted]
    refused = [margin.distance.margin for margin in margins if not margin.is_accepted]
    if accepted and min(accepted) < 0:
        return min(accepted)
    if not refused or max(refused) < 0:
        return 0
    named = _named_shift(margins)
    if named is not None and max(refused) < named <= min(accepted, default=named):
        return named
    return min(accepted) if accepted and min(accepted) > max(refused) else max(refused) + 1


def _named_shift(margins: list[Margin]) -> int | None:
    """Return the shift to the limit that a refusal names itself."""
    for margin in margins:
        limit = margin.distance.limit
        if margin.is_accepted or not isinstance(limit, int):
            continue
        for number in map(int, re.findall(r"(?<![\w.])\d{1,18}(?![\w.])", margin.message)):
            shift = number - limit if margin.distance.upwards else limit - number
            if shift > 0:
                return shift
    return None


def _shifted(rule: Rule, margin: Margin, shift: int | float, moving: list[RecordedDifference]) -> Iterator[Action]:
    limit = margin.distance.limit
    seen = f"{_calls(moving)} {'accepted' if shift < 0 else 'refused'}"
    if limit is None:
        # Two quantities are compared, the end of the clip and that of the audio: what lies between them is slack.
        yield from _with_slack(rule, margin, shift, moving, seen)
        return
    new = limit + shift if margin.distance.upwards else limit - shift
    if rule.keyword:
        update = {rule.keyword: new, "x-evidence": {rule.keyword: _evidence(moving, seen)}}
        yield _action(f"{_node_path(rule)}.update", update, f"{rule.id}: {limit} -> {new}")
    else:
        text = re.sub(rf"(?<![\w.]){limit}(?![\w.])", str(new), rule.statement)
        yield _rule_action(rule, {"rule": text, "evidence": _evidence(moving, seen)}, f"{rule.id}: {limit} -> {new}")


def _with_slack(
    rule: Rule, margin: Margin, shift: int | float, moving: list[RecordedDifference], seen: str
) -> Iterator[Action]:
    condition = rule.expression.conditions[margin.distance.condition] if rule.expression else None
    match = re.fullmatch(r"\s*(\S.*?)\s*(<=|>=|<|>)\s*(\S.*?)\s*", rule.statement)
    if (
        condition is None
        or match is None
        or shift < 0
        or len(rule.expression.conditions if rule.expression else ()) > 1
    ):
        return
    left, sign, right = match.groups()
    text = f"{left} + {shift} {sign} {right}" if sign in ("<=", "<") else f"{left} - {shift} {sign} {right}"
    yield _rule_action(rule, {"rule": text, "evidence": _evidence(moving, seen)}, f"{rule.id}: a slack of {shift}")


def _of_null(verdict: RuleVerdict, differences: list[RecordedDifference]) -> Iterator[Action]:
    """Null was taken where our type refuses it: it stands for an absent field."""
    rule = verdict.rule
    nulls = [
        one for one in differences if one.kind == "accepted" and any(line.endswith(" null") for line in one.details)
    ]
    if rule.keyword != "type" or not nulls or not isinstance(rule.value, str):
        return
    target = _target_of(rule)
    why = f"{rule.id}: null is taken"
    kept = [
        {"target": f"{target}.type", "description": why, "remove": True},
        {"target": target, "description": why, "update": {"type": [rule.value, "null"]}},
    ]
    yield {"target": "$.actions", "description": why, "update": kept}


def _of_words(rule: Rule, differences: list[RecordedDifference]) -> Iterator[Action]:
    for kind, member in (("text", "message"), ("code", "code")):
        found = [one for one in differences if one.kind == kind]
        observed = {_template(one.observed) if kind == "text" else one.observed for one in found}
        if len(observed) == 1:
            (value,) = observed
            evidence = {
                "messageEvidence" if kind == "text" else "evidence": _evidence(found, f"{_calls(found)} answered so")
            }
            if rule.kind != "keyword":
                yield _rule_action(rule, {member: value, **evidence}, f"{rule.id}: another {kind}")


def _template(text: str) -> str:
    """Return a message as a rule has it: an id that it names is any id."""
    return re.sub(r"\d{12,}", "{id}", text.replace("{", "{{").replace("}", "}}"))


def _calls(found: list[RecordedDifference]) -> str:
    return "one call" if len(found) == 1 else f"{len(found)} calls"


def _evidence(found: list[RecordedDifference], seen: str) -> dict[str, Any]:
    times = [one.exchange.at_ms for one in found if one.exchange.at_ms]
    month = datetime.fromtimestamp(max(times) / 1000, UTC).strftime("%Y-%m") if times else ""
    return {"grade": "observed", "reports": 1, **({"latest": month} if month else {}), "seen": seen}


def _rule_action(rule: Rule, update: Action, why: str) -> Action:
    chosen = f"[?@.id == '{rule.id}']"
    if rule.kind == "request":
        return _action(f"$.actions[*].update['x-request-rules']{chosen}", update, why)
    path = f"$.actions[*].update['x-validations']{chosen}"
    if rule.id in _rules_of_main():
        return _action(path, update, why)
    return _action(f"$.paths..['x-validations']{chosen}", update, why, loading.COMPANIONS)


def _making_room(documents: dict[str, Any], action: Action) -> Iterator[Action]:
    """Yield the removal of a grade that is one word, where an object takes its place."""
    update = action["update"]
    if isinstance(update, dict):
        for name in ("evidence", "messageEvidence"):
            path = f"{action['target']}.{name}"
            if name in update and _is_word(documents[action.get(DOCUMENT_MEMBER, _MAIN)], path):
                kept = {key: member for key, member in action.items() if key != "update"}
                yield {**kept, "target": path, "remove": True}


def _is_word(document: dict[str, Any], path: str) -> bool:
    try:
        places = overlay.places(document, path)
    except OverlayError:
        return False
    value: Any = document
    for step in places[0]:
        value = value[step]
    return isinstance(value, str)


@cache
def _rules_of_main() -> frozenset[str]:
    """Return the ids of the rules that our own overlay of the vendor's document adds."""
    updates = (action.get("update") or {} for action in loading.own_documents()[_MAIN]["actions"])
    return frozenset(rule["id"] for update in updates for rule in update.get("x-validations", ()))


def _action(target: str, update: Action, why: str, document: str = _MAIN) -> Action:
    member = {} if document == _MAIN else {DOCUMENT_MEMBER: document}
    return {"target": target, **member, "description": why, "update": update}


def _node_path(rule: Rule) -> str:
    """Return the JSONPath of the action of our overlay that adds a keyword to a field of the vendor's."""
    return f'$.actions[?@.target == "{_target_of(rule)}" && @.update.{rule.keyword}]'


def _target_of(rule: Rule) -> str:
    field = rule.node.replace("[]", ".items").rpartition(".")[2]
    return f"$.paths.*.post.requestBody..properties.{field}"
