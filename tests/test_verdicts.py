"""A rule's verdict is CEL's, what cannot be known being an error; the official engine is the oracle.

An unknown is shown to the engine as a member that the maps do not hold, read through one that they do not hold
either, so that reading it and asking whether it is there both are errors.
"""

import copy
import re
from functools import cache
from types import SimpleNamespace

import pytest
from cel_expr_python import cel
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_contracts import World
from kling_contracts.judging.object_rules import ObjectRules, Seat
from kling_contracts.judging.partly_unknown import with_unknowns
from kling_contracts.rules.cel_compiler import compile_rule
from kling_contracts.unknown import Absent, Unknown, UnknownFactError
from support.serving import documented

CONTRACT = documented()
EXAMPLE = CONTRACT.operation.example
WORLD = CONTRACT.operation.example_world
MAP = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
TYPES = {"integer": cel.Type.INT, "string": cel.Type.STRING, "boolean": cel.Type.BOOL, "object": MAP}
RULES = [(operation, rule) for operation in CONTRACT.operations for rule in operation.rules if rule.expression]


@cache
def program(text, self_type):
    return cel.NewEnv(variables={"self": TYPES[self_type], "facts": MAP}).compile(text)


def official(text, self_type, value, facts):
    """The engine's verdict; None where it gives none."""
    verdict = program(text, self_type).eval(data={"self": value, "facts": facts}).plain_value()
    return verdict if isinstance(verdict, bool) else None


def ours(expression, value, facts):
    try:
        return expression.holds(value, facts)
    except UnknownFactError:
        return None


def settled(rule, value, facts, refused):
    """The verdict of the one function for all rules of an object, which evaluates nothing that is unknown."""
    failing = ObjectRules((Seat((rule,)),)).failing(value, facts, frozenset(refused))
    return {"broken": False, "unknown": None}[failing[0].outcome] if failing else True


def as_unknown(text, names):
    """The rule with every read of a name, `facts.audio`, led through what no map holds."""
    for name in names:
        root, _, rest = name.partition(".")
        text = re.sub(rf"\b{re.escape(name)}\b", f"{root if rest else 'facts'}.nobody.{rest or root}", text)
    return text


def literals_of(rule, kind):
    conditions = rule.expression.conditions
    if kind == "string":
        return sorted({"", "x", *(choice for one in conditions for choice in one.choices)})
    limits = {limit for one in conditions for limit in one.limits} | {0}
    return sorted({limit + by for limit in limits for by in (-1, 0, 1)})


def drawn(data, schema, rule):
    """A value of a scalar's type at or beside the rule's own literals."""
    kind = schema["type"]
    if kind == "boolean":
        return data.draw(st.booleans())
    if kind in ("integer", "string"):
        return data.draw(st.sampled_from(literals_of(rule, kind)))
    return 0


def schema_at(operation, node):
    schema = schema_of(operation)
    for name in filter(None, node.split(".")):
        schema = schema["properties"][name.removesuffix("[]")]
        schema = schema["items"] if name.endswith("[]") else schema
    return schema


def schema_of(operation):
    declared = CONTRACT.document["paths"][operation.paths[0]][operation.method.lower()]
    if "requestBody" in declared:
        return declared["requestBody"]["content"]["application/json"]["schema"]
    return {"type": "object", "properties": {one["name"]: one["schema"] for one in declared["parameters"]}}


def facts_schema_of(operation):
    declared = CONTRACT.document["paths"][operation.paths[0]][operation.method.lower()]
    return CONTRACT.document["components"]["schemas"][declared["x-facts"]]["properties"]


@pytest.mark.parametrize(("operation", "rule"), RULES, ids=lambda one: one.id)
def test_every_rule_has_the_official_engines_verdict_whatever_is_unknown(operation, rule):
    schema = schema_at(operation, rule.node)
    read = sorted({".".join(name.split(".")[:2]) for name in rule.expression.reads})
    fact_schemas = facts_schema_of(operation)

    @settings(max_examples=30, deadline=None, derandomize=True, database=None)
    @given(data=st.data())
    def compare(data):
        unknown = data.draw(st.sets(st.sampled_from(read)))
        absent = data.draw(st.sets(st.sampled_from(read))) - unknown
        value = drawn(data, schema, rule) if "self" in read else {}
        if schema["type"] == "object":
            names = [name.removeprefix("self.") for name in read if name.startswith("self.")]
            required = schema.get("required", ())
            given_names = [name for name in names if name in required or f"self.{name}" not in absent]
            value = {name: drawn(data, schema["properties"][name], rule) for name in given_names}
        facts = {
            name: {member: drawn(data, one, rule) for member, one in fact_schemas[name].get("properties", {}).items()}
            for name in (name.removeprefix("facts.") for name in read if name.startswith("facts."))
            if f"facts.{name}" not in absent | unknown
        }
        pointers = tuple(name.removeprefix("self").replace(".", "/") for name in unknown if name.startswith("self"))
        known = {name: SimpleNamespace(**members) for name, members in facts.items()}
        missing = {
            name: Unknown("unknown") if f"facts.{name}" in unknown else Absent("absent") for name in fact_schemas
        }
        all_facts = SimpleNamespace(**{**missing, **known})
        judged = ours(rule.expression, with_unknowns(value, pointers, "") if pointers else value, all_facts)
        assert judged is official(as_unknown(rule.statement, unknown), schema["type"], value, facts)
        assert judged is settled(rule, value, all_facts, pointers)

    compare()


ATOMS = ["self.a > 0", "self.b > 0", "facts.one.yes", "facts.two.yes", "has(facts.one)", "facts.one.n <= self.a"]
FACTS = {
    "type": "object",
    "properties": {
        name: {"type": "object", "properties": {"yes": {"type": "boolean"}, "n": {"type": "integer"}}}
        for name in ("one", "two")
    },
}
SELF = {
    "type": "object",
    "required": ["a", "b"],
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
}
EXPRESSIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, st.sampled_from(["==", "!="]), inner).map(lambda parts: "(({}) {} ({}))".format(*parts)),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    source=EXPRESSIONS,
    unknown=st.sets(st.sampled_from(["self.a", "self.b", "facts.one", "facts.two"])),
    value=st.fixed_dictionaries({"a": st.integers(-1, 1), "b": st.integers(-1, 1)}),
    facts=st.fixed_dictionaries(
        {name: st.fixed_dictionaries({"yes": st.booleans(), "n": st.integers(-1, 1)}) for name in ("one", "two")}
    ),
)
def test_any_expression_has_the_official_engines_verdict_whatever_is_unknown(source, unknown, value, facts):
    expression = compile_rule(source, SELF, FACTS)
    pointers = tuple(name.removeprefix("self").replace(".", "/") for name in unknown if name.startswith("self"))
    known = {name: SimpleNamespace(**facts[name]) for name in facts if f"facts.{name}" not in unknown}
    all_facts = SimpleNamespace(**{**dict.fromkeys(facts, Unknown("unknown")), **known})
    judged = ours(expression, with_unknowns(value, pointers, "") if pointers else value, all_facts)
    assert judged is official(as_unknown(source, unknown), "object", value, facts)
    assert judged is settled(RULES[0][1]._replace(expression=expression), value, all_facts, pointers)


# The same in reports.


def payload(**item):
    changed = copy.deepcopy(EXAMPLE)
    changed["face_choose"][0].update(item)
    return changed


def unverified(report):
    return {one.rule.id: one.because for one in report.unverified}


def test_a_conjunct_that_falls_breaks_a_rule_whose_facts_nobody_knows():
    report = CONTRACT.report(payload(face_id="9", sound_end_time=1999), WORLD)
    assert {"clip-too-short", "face-overlap-too-short"} <= set(report.broken)


@pytest.mark.parametrize(("end_ms", "broken"), [(1999, True), (2000, False)])
def test_where_no_conjunct_falls_the_unknown_leaves_the_rule_unverified(end_ms, broken):
    report = CONTRACT.report(payload(face_id="9", sound_end_time=end_ms), WORLD)
    assert ("face-overlap-too-short" in report.broken) is broken
    assert ("face-overlap-too-short" in unverified(report)) is not broken


def test_a_field_that_broke_a_keyword_leaves_a_rule_unverified_that_reads_it_and_says_so():
    report = CONTRACT.report(payload(sound_start_time="0", sound_end_time=100), WORLD)
    assert unverified(report)["clip-too-short"] == "/face_choose/0/sound_start_time is itself refused"


def test_a_field_that_broke_a_keyword_hides_no_conjunct_that_does_not_read_it():
    # The face lies within 1.5 s: the last conjunct falls, whatever the start is.
    face = {**WORLD.to_json()["sessions"]["825465778199224380"], "faces": {"-1": [0, 1500]}}
    world = World.from_json({**WORLD.to_json(), "sessions": {"825465778199224380": face}})
    report = CONTRACT.report(payload(sound_start_time="0"), world)
    assert "face-overlap-too-short" in report.broken
    assert "clip-too-short" in unverified(report)


@pytest.mark.parametrize("wrong", [{}, [], None, 0, False, 1, [1], {"a": 1}, 0.5, True])
def test_a_source_of_a_wrong_type_is_neither_given_nor_left_out(wrong):
    report = CONTRACT.report(payload(sound_file=wrong), WORLD)
    assert report.broken == ("sound_file.type",)
    assert {"audio-too-short", "audio-too-long", "audio-content", "clip-past-audio-end"} <= set(unverified(report))
    assert isinstance(report.facts[0].audio, Unknown)


@pytest.mark.parametrize(
    ("sound_file", "broken"), [("", ()), ("x", ("audio-source-conflict", "sound-file-unreadable"))]
)
def test_a_source_is_given_when_it_is_a_text_that_is_not_empty(sound_file, broken):
    assert CONTRACT.report(payload(sound_file=sound_file), WORLD).broken == broken
