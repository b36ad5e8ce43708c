import math
import time

import pytest

from kling_contracts.jsonio import keywords
from kling_contracts.jsonio.json_pointer import pointer, tokens
from kling_contracts.jsonio.keywords import MAX_BROKEN, Checker, readable
from kling_contracts.jsonio.numbers import whole
from kling_contracts.rules.rule import KEYWORDS

FIELD = "sound_volume"


def fault_of(keyword, limit, value):
    """The one fault of a field that breaks one keyword."""
    (fault,) = Checker({"properties": {FIELD: {keyword: limit}}}).broken({FIELD: value})
    return fault


BROKEN = [
    ("type", "integer", "x", "must be an integer, not a string"),
    ("type", "integer", 1.5, "must be an integer, not a number"),
    ("type", "integer", True, "must be an integer, not a boolean"),
    ("type", "string", 1, "must be a string, not an integer"),
    ("type", "string", 1.0, "must be a string, not an integer"),
    ("type", "string", None, "must be a string, not null"),
    ("type", "string", ["x"], "must be a string, not an array"),
    ("type", "array", {}, "must be an array, not an object"),
    ("type", "object", [], "must be an object, not an array"),
    ("type", "null", 0, "must be null, not an integer"),
    ("type", "boolean", "true", "must be a boolean, not a string"),
    ("minimum", 0, -1, "must be at least 0"),
    ("maximum", 2, 3, "must be at most 2"),
    ("maximum", 2, 2.5, "must be at most 2"),
    ("exclusiveMinimum", 0, 0, "must be more than 0"),
    ("exclusiveMaximum", 2, 2, "must be less than 2"),
    ("multipleOf", 2, 3, "does not satisfy multipleOf"),
    ("minItems", 1, [], "must hold at least 1 item"),
    ("minItems", 2, [0], "must hold at least 2 items"),
    ("maxItems", 1, [0, 0], "must hold at most 1 item"),
    ("maxItems", 0, [0], "must hold at most 0 items"),
    ("uniqueItems", True, [0, 0], "must not hold the same item twice"),
    ("minLength", 2, "x", "must have at least 2 characters"),
    ("maxLength", 2, "xyz", "must have at most 2 characters"),
    ("pattern", "^a$", "b", "must match ^a$"),
    ("const", 0, 1, "must be 0"),
    ("enum", ["a", "b"], "c", "must be one of ['a', 'b']"),
]


@pytest.mark.parametrize(("keyword", "limit", "value", "sentence"), BROKEN)
def test_the_message_of_a_keyword_says_what_must_be(keyword, limit, value, sentence):
    assert fault_of(keyword, limit, value).message == f"{FIELD} {sentence}"


@pytest.mark.parametrize(("keyword", "limit", "value", "_"), BROKEN)
def test_a_fault_names_the_field_and_the_keywords_place_in_the_schema(keyword, limit, value, _):
    fault = fault_of(keyword, limit, value)

    assert (fault.pointer, fault.place) == (f"/{FIELD}", ("properties", FIELD, keyword))


def test_every_keyword_that_can_be_a_rule_is_tried_here():
    assert {keyword for keyword, *_ in BROKEN} == set(KEYWORDS) - {"required", "additionalProperties"}


@pytest.mark.parametrize(
    ("keyword", "limit", "value"),
    [
        ("type", "integer", 1.0),
        ("type", "number", 1),
        ("type", ["string", "null"], None),
        ("minimum", 0, 0),
        ("minimum", 0, "a string is no number"),
        ("maximum", 2, 2.0),
        ("exclusiveMinimum", 0, 1),
        ("exclusiveMaximum", 2, 1),
        ("minItems", 1, [0]),
        ("maxItems", 1, [0]),
        ("minLength", 1, "x"),
        ("maxLength", 1, "😀"),
        ("const", 0, 0.0),
        ("required", ["a"], "a string has no members"),
    ],
)
def test_a_value_at_the_boundary_breaks_nothing(keyword, limit, value):
    assert Checker({"properties": {FIELD: {keyword: limit}}}).broken({FIELD: value}) == []


def test_a_type_out_of_several_names_them_all():
    message = fault_of("type", ["string", "null"], 1).message

    assert message in {
        f"{FIELD} must be a string or null, not an integer",
        f"{FIELD} must be null or a string, not an integer",
    }


def test_each_missing_field_is_a_fault_of_its_own_where_it_should_stand():
    schema = {"properties": {"item": {"required": ["id", "size"]}}}

    assert [(f.pointer, f.place, f.message) for f in Checker(schema).broken({"item": {}})] == [
        ("/item/id", ("properties", "item", "required", "id"), "item.id is required"),
        ("/item/size", ("properties", "item", "required", "size"), "item.size is required"),
    ]


def test_each_unknown_field_is_a_fault_of_its_own():
    schema = {"properties": {"known": {}}, "additionalProperties": False}

    faults = Checker(schema).broken({"known": 1, "new": 2, "other": 3})

    assert sorted((f.pointer, f.place, f.message) for f in faults) == [
        ("/new", ("additionalProperties",), "new is not known here"),
        ("/other", ("additionalProperties",), "other is not known here"),
    ]


def test_the_nearest_declared_name_is_asked_for():
    item = {"properties": {"duration_ms": {}}, "additionalProperties": False}
    schema = {"$defs": {"item": item}, "properties": {"files": {"additionalProperties": {"$ref": "#/$defs/item"}}}}
    given = {"files": {"a": {"duration": 1, "d" * 10_000: 1}}}

    short, long = sorted((fault.message for fault in Checker(schema).broken(given)), key=len)

    assert short == "files.a.duration is not known here; did you mean duration_ms?"
    assert long.endswith("d is not known here")


def test_one_checker_tells_the_kind_of_each_value_that_it_meets():
    checker = Checker({"properties": {FIELD: {"type": "integer"}}})

    kinds = [checker.broken({FIELD: value})[0].message.rpartition("not ")[2] for value in ("x", [], None, "y", 0.5)]

    assert kinds == ["a string", "an array", "null", "a string", "a number"]


def test_the_value_itself_is_called_the_request_body():
    (fault,) = Checker({"type": "object"}).broken([])

    assert (fault.pointer, fault.message) == ("", "the request body must be an object, not an array")


def test_every_broken_keyword_of_every_field_is_reported():
    schema = {
        "required": ["id"],
        "properties": {"a": {"type": "string"}, "b": {"items": {"minimum": 0, "multipleOf": 2}}},
    }

    faults = Checker(schema).broken({"a": 1, "b": [2, -1]})

    assert {(fault.pointer, fault.place[-1]) for fault in faults} == {
        ("/id", "id"),
        ("/a", "type"),
        ("/b/1", "minimum"),
        ("/b/1", "multipleOf"),
    }


@pytest.mark.parametrize("name", ["a/b", "m~n", "~1", "/", "a b", '"', "你好", "0"])
def test_names_are_escaped_as_json_pointers_are(name):
    escaped = name.replace("~", "~0").replace("/", "~1")
    schema = {"properties": {name: {"items": {"type": "string"}}}}

    (fault,) = Checker(schema).broken({name: ["x", 1]})

    assert fault.pointer == f"/{escaped}/1"
    assert fault.place == ("properties", name, "items", "type")


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ([], "", "the request body"),
        (["face_choose", 0, "face_id"], "/face_choose/0/face_id", "face_choose[0].face_id"),
        ([2, "a"], "/2/a", "[2].a"),
        (["~/"], "/~0~1", "~/"),
    ],
)
def test_a_path_is_written_for_machines_and_for_people(path, text, words):
    assert (pointer(path), readable(path)) == (text, words)


SECRET = "SECRET" * 170_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number"},
        {"type": ["number", "null"]},
        {"const": 0},
        {"enum": [0, 1]},
        {"maxLength": 1},
        {"minLength": 2_000_000},
        {"pattern": "^[0-9]+$"},
        {"not": {"type": "string"}},
        {"anyOf": [{"type": "number"}, {"maxLength": 3}]},
    ],
    ids=str,
)
def test_no_message_quotes_the_value(schema):
    faults = Checker({"properties": {FIELD: schema}}).broken({FIELD: SECRET})

    assert faults
    assert all("SECRET" not in repr(fault) and len(repr(fault)) < 500 for fault in faults)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"type": "string"}, {"a": SECRET}, id="type, object"),
        pytest.param({"type": "object"}, [SECRET], id="type, array"),
        pytest.param({"maxItems": 1}, [SECRET, SECRET], id="maxItems"),
        pytest.param({"uniqueItems": True}, [SECRET, SECRET], id="uniqueItems"),
        pytest.param({"required": ["a"]}, {"b": SECRET}, id="required"),
        pytest.param({"additionalProperties": False}, {"a": SECRET}, id="additionalProperties"),
    ],
)
def test_no_message_quotes_what_a_value_holds(schema, value):
    faults = Checker(schema).broken(value)

    assert faults
    assert all("SECRET" not in repr(fault) for fault in faults)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"maxItems": 1, "items": {"type": "string"}}, [0] * 1_000_000, id="longer than it may be"),
        pytest.param({"items": {"type": "string"}}, [0] * 1_000_000, id="of any length"),
        pytest.param({"items": {"type": "string"}}, [""] * 1000 + [0] * 100_000, id="broken only after a good start"),
        pytest.param(
            {"properties": {}, "additionalProperties": False},
            dict.fromkeys(map(str, range(10_000)), 0),
            id="unknown fields",
        ),
        pytest.param({"maxItems": 1, "items": {"required": ["a", "b", "c"]}}, [{}] * 100_000, id="many faults an item"),
        pytest.param(
            {"additionalProperties": {"type": "string"}},
            dict.fromkeys(map(str, range(100_000)), 0),
            id="members of any name",
        ),
    ],
)
def test_the_faults_of_a_huge_value_stay_bounded(schema, value):
    checker = Checker(schema)
    start = time.thread_time()

    assert 0 < len(checker.broken(value)) <= MAX_BROKEN
    # Each takes some ms, the last half a second; one that grows with the square of the members takes minutes.
    assert time.thread_time() - start < 10


def test_an_array_that_is_cut_for_looking_into_is_still_too_long():
    schema = {"maxItems": 1, "items": {"type": "string"}}

    faults = Checker(schema).broken([0] * 100_000)

    assert ("", ("maxItems",)) in {(fault.pointer, fault.place) for fault in faults}


class Unknown:
    """Nothing that JSON has."""

    def __repr__(self):
        return "Unknown()"


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"x",
        1j,
        Unknown(),
        Unknown,
        {1: "a"},
        {None: "a"},
        "\ud800",
        float("nan"),
        float("inf"),
        float("-inf"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {FIELD: v}], ids=["", "in []", "in {}"])
def test_what_is_not_a_json_value_is_a_type_error(value, wrap):
    schema = {"type": "boolean", "items": {"type": "boolean"}, "properties": {FIELD: {"type": "boolean"}}}

    with pytest.raises(TypeError, match="not a JSON value"):
        Checker(schema).broken(wrap(value))


def test_a_list_that_holds_itself_is_a_type_error():
    endless = []
    endless.append(endless)

    with pytest.raises(TypeError, match="not a JSON value"):
        Checker({"type": "string"}).broken(endless)


@pytest.mark.parametrize("digits", [1, 18, 19, 20, 400, 4000])
def test_an_integer_of_any_length_is_judged_as_an_integer(digits):
    checker = Checker({"type": "integer", "maximum": -1})

    assert [fault.place for fault in checker.broken(10**digits)] == [("maximum",)]
    assert checker.broken(-(10**digits)) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("a", 0, "b"), "/a/0/b"), (("a/b", "c~d", "~1"), "/a~1b/c~0d/~01"), (("",), "/")],
)
def test_a_pointer_leads_back_to_its_path(path, text):
    assert pointer(path) == text
    assert tokens(text) == [str(token) for token in path]


def test_sentences_are_kept_for_the_next_payload_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(keywords, "MAX_MESSAGES", 2)
    checker = Checker({"properties": {"known": {}}, "additionalProperties": False})

    def is_kept(name):
        return checker.broken({name: 1})[0] is checker.broken({name: 1})[0]

    assert [is_kept(name) for name in "abcd"] == [True, True, False, False]
    assert is_kept("a")


@pytest.mark.parametrize(("length", "kept"), [(198, True), (199, False)])
def test_the_sentence_on_a_very_long_key_is_not_kept(length, kept):
    checker = Checker({"properties": {"known": {}}, "additionalProperties": False})
    payload = {"k" * length: 1}

    assert (checker.broken(payload)[0] is checker.broken(payload)[0]) == kept


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (5.0, 5),
        (-0.0, 0),
        (2**60, 2**60),
        (5.5, None),
        (True, None),
        ("5", None),
        (None, None),
        (math.inf, None),
    ],
)
def test_a_number_without_a_fraction_is_an_integer(value, expected):
    assert whole(value) == expected
