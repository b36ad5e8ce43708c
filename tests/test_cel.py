"""The rule language: what it takes, what it refuses, and that an official CEL engine reads it the same way."""

from types import SimpleNamespace

import pytest
from cel_expr_python import cel
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_contracts import Contract, RuleError
from kling_contracts.rules.cel_compiler import compile_rule
from kling_contracts.rules.cel_parser import MAX_NESTING
from kling_contracts.unknown import Absent, Unknown, UnknownFactError

INT, TEXT, BOOL = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}


def record(required=(), **properties):
    return {"type": "object", "required": list(required), "properties": properties}


SELF = record(
    ["a", "b", "s", "t", "yes", "no", "inner", "list", "in"],
    a=INT,
    b=INT,
    s=TEXT,
    t=TEXT,
    yes=BOOL,
    no=BOOL,
    inner=record(["deep"], deep=INT, maybe=INT),
    list={"type": "array", "items": INT},
    maybe=INT,
    note=TEXT,
    box=record(["deep"], deep=INT),
    ratio={"type": "number"},
    **{"in": INT},
)
FACTS = record(file=record(ms=INT, ok=BOOL, kind=TEXT))
VALUE = {
    "a": 5,
    "b": 3,
    "s": "x",
    "t": "y",
    "yes": True,
    "no": False,
    "inner": {"deep": 7},
    "list": [1],
    "in": 1,
    "ratio": 1,
}
KNOWN = {"file": {"ms": 1000, "ok": True, "kind": "url"}}
MAX_INT = 2**63 - 1


def compiled(source, self_schema=SELF):
    return compile_rule(source, self_schema, FACTS)


def objects(node):
    """Nested maps as the attribute objects that the closures read."""
    if isinstance(node, dict):
        return SimpleNamespace(**{name: objects(member) for name, member in node.items()})
    return node


def with_absent(facts, schema):
    """The facts as our closures read them: whatever the maps leave out is absent."""
    known = {name: objects(member) for name, member in facts.items()}
    missing = {name: Absent("not in the world") for name in schema["properties"] if name not in facts}
    return SimpleNamespace(**known, **missing)


def verdict(source, value=VALUE, facts=KNOWN):
    return compiled(source).holds(value, with_absent(facts, FACTS))


def engine(self_schema):
    kinds = {"integer": cel.Type.INT, "string": cel.Type.STRING, "boolean": cel.Type.BOOL}
    record_type = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    own = kinds.get(self_schema["type"], record_type)
    return cel.NewEnv(variables={"self": own, "facts": record_type})


def official_verdict(program, value, facts):
    """The official engine's answer; None where it reads what is not there."""
    answer = program.eval(data={"self": value, "facts": facts}).plain_value()
    return answer if isinstance(answer, bool) else None


ENGINE = engine(SELF)

HOLDING = [
    "self.a == 5",
    "self.a != 3",
    "self.b < self.a",
    "self.b <= 3",
    "self.a > self.b",
    "self.a >= 5",
    "self.s == 'x'",
    'self.s == "x"',
    "self.s != self.t",
    "self.s != ''",
    "self.s != '你好'",
    "self.yes == self.yes",
    "self.yes != self.no",
    "self.a + self.b == 8",
    "self.a - self.b == 2",
    "self.a - self.b - 1 == 1",
    "self.a - (self.b - 1) == 3",
    "self.a - 1 + 1 == self.a",
    "self.b - self.a < 0",
    "self.a-1==4",
    "self.a == 005",
    f"self.a < {MAX_INT}",
    "self.yes",
    "!self.no",
    "!!self.yes",
    "self.yes && !self.no",
    "self.no || self.yes",
    "self.inner.deep == 7",
    "has(self.a)",
    "has(self.inner.deep)",
    "!has(self.maybe)",
    "!has(self.inner.maybe)",
    "has(facts.file)",
    "has(facts.file) == has(self.a)",
    "facts.file.ok && facts.file.kind == 'url'",
    "facts.file.ms >= 1000",
    " self . a\n==\t( 5 ) ",
    # How tightly each operator binds: every one of these is false, or no rule, when it is read differently.
    "!self.yes == self.no",
    "!self.no || self.yes && self.no",
    "self.yes || self.yes && self.no",
    "self.yes || self.no && self.no",
    "!(self.yes && self.no) && !self.no",
    "self.a - self.b == 2 && self.a + 1 > self.b + 2",
    "(self.yes || self.yes) && self.yes",
    "(self.a < self.b) == self.no",
    # A missing field is never read once it is known to be missing.
    "!has(self.maybe) || self.maybe > 0",
    "!(has(self.maybe) && self.maybe > 0)",
    "!has(self.note) || self.note == '' || self.note == 'x'",
]


@pytest.mark.parametrize("source", HOLDING)
def test_a_rule_that_holds_holds(source):
    assert verdict(source) is True


@pytest.mark.parametrize("source", HOLDING)
def test_its_negation_does_not(source):
    assert verdict(f"!({source})") is False


@pytest.mark.parametrize("source", HOLDING)
def test_the_official_engine_agrees(source):
    assert official_verdict(ENGINE.compile(source), VALUE, KNOWN) is True


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("self.a - 1 < 4", False),
        ("self.a - 1 <= 4", True),
        ("self.a + 1 > 6", False),
        ("self.a + 1 >= 6", True),
    ],
)
def test_a_comparison_is_judged_exactly_at_its_boundary(source, holds):
    assert verdict(source) is holds


@pytest.mark.parametrize("negations", [1, 2, 3, 400, 401])
def test_however_many_negations_are_as_one_or_none(negations):
    assert compiled("!" * negations + "self.yes").holds(VALUE, None) is (negations % 2 == 0)


@pytest.mark.parametrize("inner", ["self.yes", "!(self.yes)", "self.a == 5 || self.no"])
def test_parentheses_nest_as_deep_as_python_reads_them_in_every_form(inner):
    def nested(levels):
        return "(!" * levels + f"({inner})" + " == self.yes)" * levels

    assert compiled(nested(MAX_NESTING - 2)).code() is not None
    with pytest.raises(RuleError, match="nested too deeply"):
        compiled(nested(MAX_NESTING))


def test_integers_are_not_bounded_to_64_bits_when_judging():
    assert verdict("self.a + self.b > self.b", {**VALUE, "a": 2**80, "b": 2**80}) is True


def test_self_may_be_a_scalar():
    rule = compile_rule("self >= 0 && self <= 2", INT, FACTS)

    assert [rule.holds(number, objects(KNOWN)) for number in (-1, 0, 2, 3)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("source", "given", "missing"),
    [
        ("has(self.maybe)", True, False),
        ("has(self.maybe) && self.maybe > 0", True, False),
        ("!has(self.maybe) || self.maybe < 0", False, True),
        ("!has(self.maybe) || self.maybe > 0 && self.a > 0", True, True),
        ("has(self.maybe) && self.maybe > 0 || self.yes", True, True),
        ("self.no || has(self.maybe) && (self.no || self.maybe > 0)", True, False),
    ],
)
def test_has_guards_an_optional_field(source, given, missing):
    assert verdict(source, {**VALUE, "maybe": 1}) is given
    assert verdict(source) is missing


def test_has_is_true_for_a_field_that_is_there_but_empty():
    assert verdict("has(self.note)", {**VALUE, "note": ""}) is True


def test_has_is_false_for_a_fact_that_the_world_does_not_have():
    assert verdict("has(facts.file)", facts={}) is False


@pytest.mark.parametrize("source", ["facts.file.ms > 0", "facts.file.ok", "!facts.file.ok", "facts.file.kind == 'url'"])
def test_reading_a_fact_that_the_world_does_not_have_gives_no_verdict(source):
    with pytest.raises(UnknownFactError, match="not in the world"):
        verdict(source, facts={})


@pytest.mark.parametrize(
    "source",
    [
        "has(facts.file)",
        "!has(facts.file)",
        "facts.file.ms > 0",
        "facts.file.ms + 1 > 0",
        "1 - facts.file.ms > 0",
        "facts.file.ok || self.no",
        "facts.file.ok && self.yes",
        "facts.file.kind != 'url'",
    ],
)
def test_a_fact_that_nobody_can_know_gives_no_verdict(source):
    with pytest.raises(UnknownFactError, match="no world"):
        compiled(source).holds(VALUE, SimpleNamespace(file=Unknown("no world")))


@pytest.mark.parametrize(
    ("source", "settled"),
    [
        ("self.no && facts.file.ok", False),
        ("facts.file.ok && self.no", False),
        ("self.yes && (self.no && facts.file.ms > 0)", False),
        ("self.yes && (facts.file.ms > 0 && self.no)", False),
        ("facts.file.ok || self.yes", True),
        ("!(facts.file.ok || self.yes)", False),
        ("(facts.file.ok || self.yes) == self.yes", True),
        ("self.no != (facts.file.ok && self.no)", False),
    ],
)
def test_what_settles_a_rule_needs_no_fact_wherever_it_stands(source, settled):
    assert compiled(source).holds(VALUE, SimpleNamespace(file=Unknown("no world"))) is settled
    assert official_verdict(ENGINE.compile(source), VALUE, {}) is settled


OUTSIDE = [
    pytest.param("", id="empty"),
    pytest.param(" \n", id="blank"),
    # Not a rule of its own
    pytest.param("self.a", id="an int is no verdict"),
    pytest.param("1", id="a literal is no verdict"),
    pytest.param("'yes'", id="a text is no verdict"),
    pytest.param("self", id="an object is no verdict"),
    # Chained comparison
    pytest.param("self.b < self.a < 9", id="chained order"),
    pytest.param("self.a == self.a == self.yes", id="chained equality"),
    # Unknown names
    pytest.param("self.nope == 1", id="unknown field"),
    pytest.param("self.inner.nope == 1", id="unknown inner field"),
    pytest.param("facts.nope", id="unknown fact"),
    pytest.param("facts.file.nope", id="unknown member of a fact"),
    pytest.param("payload.a == 1", id="unknown root"),
    pytest.param("a == 1", id="a field without self"),
    pytest.param("has(self.nope)", id="has of an unknown field"),
    pytest.param("has(nope.a)", id="has of an unknown root"),
    pytest.param("self.a.b == 1", id="a field of an int"),
    pytest.param("self.__class__ == 1", id="a Python attribute"),
    pytest.param("self.yes == true", id="true"),
    pytest.param("self.no == false", id="false"),
    pytest.param("self.s == null", id="null"),
    # Types that do not fit
    pytest.param("self.a == self.s", id="int and string"),
    pytest.param("self.a == '5'", id="int and a literal string"),
    pytest.param("self.yes == 1", id="bool and int"),
    pytest.param("self.s < self.t", id="order of strings"),
    pytest.param("self.no < self.yes", id="order of bools"),
    pytest.param("self.s + self.t == 'xy'", id="sum of strings"),
    pytest.param("self.a + self.yes == 6", id="sum with a bool"),
    pytest.param("!self.a", id="not an int"),
    pytest.param("!self.a == self.b", id="not binds tighter than equals"),
    pytest.param("self.a && self.yes", id="and of an int"),
    pytest.param("self.yes || self.s", id="or of a string"),
    pytest.param("self.inner == self.inner", id="equality of objects"),
    pytest.param("facts.file == facts.file", id="equality of facts"),
    pytest.param("self.list == self.list", id="equality of arrays"),
    pytest.param("has(self.ratio) && self.ratio == self.ratio", id="a number that may be a float"),
    # An optional field that may be missing when it is read
    pytest.param("self.maybe > 0", id="no guard"),
    pytest.param("has(self.note) && self.maybe > 0", id="a guard for another field"),
    pytest.param("self.inner.maybe > 0", id="no guard for an inner field"),
    pytest.param("has(self.box.deep)", id="has within an optional object"),
    pytest.param("self.box.deep > 0", id="read within an optional object"),
    pytest.param("has(self.maybe) || self.maybe > 0", id="an or does not guard"),
    pytest.param("!has(self.maybe) && self.maybe > 0", id="the guard is negated"),
    pytest.param("self.maybe > 0 && has(self.maybe)", id="the guard comes too late"),
    pytest.param("(has(self.maybe) || self.yes) && self.maybe > 0", id="the guard may be passed by"),
    pytest.param("has(self.maybe) && self.yes || self.maybe > 0", id="the guard is in another branch"),
    # Calls, indexing and all else that CEL has
    pytest.param("size(self.s) > 0", id="a call"),
    pytest.param("self.s.size() > 0", id="a method"),
    pytest.param("int(self.s) > 0", id="a conversion"),
    pytest.param("has(self)", id="has of a root"),
    pytest.param("has(self.a == 1)", id="has of an expression"),
    pytest.param("has('a')", id="has of a literal"),
    pytest.param("has(self.a, self.b)", id="has of two fields"),
    pytest.param("has self.a", id="has without parentheses"),
    pytest.param("self.list[0] == 1", id="an index"),
    pytest.param("self['a'] == 5", id="a field by index"),
    pytest.param("self.yes ? self.yes : self.no", id="the ternary"),
    pytest.param("self.a in [5]", id="in and a list"),
    pytest.param("[1] == [1]", id="lists"),
    pytest.param("{'a': 1} == {'a': 1}", id="maps"),
    pytest.param("self.list.all(x, x > 0)", id="a macro"),
    pytest.param("self.a * 2 == 10", id="times"),
    pytest.param("self.a / 5 == 1", id="divided by"),
    pytest.param("self.a % 5 == 0", id="modulo"),
    pytest.param("self.in == 1", id="a field whose name is a keyword of CEL"),
    # Literals
    pytest.param("self.a == 5.0", id="a float"),
    pytest.param("self.a == .5", id="a float without a leading digit"),
    pytest.param("self.a == 5e0", id="an exponent"),
    pytest.param("self.a == 0x5", id="a hexadecimal"),
    pytest.param("self.a == 5u", id="an unsigned"),
    pytest.param("self.a > -1", id="a negative literal"),
    pytest.param("-self.a < 0", id="a negated field"),
    pytest.param("self.a == ٥", id="a digit that is not ASCII"),
    pytest.param(f"self.a < {MAX_INT + 1}", id="65 bits"),
    pytest.param(f"self.a < {'9' * 5000}", id="5000 digits"),
    pytest.param(r"self.s == '\n'", id="an escape"),
    pytest.param(r"self.s == '\''", id="an escaped quote"),
    pytest.param("self.s == 'a\nb'", id="a line break in a string"),
    pytest.param("self.s == 'a\rb'", id="a carriage return in a string"),
    pytest.param("self.s == r'x'", id="a raw string"),
    pytest.param("self.s == b'x'", id="bytes"),
    pytest.param("self.s == '''x'''", id="a triple-quoted string"),
    pytest.param("self.s == 'x", id="an unfinished string"),
    pytest.param("self.s == 'x\"", id="a string with two kinds of quote"),
    # Signs and spaces
    pytest.param("self.a = 5", id="assignment"),
    pytest.param("self.yes & self.yes", id="a single &"),
    pytest.param("self.yes | self.yes", id="a single |"),
    pytest.param("self.yes and self.yes", id="and in words"),
    pytest.param("not self.no", id="not in words"),
    pytest.param("self.a <> 5", id="another language's unequal"),
    pytest.param("self.a\u3000== 5", id="an ideographic space"),
    pytest.param("self.a\xa0== 5", id="a no-break space"),
    pytest.param("self.a == 5 // five", id="a comment"),
    pytest.param("self.a == 5;", id="a semicolon"),
    # Tokens left over or missing
    pytest.param("self.a == 5 self", id="a trailing name"),
    pytest.param("self.a == 5 5", id="a trailing literal"),
    pytest.param("self.a == 5)", id="a parenthesis too many"),
    pytest.param("(self.a == 5", id="a parenthesis too few"),
    pytest.param("self.a ==", id="no right side"),
    pytest.param("== self.a", id="no left side"),
    pytest.param("self.yes &&", id="and nothing"),
    pytest.param("|| self.yes", id="nothing or"),
    pytest.param("self.yes ! self.no", id="not between"),
    pytest.param("self. == 5", id="no field after the dot"),
    pytest.param("self..a == 5", id="two dots"),
    pytest.param("()", id="empty parentheses"),
    # Nesting beyond what any engine takes
    pytest.param("(" * 1000 + "self.yes" + ")" * 1000, id="1000 parentheses"),
    pytest.param("!" * 5000 + "self.yes", id="5000 negations"),
    pytest.param("self.a" + " + 1" * 5000 + " > 0", id="5000 terms"),
]


@pytest.mark.parametrize("source", OUTSIDE)
def test_whatever_is_outside_the_profile_is_an_error_at_load(source):
    with pytest.raises(RuleError):
        compiled(source)


@pytest.mark.parametrize("source", [one for one in OUTSIDE if len(one.values[0]) < 200])
def test_the_error_quotes_the_rule(source):
    with pytest.raises(RuleError) as caught:
        compiled(source)

    assert str(caught.value).endswith(f" in: {source}")


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("self.maybe > 0", "self.maybe is optional; guard it with has(self.maybe)"),
        ("self.nope == 1", "self has no field nope"),
        ("facts.file.nope", "facts.file has no field nope"),
        ("payload.a == 1", "payload is not declared; a rule may name self and facts"),
        ("self.a < self.b < 9", "comparisons cannot be chained"),
        ("self.a == self.s", "int == string cannot be compared"),
        ("self.s < self.t", "< takes int, not string"),
        (f"self.a < {MAX_INT + 1}", f"{MAX_INT + 1} does not fit into 64 bits"),
        ("self.a", "a rule must be bool, this is int"),
        ("self.a * 2 == 10", "'*' is outside the profile"),
        ("self.yes &&", "unexpected end"),
        ("(self.yes", "expected ')', found"),
    ],
)
def test_the_error_says_what_is_wrong(source, hint):
    with pytest.raises(RuleError) as caught:
        compiled(source)

    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("source", "limits"),
    [
        ("self.a >= 1 && self.a <= 2 && (self.b >= 3 && self.b <= 4)", [(1,), (2,), (3,), (4,)]),
        ("self.a >= 1 || self.a <= 2 && self.b <= 3", [(1, 2, 3)]),
        ("!(self.a >= 1 && self.b <= 2)", [(1, 2)]),
        ("self.a + 5 - 5 >= 7", [(5, 7)]),
    ],
)
def test_each_conjunct_is_a_condition_with_its_own_limits(source, limits):
    assert [condition.limits for condition in compiled(source).conditions] == limits


def test_a_condition_can_be_judged_alone():
    first, second = compiled("self.a > 100 && self.b > 0").conditions

    assert (first.holds(VALUE, None), second.holds(VALUE, None)) == (False, True)


def test_a_condition_knows_the_strings_to_choose_from():
    (condition,) = compiled("self.s == '' || self.s == 'mp3' || self.s == 'wav'").conditions

    assert condition.choices == ("mp3", "wav")


def test_a_rule_knows_what_it_reads():
    rule = compiled("has(self.maybe) && self.inner.deep > facts.file.ms")

    assert rule.reads == {"self.maybe", "self.inner.deep", "facts.file.ms"}
    assert rule.fields == ("/inner/deep", "/maybe")


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_a_comparison_knows_how_far_apart_its_sides_are(operator):
    (condition,) = compiled(f"self.a - self.b {operator} 10").conditions

    assert (condition.comparison.operator, condition.comparison.gap(VALUE, None)) == (operator, -8)


@pytest.mark.parametrize("source", ["self.s == 'x'", "self.yes", "self.a > 0 || self.b > 0", "!(self.a > 0)"])
def test_only_integers_are_compared_by_distance(source):
    (condition,) = compiled(source).conditions

    assert condition.comparison is None


# Whatever the parser takes, an engine must take and read the same way.

WORDS = [
    *("self.a", "self.b", "self.s", "self.yes", "self.no", "self.maybe", "self.inner.deep", "facts.file.ms"),
    *("has(self.maybe)", "has(facts.file)", "facts.file.ok", "0", "1", "5", "'x'", '"y"', "''"),
    *("==", "!=", "<", "<=", ">", ">=", "+", "-", "&&", "||", "!", "(", ")"),
]
SPACES = st.sampled_from(["", " ", " ", " ", "\n", "\t", "\f", "\v", "\xa0", "\u3000", "\u2028", "\x1c"])


def sources():
    """Well-formed expressions of any type, so that a good share of them is a rule."""
    scalar = st.sampled_from(WORDS[:17])

    def larger(inner):
        operator = st.sampled_from(WORDS[17:27])
        return st.one_of(
            st.tuples(inner, SPACES, operator, SPACES, inner).map("".join),
            inner.map(lambda text: f"({text})"),
            inner.map(lambda text: f"!{text}"),
        )

    return st.recursive(scalar, larger, max_leaves=6)


@settings(max_examples=300, deadline=None)
@given(source=sources(), maybe=st.sampled_from([{}, {"maybe": 0}, {"maybe": 5}]), known=st.booleans())
def test_whatever_compiles_is_read_the_same_by_the_official_engine(source, maybe, known):
    try:
        rule = compiled(source)
    except RuleError:
        return
    value, facts = {**VALUE, **maybe}, KNOWN if known else {}
    answer = official_verdict(ENGINE.compile(source), value, facts)
    try:
        assert rule.holds(value, with_absent(facts, FACTS)) is answer
    except UnknownFactError:
        # CEL's && and || may find a verdict on their other side; ours gives none, and the rule is unverified.
        assert not known


@settings(max_examples=150, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=8), space=SPACES)
def test_any_text_compiles_or_is_a_rule_error(words, space):
    source = space.join(words)
    try:
        compiled(source)
    except RuleError:
        return
    ENGINE.compile(source)


# The oracle: every rule of the contract, judged by our closure and by the official engine.

CONTRACT = Contract.load("documented")
FACTS_SCHEMA = CONTRACT.document["components"]["schemas"]["Facts"]
RULES = [rule for rule in CONTRACT.operation.rules if rule.kind == "cel"]


def payload_schema(node):
    """The schema of a rule's node, by its dotted path."""
    operation = CONTRACT.document["paths"][CONTRACT.operation.paths[0]]
    schema = operation["post"]["requestBody"]["content"]["application/json"]["schema"]
    for name in filter(None, node.split(".")):
        schema = schema["properties"][name.removesuffix("[]")]
        schema = schema["items"] if name.endswith("[]") else schema
    return schema


# The engine's Python binding cuts a string at its first NUL, and would compare another one.
NO_NUL = st.characters(exclude_characters="\0")

FAR = 2**53
"""Up to here every engine counts alike, also one whose numbers are floats."""


def spread(rule):
    """The rule's own literals, where its verdict turns, and what lies next to them, beyond them and far away."""
    limits = {limit for condition in rule.expression.conditions for limit in condition.limits}
    around = {number for limit in limits for number in (limit - 1, limit, limit + 1, 2 * limit, 5 * limit)}
    return sorted(around | {0, 10_000, -FAR, FAR})


def values_of(schema, rule, under):
    """JSON values of the declared type, with just the members that the rule reads; the optional ones may be missing."""
    if schema["type"] != "object":
        choices = sorted({choice for condition in rule.expression.conditions for choice in condition.choices})
        return {
            "integer": st.one_of(*[st.sampled_from(spread(rule))] * 3, st.integers(-FAR, FAR)),
            "string": st.sampled_from(["x", "", *choices]) | st.text(NO_NUL, min_size=1),
            "boolean": st.booleans(),
        }[schema["type"]]
    members = {
        name: values_of(member, rule, f"{under}.{name}")
        for name, member in schema.get("properties", {}).items()
        if any(f"{read}.".startswith(f"{under}.{name}.") for read in rule.expression.reads)
    }
    # A fact is complete or absent; only the facts themselves and the optional fields of a payload may be missing.
    always = members if under.startswith("facts.") else schema.get("required", ())
    required = {name: member for name, member in members.items() if name in always}
    return st.fixed_dictionaries(required, optional={n: m for n, m in members.items() if n not in always})


EXAMPLE = CONTRACT.operation.example
EXAMPLE_FACTS = {
    "session": {"age_ms": 0},
    "video": {"duration_ms": 10_000},
    "face": {"start_ms": 0, "end_ms": 10_000},
    "preview": {"age_ms": 0},
    "file": {"kind": "base64", "reachable": True, "format": "mp3", "size_bytes": 1},
    "audio": {"duration_ms": 8000, "end_ms": 8000, "decodes": True, "flagged": False},
}


def example_at(node):
    """What stands in the vendor's own example at a rule's node."""
    value = EXAMPLE
    for name in filter(None, node.split(".")):
        value = value[name.removesuffix("[]")]
        value = value[0] if name.endswith("[]") else value
    return value


def our_verdict(judge, value, facts):
    """The verdict of our closure; None where it gives none."""
    try:
        return judge(value, with_absent(facts, FACTS_SCHEMA))
    except UnknownFactError:
        return None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_official_engine_gives_the_same_verdict_on_every_rule_of_the_contract(rule):
    schema = payload_schema(rule.node)
    program = engine(schema).compile(rule.statement)
    verdicts = set()

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(value=values_of(schema, rule, "self"), facts=values_of(FACTS_SCHEMA, rule, "facts"))
    @example(value=example_at(rule.node), facts=EXAMPLE_FACTS)
    def compare(value, facts):
        verdict = our_verdict(rule.expression.holds, value, facts)
        assert verdict is official_verdict(program, value, facts)
        verdicts.add(verdict)

    compare()
    # An oracle that only ever met one verdict would prove nothing.
    assert {True, False} <= verdicts


ITEM_NODE = CONTRACT.operation.tree.root.children["face_choose"].items
ITEM_RULES = [rule for rule in ITEM_NODE.all_rules() if rule.expression]


def items():
    """Items around one that breaks nothing: drawn freely, all rules would hardly ever hold at once."""
    changes = st.fixed_dictionaries(
        {},
        optional={
            "audio_id": st.sampled_from(["", "1"]),
            "sound_file": st.sampled_from(["", "x"]),
            "sound_start_time": st.sampled_from([0, 3000, 3001]),
            "sound_end_time": st.sampled_from([5000, 8000, 8001]),
            "sound_insert_time": st.sampled_from([0, 5000, 5001]),
        },
    )
    gone = st.sets(st.sampled_from(["audio_id", "sound_file"]))
    fine = example_at("face_choose[]")
    return st.builds(
        lambda changes, gone: {k: v for k, v in {**fine, **changes}.items() if k not in gone}, changes, gone
    )


def worlds_facts():
    """The facts around the example's, one of them absent or the audio flagged."""
    flagged = {**EXAMPLE_FACTS, "audio": {**EXAMPLE_FACTS["audio"], "flagged": True}}
    absent = [{k: v for k, v in EXAMPLE_FACTS.items() if k != gone} for gone in EXAMPLE_FACTS]
    return st.sampled_from([EXAMPLE_FACTS, flagged, *absent])


@settings(max_examples=200, deadline=None)
@given(value=items(), facts=worlds_facts())
def test_the_one_closure_of_an_item_holds_exactly_when_each_of_its_rules_does(value, facts):
    each = [
        our_verdict(rule.expression.holds, value[name] if name else value, facts)
        for rule in ITEM_RULES
        for name in [rule.node.partition("[].")[2]]
        if not name or name in value
    ]

    assert (our_verdict(ITEM_NODE.own.failing, value, facts) == []) == all(each)


def test_the_one_closure_of_an_item_holds_for_the_vendors_own_example():
    assert our_verdict(ITEM_NODE.own.failing, example_at("face_choose[]"), EXAMPLE_FACTS) == []
