"""Every literal of the overlays is the only one of its kind: change it, and all that speaks of it changes too.

The literals are found, not listed: a new rule is tried like the others. Each is changed by as little as possible, the
documents are compiled anew, and the rows of `cases/` show what follows: the verdict of the check and of the mock, the
message, the rule table.
"""

import ast
import re
from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import kling_openapi
from kling_contracts import Contract, rule_table
from kling_contracts.documents import loading, overlay
from kling_contracts.rules.rule import KEYWORDS
from kling_mock_server import create_app
from support.case_rows import ROWS, answered, contract_of, listed

ROOT = Path(__file__).parents[1]
MAIN, UPSTREAM = "advanced-lip-sync.overlay.yaml", "upstream.overlay.yaml"
PROFILES = {MAIN: "documented", UPSTREAM: "upstream"}
BROKEN, HELD, UNVERIFIED = "broken", "held", "unverified"

TOKEN = re.compile(r"""(?P<int>\b\d+\b)|'(?P<single>[^']*)'|"(?P<double>[^"]*)\"""")
REPLACEMENT = "changed"
"""Takes the place of a string. No world holds it."""
ANOTHER_TYPE = "boolean"
"""Takes the place of a `type`. No field has it."""


class Literal(NamedTuple):
    """One literal in one overlay. `place` leads to the keyword's value or to the rule's text."""

    file: str
    place: tuple
    rule_ids: tuple
    """The rules that say it: one, or a keyword's rule for each field that the overlay's target selects."""
    value: int | str
    span: tuple | None = None
    """Where it stands in the rule's text; None for the value of a keyword."""

    def __str__(self):
        at = f" at {self.span[0]}" if self.span else ""
        return f"{', '.join(self.rule_ids)}: {self.value!r}{at}"

    @property
    def is_limit(self):
        return isinstance(self.value, int)

    @property
    def replacements(self):
        if self.is_limit:
            return (self.value + 1, self.value - 1)
        return (ANOTHER_TYPE,) if self.span is None else (REPLACEMENT,)


class Change(NamedTuple):
    """One literal with another in its place."""

    literal: Literal
    new: int | str

    def __str__(self):
        return f"{self.literal} to {self.new!r}"


def literals():
    for file in PROFILES:
        for index, action in enumerate(_overlay(file)["actions"]):
            # Elsewhere the overlay speaks of responses, and of bodies as OpenAPI means them.
            if "requestBody..properties" in action["target"] and "update" in action:
                yield from _literals(file, ("actions", index, "update"), action["update"], action["target"])


def _literals(file, place, schema, target):
    fields = re.findall(r"\w+", target.rpartition("properties")[2])
    for keyword in filter(schema.__contains__, KEYWORDS):
        assert isinstance(schema[keyword], int) or keyword == "type", f"say how to change {keyword} at {target}"
        yield Literal(file, (*place, keyword), tuple(f"{field}.{keyword}" for field in fields), schema[keyword])
    for index, rule in enumerate(schema.get("x-validations", ())):
        for value, span in _tokens(rule["rule"]):
            yield Literal(file, (*place, "x-validations", index, "rule"), (rule["id"],), value, span)
    for below in ("properties", "items"):
        assert below not in schema, f"follow {below} at {target}"


def _tokens(text):
    for match in TOKEN.finditer(text):
        value = int(match["int"]) if match["int"] else match[match.lastgroup]
        yield value, match.span(match.lastgroup)


@cache
def _overlay(file):
    return yaml.safe_load((kling_openapi.FOLDER / file).read_bytes())


@cache
def _vendor():
    return loading.vendor()


def _changed_overlay(change):
    """The overlay with one literal changed."""
    changed = deepcopy(_overlay(change.literal.file))
    *way, last = change.literal.place
    holder = changed
    for step in way:
        holder = holder[step]
    if change.literal.span:
        start, end = change.literal.span
        holder[last] = f"{holder[last][:start]}{change.new}{holder[last][end:]}"
    else:
        holder[last] = change.new
    return changed


@cache
def compiled(change):
    """The contract of the profile that the literal's overlay is for, with that literal changed."""
    effective = _vendor()
    for file in (MAIN, UPSTREAM) if change.literal.file == UPSTREAM else (MAIN,):
        effective = overlay.apply(
            effective, _changed_overlay(change) if file == change.literal.file else _overlay(file)
        )
    return Contract.compile(overlay.merged(effective, _overlay(loading.COMPANIONS), loading.COMPANIONS))


@cache
def mock(change):
    return create_app(contract=compiled(change), fetch="none")


def unchanged(change):
    return contract_of(PROFILES[change.literal.file])


def verdicts(contract, report):
    found = dict.fromkeys(contract.rules, HELD)
    found |= {one.rule.id: UNVERIFIED for one in report.unverified}
    return found | {one.rule.id: BROKEN for one in report.violations}


def message_of(literal):
    return contract_of().rules[literal.rule_ids[0]].message


def is_about_size(literal):
    return "facts.file.size_bytes" in contract_of().rules[literal.rule_ids[0]].statement


def rows_for(change):
    """The rows of the literal's profile. Megabytes of audio are for the limit on them."""
    of_profile = [row for row in ROWS if (row.profile, row.upstream_state) == (PROFILES[change.literal.file], True)]
    if is_about_size(change.literal):
        return of_profile
    return [row for row in of_profile if "size_bytes" not in row.content.get("sound_file", ())]


class Flip(NamedTuple):
    """One rule that is judged differently in one row."""

    row: object
    rule_id: str
    before: str
    after: str
    messages: frozenset


@cache
def flips(change):
    return list(_flips(change))


def _flips(change):
    for row in rows_for(change):
        report = compiled(change).report(row.payload, row.world)
        before, after = verdicts(unchanged(change), row.report), verdicts(compiled(change), report)
        for rule_id in before:
            if before[rule_id] != after[rule_id]:
                said = frozenset(one.message for one in report.violations if one.rule.id == rule_id)
                yield Flip(row, rule_id, before[rule_id], after[rule_id], said)


def own_flips(change):
    """The flips of the rules that say the changed literal."""
    return [flip for flip in flips(change) if flip.rule_id in change.literal.rule_ids]


LITERALS = list(literals())
CEL_RULES = [rule for rule in contract_of().operation.rules if rule.kind == "cel"]
CHANGES = [Change(literal, new) for literal in LITERALS for new in literal.replacements]

each_change = pytest.mark.parametrize("change", CHANGES, ids=str)
each_limit = pytest.mark.parametrize("limit", [literal for literal in LITERALS if literal.is_limit], ids=str)


# The literals are all found.


def test_every_literal_of_every_rule_is_tried():
    compiled_in = Counter()
    for rule in CEL_RULES:
        compiled_in.update((rule.id, value) for value, _ in _tokens(rule.statement))
    tried = Counter((literal.rule_ids[0], literal.value) for literal in LITERALS if literal.span)
    assert tried == compiled_in


@pytest.mark.parametrize("file", PROFILES)
def test_every_keyword_that_an_overlay_adds_is_tried(file):
    below = _vendor() if file == MAIN else contract_of().document
    added = _keywords(contract_of(PROFILES[file]).document).items() - _keywords(below).items()
    keywords = (literal for literal in LITERALS if literal.file == file and not literal.span)
    assert added == {(rule_id, literal.value) for literal in keywords for rule_id in literal.rule_ids}


def _keywords(effective):
    post = effective["paths"][contract_of().operation.paths[0]]["post"]
    (content,) = post["requestBody"]["content"].values()
    return dict(_keywords_below(content["schema"], "body"))


def _keywords_below(schema, field):
    yield from ((f"{field}.{word}", schema[word]) for word in KEYWORDS if word in schema and word != "required")
    for name, body in schema.get("properties", {}).items():
        yield from _keywords_below(body, name)
    if "items" in schema:
        yield from _keywords_below(schema["items"], f"{field}.items")


def test_a_change_in_the_overlays_file_arrives(tmp_path):
    change = next(change for change in CHANGES if change.literal.rule_ids == ("clip-too-short",))
    for file in kling_openapi.FOLDER.glob("*.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / MAIN).write_text(yaml.safe_dump(_changed_overlay(change), allow_unicode=True), encoding="utf-8")
    loaded = Contract.load(folder=tmp_path)
    assert loaded.document == compiled(change).document != contract_of().document


# The check follows.


@each_change
def test_some_row_is_judged_differently(change):
    assert own_flips(change)


@each_change
def test_nothing_else_is_judged_differently(change):
    """A rule may become verifiable, or no longer be, as one that it hangs on is now held or broken."""
    others = [flip for flip in flips(change) if flip not in own_flips(change)]
    assert [(flip.row.id, flip.rule_id) for flip in others if UNVERIFIED not in (flip.before, flip.after)] == []


@each_limit
def test_a_limit_moves_by_exactly_one(limit):
    """Moved one way the last good row turns bad, moved the other way the first bad row turns good.

    A rule whose one condition failed beside an unknown one can be judged no more once that condition holds.
    """
    turns = [
        {
            (flip.before, flip.after)
            for flip in own_flips(Change(limit, new))
            if UNVERIFIED not in (flip.before, flip.after)
        }
        for new in limit.replacements
    ]
    assert sorted(turns, key=str) == [{(BROKEN, HELD)}, {(HELD, BROKEN)}]


# The mock follows.


@each_change
def test_the_mock_judges_by_the_changed_document(change):
    client = mock(change).test_client()
    # One row of each kind: the mock and the check share an engine, what they might not share is the document.
    turned = {(flip.before, flip.after): flip.row for flip in own_flips(change)}
    assert turned
    for row in turned.values():
        report = compiled(change).report(row.payload, row.world)
        answer = answered(client, row)
        assert listed(answer.headers.get("X-Contract-Violations")) == list(report.broken)
        assert answer.json["message"] == (report.violations[0].message if report.violations else "SUCCEED")
        if answer.status_code == 200:
            unverified = {one.rule.id for one in report.unverified}
            assert set(listed(answer.headers.get("X-Contract-Unverified"))) == unverified


@each_change
def test_the_mock_shows_the_changed_table_and_document(change):
    client = mock(change).test_client()
    assert client.get("/_mock/openapi.json").json == compiled(change).document
    assert client.get("/_mock/rules").json["data"] == rule_table.rule_rows(compiled(change))


# The message follows.


@each_limit
def test_the_message_says_the_changed_limit(limit):
    (said,) = filter(None, (set(_newly_said(Change(limit, new))) for new in limit.replacements))
    (new,) = {new for new, _ in said}
    assert [message for _, message in said if not re.search(rf"(?<!\d){new}(?!\d)", message)] == []


def _newly_said(change):
    for flip in own_flips(change):
        if flip.after == BROKEN:
            yield from ((change.new, message) for message in flip.messages)


@pytest.mark.parametrize(
    "change",
    [change for change in CHANGES if change.literal.span and "{choices" in message_of(change.literal)],
    ids=str,
)
def test_the_message_lists_the_changed_choice(change):
    sentence = compiled(change).rules[change.literal.rule_ids[0]].sentence()
    assert REPLACEMENT in sentence
    assert not change.literal.value or change.literal.value not in sentence


@pytest.mark.parametrize("rule", CEL_RULES, ids=lambda rule: rule.id)
def test_a_message_repeats_no_literal(rule):
    numbers = {str(value) for value, _ in _tokens(rule.statement) if isinstance(value, int)}
    assert numbers.isdisjoint(re.findall(r"\d+", rule.message))
    assert ("{limit" in rule.message) == bool(numbers)


@pytest.mark.parametrize("rule", CEL_RULES, ids=lambda rule: rule.id)
def test_a_refusal_says_the_message_of_the_document(rule):
    changed = deepcopy(contract_of().document)
    (entry,) = (entry for entry in _entries(changed) if entry["id"] == rule.id)
    entry["message"] = REPLACEMENT
    row = next(row for row in ROWS if rule.id in row.breaks)
    violations = Contract.compile(changed).collect_violations(row.payload, row.world)
    assert {one.message for one in violations if one.rule.id == rule.id} == {REPLACEMENT}


def _entries(node):
    if isinstance(node, dict):
        yield from node.get("x-validations", ())
        for member in node.values():
            yield from _entries(member)


# The rule table follows.


@each_change
def test_the_rule_table_says_the_changed_literal(change):
    before, after = (
        {row["id"]: row for row in rule_table.rule_rows(contract)} for contract in (unchanged(change), compiled(change))
    )
    moved = [rule_id for rule_id in before if before[rule_id] != after[rule_id]]
    assert moved == list(change.literal.rule_ids)
    for rule_id in moved:
        statement = after[rule_id]["statement"]
        assert str(change.new) in statement
        assert statement in rule_table.rule_text(compiled(change))
        assert statement.replace("|", "\\|") in rule_table.rule_markdown(compiled(change))


# The largest body that the mock reads follows.


MAX_FILE = [literal for literal in LITERALS if literal.is_limit and is_about_size(literal)]


@pytest.mark.parametrize("megabytes", [1, 2, 6])
@pytest.mark.parametrize("limit", MAX_FILE, ids=str)
def test_the_largest_body_has_room_for_the_largest_file_in_base64(limit, megabytes):
    size = megabytes * 1024 * 1024
    change = Change(limit, size)
    spare = mock(change).config["MAX_CONTENT_LENGTH"] - size * 4 / 3
    usual = create_app(contract=contract_of()).config["MAX_CONTENT_LENGTH"] - limit.value * 4 / 3
    assert spare == pytest.approx(usual, abs=4)
    assert compiled(change).largest_file == size


# The service codes follow.


def coded_places(node, place=()):
    """Where the main overlay says which service code a refusal has."""
    if isinstance(node, dict):
        yield from ((*place, name) for name in ("code", "x-violation-code") if isinstance(node.get(name), int))
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, member in members:
        yield from coded_places(member, (*place, name))


CODED = [place for place in coded_places(_overlay(MAIN)) if "example" not in place]


@pytest.mark.parametrize("place", CODED, ids=lambda place: "-".join(map(str, place)))
def test_a_changed_code_is_answered_with_the_status_that_declares_it(place):
    changed = deepcopy(_overlay(MAIN))
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    # No rule has it; the response of one status declares it.
    holder[place[-1]] = 5001
    after = Contract.compile(overlay.apply(_vendor(), changed)).rules
    moved = [rule_id for rule_id, rule in contract_of().rules.items() if rule.code != after[rule_id].code]
    assert moved
    assert {after[rule_id].code for rule_id in moved} == {5001}
    assert {after[rule_id].status for rule_id in moved} == {holder.get("status", 503)}


# And nothing says it twice.

UNRELATED = {
    ("contracts/kling_contracts/rules/rule.py", "_UNITS"): "what an age is written in: days, minutes",
    ("contracts/kling_contracts/media/silent_audio.py", "_MAX_MS"): "a day: the longest silence that is made",
    ("contracts/kling_contracts/audits/audit.py", "MAX_LENGTH"): "characters that a report shows of a payload",
    (
        "mock_server/kling_mock_server/state/stores/text.py",
        "DAY_MS",
    ): "a day: the unit of the time that a store keeps rows",
    ("contracts/kling_contracts/drift/newer.py", "MAX_BYTES"): "bytes of a document that is read",
    ("contracts/kling_contracts/drift/wording.py", "_TIME"): "the units in which a document writes times",
    (
        "mock_server/kling_mock_server/outgoing/callback_attempt.py",
        "GAPS_MS",
    ): "the time between attempts at a callback",
}
"""Assignments that may hold such a number, and what it is there."""
FORBIDDEN = {literal.value for literal in LITERALS if literal.is_limit and literal.value > 10} | {5_000_000}


def written(source, excepted=()):
    """Every number in Python source, also as a product and in text; but not in docstrings."""
    return set(_written(ast.parse(source), excepted))


def _written(node, excepted):
    if isinstance(node, ast.Assign | ast.AnnAssign) and _assigned(node) in excepted:
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    value = _folded(node)
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, str):
        yield from map(int, re.findall(r"\d+", value))
    for child in ast.iter_child_nodes(node):
        yield from _written(child, excepted)


def _assigned(node):
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return getattr(target, "id", None)


def _folded(node):
    """The value of a constant, or of a calculation with constants."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BinOp) and not isinstance(_folded(node.left), str | None):
        try:
            return eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}})
        except (ArithmeticError, NameError, TypeError):
            return None
    return None


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("limit = 5242880", 5_242_880),
        ("limit = 5_242_880", 5_242_880),
        ("limit = 5 * 1024 * 1024", 5_242_880),
        ("limit = 5 << 20", 5_242_880),
        ("limit = 2e3", 2000),
        ("def f(limit=30 * 24 * 60 * 60 * 1000): ...", 2_592_000_000),
        ("f(2 * 1000 <= x)", 2000),
        ("say('at least 2000 ms')", 2000),
        ("say(f'at least {x} of 2000 ms')", 2000),
    ],
)
def test_a_number_is_found_however_it_is_written(source, number):
    assert number in written(source)


SOURCES = sorted(path for folder in ("contracts", "mock_server", "openapi") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_limit_of_the_endpoint_stands_in_the_code(path):
    file = path.relative_to(ROOT).as_posix()
    excepted = {name for where, name in UNRELATED if where == file}
    assert written(path.read_text(encoding="utf-8"), excepted) & FORBIDDEN == set()


@pytest.mark.parametrize(("file", "name"), UNRELATED)
def test_an_exception_is_still_needed(file, name):
    assert written((ROOT / file).read_text(encoding="utf-8")) & FORBIDDEN


def test_the_numbers_to_look_for_are_the_documents_own():
    assert {2000, 60_000, 5_242_880, 2_592_000_000, 86_400_000} <= FORBIDDEN
