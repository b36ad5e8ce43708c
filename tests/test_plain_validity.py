"""The generated checker says yes only where jsonschema-rs does, and names the faults that it names."""

import copy
import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Contract
from kling_contracts.facts import record_json
from kling_contracts.jsonio.keywords import Checker
from kling_contracts.jsonio.plain_validity import compiled, faults_of, source_of
from support import catalogues

OPERATIONS = {
    f"{profile}-{operation.name}": operation
    for profile in ("documented", "upstream")
    for operation in Contract.load(profile).operations
}
WORLD = OPERATIONS["documented-create"].example_world_json
SCHEMAS = {name: operation.tree.checker._schema for name, operation in OPERATIONS.items()}
SCHEMAS["world"] = json.loads(record_json._SCHEMA_FILE.read_bytes())
SCHEMAS["world"] = {**SCHEMAS["world"]["$defs"]["World"], "$defs": SCHEMAS["world"]["$defs"]}
PLAIN = {name: compiled(source_of(schema)) for name, schema in SCHEMAS.items()}
EXACT = {name: jsonschema_rs.validator_for(dict(schema), validate_formats=False) for name, schema in SCHEMAS.items()}
FAULTS = {name: faults_of(schema) or (lambda payload: None) for name, schema in SCHEMAS.items()}
ORACLES = {name: Checker(schema) for name, schema in SCHEMAS.items()}
for oracle in ORACLES.values():
    oracle.__dict__["_plain_faults"] = lambda payload: None
ODD = [
    *(
        None,
        True,
        False,
        0,
        -0.0,
        1.0,
        1.5,
        -1,
        2,
        3,
        2**31,
        2**63,
        -(2**63),
        2**70,
        10**400,
        float("nan"),
        float("inf"),
    ),
    *("", "x", "é", "\ud800", "0", (), [], [None], {}, {1: 2}, {"": ""}, b"x", object(), {1}),
]


def agrees(name, payload):
    try:
        exact = EXACT[name].is_valid(payload)
    except (ValueError, RecursionError):
        exact = False
    return (exact or not PLAIN[name](payload)) and names_the_same(name, payload)


def names_the_same(name, payload):
    """Whether the faults that the function names, where it names any, are those of jsonschema-rs."""
    faults = FAULTS[name](payload)
    if faults is None:
        return True
    named = sorted((at.place, str(path)) for at, path, _ in faults)
    return named == sorted((fault.place, str(fault.path)) for fault in ORACLES[name].broken(payload))


def places(value, path=()):
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


def with_value(payload, path, value):
    if not path:
        return value
    changed = copy.deepcopy(payload)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


def payloads(name):
    if name == "world":
        return [WORLD]
    operation = OPERATIONS[name]
    return [operation.example] if operation.example else [{"page_num": 1}, {"task_id": "1", "pageSize": 2}, {}]


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("odd", range(len(ODD)))
def test_an_odd_value_anywhere_is_plainly_valid_only_where_it_is_valid(name, odd):
    for payload in payloads(name):
        for path in places(payload):
            assert agrees(name, with_value(payload, path, ODD[odd])), path


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_missing_or_unknown_member_is_plainly_valid_only_where_it_is_valid(name):
    for payload in payloads(name):
        for path in places(payload):
            if path:
                changed = copy.deepcopy(payload)
                holder = changed
                for key in path[:-1]:
                    holder = holder[key]
                member = holder.pop(path[-1])
                assert agrees(name, changed), path
                if isinstance(holder, dict):
                    holder[f"{path[-1]}_"] = member
                    assert agrees(name, changed), path


def test_every_row_of_the_catalogue_with_its_decoded_body_agrees():
    rows = [case.request for case in catalogues.rows() if case.request.method == "POST"]
    decoded = []
    for request in rows:
        try:
            decoded.append(json.loads(request.body))
        except (ValueError, RecursionError):
            continue

    assert all(agrees("documented-create", payload) for payload in decoded)
    assert sum(map(PLAIN["documented-create"], decoded)) > len(decoded) / 2


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.example])
def test_the_example_is_plainly_valid(name):
    assert PLAIN[name](OPERATIONS[name].example)
    assert PLAIN["world"](OPERATIONS[name].example_world_json)


KEYWORDS = {
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
}


def test_what_is_plainly_wrong_is_named_without_jsonschema_rs():
    item = {"face_id": 1, "sound_start_time": -1, "sound_end_time": None, "sound_volume": 2}
    broken = {"session_id": 4, "face_choose": [item, item], "callback_url": True}

    assert len(FAULTS["documented-create"](broken)) == 13
    assert names_the_same("documented-create", broken)


@given(st.data())
def test_any_keyword_at_its_limit_agrees(data):
    kind = data.draw(st.sampled_from(list(KEYWORDS)))
    keyword, limit = data.draw(st.sampled_from(KEYWORDS[kind])), data.draw(st.integers(0, 4))
    schema = {"type": kind, keyword: limit, **({"items": {"type": "integer"}} if kind == "array" else {})}
    value = data.draw(
        st.one_of(st.integers(-1, 5), st.floats(-1, 5), st.text(max_size=5), st.lists(st.just(1), max_size=5))
    )
    plain = compiled(source_of(schema))(value)
    exact = jsonschema_rs.validator_for(schema).is_valid(value)
    faults = faults_of(schema)(value)
    if faults is not None:
        oracle = Checker(schema)
        oracle.__dict__["_plain_faults"] = lambda value: None
        assert sorted(at.place for at, _, _ in faults) == sorted(fault.place for fault in oracle.broken(value))

    assert exact or not plain
    assert plain or not exact or type(value) is float


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "sting"},
        {"type": ["string", "null"]},
        {"type": "string", "pattern": "^a$"},
        {"type": "string", "minLength": -1},
        {"type": "string", "minLength": "1"},
        {"type": "integer", "minimum": True},
        {"type": "integer", "multipleOf": 2},
        {"type": "string", "enum": ["a", 1]},
        {"type": "string", "enum": []},
        {"type": "object", "required": ["unknown"]},
        {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": {"type": "string"}},
        {"$ref": "#/$defs/one", "$defs": {"one": {"$ref": "#/$defs/one"}}},
        {"$ref": "#/$defs/two", "$defs": {}},
        {"type": "array"},
        {"type": "array", "items": True},
        {"type": "string", "title": 5},
        {"type": "object", "properties": []},
        {"type": "object", "required": "x"},
        {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x", "x"]},
        {"$ref": "#/$defs/one", "$defs": {"one": {}}},
        {},
    ],
    ids=json.dumps,
)
def test_a_schema_that_says_more_is_left_to_jsonschema_rs(schema):
    assert source_of(schema) is None
