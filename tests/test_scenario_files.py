"""Scenarios in files: what they may say, and how a mistake in one is told."""

import json
import re

import pytest
import yaml

from kling_mock_server.failures.scenarios import Delivery, Fate, Scenario, Step, parse_file, scenario_from_json
from kling_mock_server.failures.wire import Wire
from support.scenarios import GUIDE, SCHEMA, STATUSES, each_scenario, lines, scenario


def test_a_scenario_is_read_with_all_that_it_says():
    value = {
        "name": "everything",
        "about": "All that a step may say.",
        "expects": "gives-up",
        "seed": 7,
        "steps": [
            {
                "call": "create",
                "times": "always",
                "skip": 2,
                "chance": 0.5,
                "while_running": True,
                "refuse": 5002,
                "message": "later",
                "status": 500,
                "headers": {"Retry-After": 3, "Content-Type": None},
                "done": True,
                "wire": {"delay_ms": 5, "end": "reset"},
                "task": {"ends": "failed", "message": "no", "after_ms": 9},
                "callbacks": [{"status": "end", "when": "submitted", "times": 2, "signature": "bad"}],
            },
            {"call": "query", "change": {"data": {"task_status": "paused"}}, "numeric": ["/data/task_id"]},
            {"call": "download", "times": 3, "status": 503, "body": {"error": "busy"}},
        ],
    }

    assert scenario_from_json(value) == Scenario(
        name="everything",
        about="All that a step may say.",
        expects="gives-up",
        seed=7,
        steps=(
            Step(
                call="create",
                times="always",
                skip=2,
                chance=0.5,
                while_running=True,
                refuse=5002,
                message="later",
                status=500,
                headers={"Retry-After": "3", "Content-Type": None},
                done=True,
                wire=Wire(delay_ms=5, end="reset"),
                task=Fate("failed", "no", 9),
                callbacks=(Delivery("end", when="submitted", times=2, signature="bad"),),
            ),
            Step("query", change={"data": {"task_status": "paused"}}, numeric=("/data/task_id",)),
            Step("download", times=3, status=503, body={"error": "busy"}),
        ),
    )


def test_whole_floats_are_integers():
    value = {"name": "mine", "seed": 3.0, "steps": [{"call": "query", "times": 2.0, "status": 500.0, "chance": 1}]}

    read = scenario_from_json(value)

    assert [type(number) for number in (read.seed, *read.steps[0][1:4], read.steps[0].status)] == [
        int,
        int,
        int,
        float,
        int,
    ]


@each_scenario
def test_a_scenario_survives_the_way_through_json(scenario):
    assert scenario_from_json(json.loads(json.dumps(scenario.to_json()))) == scenario


@pytest.mark.parametrize(
    ("record", "definition"),
    [(Scenario, "Scenario"), (Step, "Step"), (Wire, "Wire"), (Fate, "Task"), (Delivery, "Delivery")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_field_is_a_documented_key(record, definition):
    properties = SCHEMA[definition]["properties"]

    assert set(record._fields) == set(properties)
    assert all(declared.get("description") for declared in properties.values())
    for name, declared in properties.items():
        if "default" in declared:
            assert record._field_defaults[name] == declared["default"], name


@pytest.mark.parametrize("definition", ["Step", "Wire", "Task", "Delivery"])
def test_the_guide_explains_every_key(definition):
    assert [name for name in SCHEMA[definition]["properties"] if not re.search(rf"`{name}\b", GUIDE)] == []


def test_the_codes_of_the_schema_are_those_of_the_contract():
    assert set(SCHEMA["Step"]["properties"]["refuse"]["enum"]) == set(STATUSES) - {0}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "/: a scenario is an object with a name and steps"),
        ({"name": "mine"}, "/steps: steps is required"),
        ({"name": "My Scenario", "steps": [{"call": "query", "status": 500}]}, "/name: name must match"),
        ({"name": "mine", "steps": []}, "/steps: steps must hold at least 1 item"),
        ({"name": "mine", "steps": [], "retries": 3}, "/retries: retries is not known here"),
        ({"name": "mine", "steps": [{"call": "query", "body": {"x": float("nan")}}]}, "/: "),
        ({"name": "mine", "steps": [{"call": "query", "body": "\ud800"}]}, "/: "),
        ({"name": "mine", "steps": [{"call": "query", 1: 2}]}, "/: "),
    ],
)
def test_what_is_no_scenario_is_refused_by_its_place(value, expected):
    assert any(line.startswith(expected) for line in lines(value))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"call": "delete"}, "/steps/0/call: steps[0].call must be one of"),
        ({"call": "query", "times": 0}, "/steps/0/times: steps[0].times must be at least 1"),
        ({"call": "query", "times": "often"}, "/steps/0/times: steps[0].times must match ^always$"),
        ({"call": "query", "chance": 2}, "/steps/0/chance: steps[0].chance must be at most 1"),
        ({"call": "query", "refuse": 1999}, "/steps/0/refuse: steps[0].refuse must be one of"),
        ({"call": "query", "status": 101}, "/steps/0/status: steps[0].status must be at least 200"),
        ({"call": "query", "headers": {"X": "a\r\nY: b"}}, "/steps/0/headers/X: steps[0].headers.X must match"),
        ({"call": "query", "wire": {"end": "drop"}}, "/steps/0/wire/end: steps[0].wire.end must be one of"),
        ({"call": "query", "numeric": ["data.id"]}, "/steps/0/numeric/0: steps[0].numeric[0] must match ^/"),
        ({"call": "query"}, "/steps/0: says nothing that happens"),
        ({"call": "query", "change": {}}, "/steps/0: says nothing that happens"),
        ({"call": "query", "refuse": 5000, "change": {"a": 1}}, "/steps/0/change: is about the good answer"),
        ({"call": "query", "status": 500, "numeric": ["/a"]}, "/steps/0/numeric: is about the good answer"),
        ({"call": "query", "refuse": 5000, "body": ""}, "/steps/0/body: is given as it is"),
        ({"call": "query", "status": 500, "message": "no"}, "/steps/0/message: is that of a refusal"),
        ({"call": "query", "wire": {"delay_ms": 1}, "done": True}, "/steps/0/done: goes without saying"),
        ({"call": "query", "status": 204, "body": "x"}, "/steps/0/status: 204 has no body"),
        ({"call": "query", "status": 304, "refuse": 5000}, "/steps/0/status: 304 has no body"),
        ({"call": "query", "task": {"ends": "never"}}, "/steps/0/task: belongs to the create call"),
        ({"call": "query", "callbacks": []}, "/steps/0/callbacks: belongs to the create call"),
        ({"call": "create", "refuse": 5000, "task": {}}, "/steps/0/task: is about a task that is never made"),
        ({"call": "download", "change": {"a": 1}}, "/steps/0/change: is about JSON"),
        ({"call": "query", "headers": {"a b": "c"}}, "/steps/0/headers/a b: is no name of a header"),
        ({"call": "query", "headers": {"Content-Length": 3}}, "/steps/0/headers/Content-Length: is the server's own"),
        ({"call": "query", "headers": {"a/b": "c"}}, "/steps/0/headers/a~1b: is no name of a header"),
        ({"call": "query", "wire": {"drip_ms": 5}}, "/steps/0/wire: drips only with both"),
        ({"call": "query", "wire": {"head": False, "percent": 5}}, "/steps/0/wire/head: false leaves no body"),
        ({"call": "query", "wire": {}}, "/steps/0/wire: says nothing"),
        ({"call": "create", "task": {"message": "no"}}, "/steps/0/task/message: is the reason of a failed task"),
        ({"call": "create", "task": {"ends": "never", "after_ms": 5}}, "/steps/0/task/after_ms: is when it ends"),
        (
            {"call": "create", "callbacks": [{"status": "end", "body": "", "change": {}}]},
            "/steps/0/callbacks/0/change: is about the usual body",
        ),
    ],
)
def test_a_mistake_in_a_step_is_told_by_its_place(step, expected):
    assert any(line.startswith(expected) for line in lines({"name": "mine", "steps": [step]}))


def test_every_mistake_has_a_line():
    found = lines({"name": "mine", "steps": [{"call": "query", "message": "x"}, {"call": "query", "wire": {}}]})

    assert [line.partition(":")[0] for line in found] == ["/steps/0", "/steps/0/message", "/steps/1/wire"]


def test_a_step_after_one_that_takes_every_call_is_refused():
    always = {"call": "query", "times": "always", "status": 500}

    assert lines({"name": "mine", "steps": [always, {"call": "list", "status": 500}, always]}) == [
        "/steps/2: is never reached: steps[0] takes every query call"
    ]


@pytest.mark.parametrize("leaves_some", [{"chance": 0.5}, {"while_running": True}], ids=["chance", "while_running"])
def test_a_step_after_one_that_leaves_some_calls_is_reached(leaves_some):
    always = {"call": "query", "times": "always"}

    assert len(scenario({**always, **leaves_some}, always).steps) == 2


ONE = {"name": "mine", "steps": [{"call": "query", "status": 500}]}
OTHER = {"name": "other", "steps": [{"call": "list", "refuse": 1302}]}


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_a_file_holds_one_scenario_or_a_list(dump):
    one, other = scenario_from_json(ONE), scenario_from_json(OTHER)

    assert parse_file(dump(ONE)) == [one]
    assert parse_file(dump({"scenarios": [ONE, OTHER]}).encode()) == [one, other]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [", "not YAML"),
        ("- name: mine", "not a YAML object"),
        ("", "not a YAML object"),
        ("scenarios: 3", "^/: a file holds one scenario"),
        (json.dumps({"scenarios": [ONE], **ONE}), "^/: a file holds one scenario"),
        (json.dumps({"scenarios": [ONE, OTHER, ONE]}), "^/scenarios: 2 of them are called mine"),
        (json.dumps({"scenarios": [ONE, 3]}), "^/scenarios/1: a scenario is an object"),
        (json.dumps({"scenarios": [ONE, {**OTHER, "seed": "x"}]}), "^/scenarios/1/seed: seed must be an integer"),
        ("name: mine\nsteps: &steps [*steps]", "nested too deeply"),
        ("name: mine\nsteps: [{call: query, status: .nan}]", "^/: "),
    ],
)
def test_a_mistake_in_a_file_is_refused(text, expected):
    with pytest.raises(ValueError, match=expected):
        parse_file(text)
