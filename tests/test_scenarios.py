"""Scenarios: what their files may say, which calls their steps take, and what becomes of an answer. No sockets."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Response
from kling_mock_server.failures.scenarios import (
    Delivery,
    Fate,
    Scenario,
    Step,
    answered,
    carried_out,
    delivered,
    library,
    next_step,
    parse_file,
    scenario_from_json,
)
from kling_mock_server.failures.scenarios.answering import merged
from kling_mock_server.failures.scenarios.listing import scenario_markdown, scenario_rows, scenario_text
from kling_mock_server.failures.scenarios.reading import SCHEMA_FILE
from kling_mock_server.failures.wire import Wire, WiredResponse
from kling_mock_server.protocol.envelope import answer
from support import serving

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
SCHEMA = json.loads(SCHEMA_FILE.read_bytes())["$defs"]
CALLS = SCHEMA["Step"]["properties"]["call"]["enum"]
STATUSES = serving.documented().operation.statuses.by_code
REFUSALS = serving.documented().codes
REQUEST_ID = "6f8a6d5e-5b0c-4a0e-9a0f-3a1d2c4b5e6f"
TASK = {
    "task_id": "825466120331415623",
    "task_status": "succeed",
    "task_status_msg": "",
    "task_info": {"external_task_id": "order-17"},
    "task_result": {"videos": [{"id": "825466120331415624", "url": "http://mock/_mock/files/1", "duration": "10"}]},
}
GOOD = answer(200, 0, "SUCCEED", REQUEST_ID, TASK)

FRESH = ()
"""The progress of a scenario that has taken no call."""

each_code = pytest.mark.parametrize("code", sorted(set(STATUSES) - {0}))
each_scenario = pytest.mark.parametrize("scenario", [pytest.param(one, id=one.name) for one in library().values()])


def scenario(*steps, **members):
    """Build a scenario; a step that says nothing that happens refuses."""
    return scenario_from_json({"name": "mine", "steps": [{**_DOES_SOMETHING, **step} for step in steps], **members})


_DOES_SOMETHING = {"headers": {"X-Step": "taken"}}


def taken(one, calls, running=0, progress=FRESH):
    """Return the index of the step that took each call, None for a good answer."""
    indexes = []
    for call in calls:
        progress, step = next_step(one, progress, call, running)
        # By identity: steps may be equal.
        indexes.append(next((index for index, other in enumerate(one.steps) if other is step), None))
    return indexes


def answer_of(step, good=GOOD):
    return answered(step, good if carried_out(step) else None, REQUEST_ID, REFUSALS)


def step_of(**members):
    return scenario_from_json({"name": "mine", "steps": [{"call": "create", **members}]}).steps[0]


def lines(value):
    """The lines of the refusal of a scenario."""
    with pytest.raises(ValueError, match=r"^/") as caught:
        scenario_from_json(value)
    return str(caught.value).splitlines()


# Files


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


# Which calls a step takes

counts = st.integers(1, 4)
plain_steps = st.fixed_dictionaries(
    {"call": st.sampled_from(CALLS), "times": counts}, optional={"skip": st.integers(0, 4)}
)
scenarios = st.lists(plain_steps, min_size=1, max_size=6).map(lambda steps: scenario(*steps))
chancy_steps = st.fixed_dictionaries(
    {"call": st.sampled_from(CALLS[:2])},
    optional={
        "times": counts,
        "skip": st.integers(0, 3),
        "chance": st.floats(0, 1),
        "while_running": st.booleans(),
    },
)
chancy = st.builds(
    lambda steps, seed: scenario(*steps, seed=seed), st.lists(chancy_steps, min_size=1, max_size=5), st.integers()
)
streams = st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, 2)), max_size=60)


@given(scenarios, st.randoms(use_true_random=False))
def test_every_step_is_used_exactly_its_times_and_skips_exactly_its_skip(one, chooser):
    enough = [step.call for step in one.steps for _ in range(step.skip + step.times)] + CALLS * 2
    chooser.shuffle(enough)

    used = taken(one, enough)

    assert [used.count(index) for index in range(len(one.steps))] == [step.times for step in one.steps]


@given(scenarios)
def test_the_steps_of_a_call_are_consumed_in_order(one):
    for call in CALLS:
        expected = []
        for index, step in enumerate(one.steps):
            if step.call == call:
                expected += [None] * step.skip + [index] * step.times
        assert taken(one, [call] * (len(expected) + 2)) == [*expected, None, None]


@given(chancy, streams)
def test_no_step_is_used_more_than_its_times(one, stream):
    progress, used = FRESH, []
    for call, running in stream:
        progress, step = next_step(one, progress, call, running)
        used.append(step)
    for step in set(map(id, one.steps)):
        (limit,) = {each.times for each in one.steps if id(each) == step}
        assert sum(each is not None and id(each) == step for each in used) <= limit


@given(chancy, streams)
def test_progress_survives_the_way_through_json(one, stream):
    progress = kept = FRESH
    for call, running in stream:
        progress, step = next_step(one, progress, call, running)
        kept, again = next_step(one, json.loads(json.dumps(kept)), call, running)
        assert again is step


@given(chancy, streams, st.sampled_from(CALLS))
def test_a_decision_changes_nothing_but_the_progress_it_returns(one, stream, call):
    progress = FRESH
    for other, running in stream:
        progress, _ = next_step(one, progress, other, running)
    before = json.dumps(progress)

    assert next_step(one, progress, call, 1) == next_step(one, progress, call, 1)
    assert json.dumps(progress) == before


@given(chancy, streams)
def test_calls_that_no_step_is_about_get_good_answers(one, stream):
    # Chancy scenarios speak of the first two calls only.
    others = [(call, running) for call, running in stream if call not in CALLS[:2]]
    assert [next_step(one, FRESH, call, running) for call, running in others] == [(FRESH, None)] * len(others)


def test_always_is_never_used_up():
    assert taken(scenario({"call": "query", "times": "always"}), ["query"] * 500) == [0] * 500


def test_a_step_on_running_tasks_takes_no_call_while_there_are_none():
    one = scenario({"call": "create", "while_running": True, "skip": 1}, {"call": "create"})
    progress, first = next_step(one, FRESH, "create", 0)
    progress, second = next_step(one, progress, "create", 1)
    _, third = next_step(one, progress, "create", 1)

    assert (first, second, third) == (one.steps[1], None, one.steps[0])


def test_a_call_that_a_chance_leaves_goes_on_to_the_next_step():
    one = scenario({"call": "query", "times": "always", "chance": 0}, {"call": "query", "times": "always"})

    assert taken(one, ["query"] * 50) == [1] * 50


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_a_chance_takes_its_share_of_the_calls(chance):
    one = scenario({"call": "query", "times": "always", "chance": chance}, seed=11)

    share = taken(one, ["query"] * 2000).count(0) / 2000

    assert share == pytest.approx(chance, abs=0.05)


CHANCY = {"name": "mine", "seed": 3, "steps": [{"call": "query", "times": "always", "chance": 0.5, "status": 500}]}
DECIDING = f"""
from kling_mock_server.failures.scenarios import next_step, scenario_from_json
progress, one = (), scenario_from_json({CHANCY!r})
for _ in range(200):
    progress, step = next_step(one, progress, "query", 0)
    print("." if step is None else "x", end="")
"""


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_a_chance_falls_the_same_in_every_process(hash_seed):
    here = "".join("." if index is None else "x" for index in taken(scenario_from_json(CHANCY), ["query"] * 200))

    environment = serving.environment(PYTHONHASHSEED=hash_seed)
    there = subprocess.run(
        [sys.executable, "-c", DECIDING], env=environment, capture_output=True, text=True, check=True
    )

    assert there.stdout == here
    # The same in every version, too: who has written a seed down relies on it.
    assert here.startswith("xxxx.xxx..x..xx.")


def test_another_seed_decides_otherwise():
    one = scenario_from_json(CHANCY)

    assert taken(one, ["query"] * 100) != taken(one._replace(seed=4), ["query"] * 100)


# What becomes of an answer


@each_code
def test_a_refusal_is_told_as_the_contract_says(code):
    got = answer_of(step_of(refuse=code))

    assert got.status == STATUSES[code]
    assert json.loads(got.body) == {"code": code, "message": REFUSALS[code].message, "request_id": REQUEST_ID}


@each_code
def test_a_message_is_one_short_english_sentence(code):
    message = REFUSALS[code].message

    assert message.isascii()
    assert 1 <= len(message) <= 80


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (1001, "authorization-missing"),
        (1002, "authorization-invalid"),
        (1003, "authorization-not-yet-valid"),
        (1004, "authorization-expired"),
        (1303, "tasks-in-parallel"),
    ],
)
def test_a_code_that_one_rule_has_to_itself_is_told_in_its_words(code, rule):
    assert REFUSALS[code].message == serving.documented().every_rule[rule].message


def test_a_refusal_may_have_another_message_and_status():
    got = answer_of(step_of(refuse=1302, message="slow down", status=200))

    assert (got.status, json.loads(got.body)["message"]) == (200, "slow down")


@pytest.mark.parametrize(
    ("members", "status", "body", "content_type"),
    [
        ({"status": 502}, 502, b"", None),
        ({"body": ""}, 200, b"", None),
        ({"body": "<p>né</p>", "status": 502}, 502, "<p>né</p>".encode(), "text/plain; charset=utf-8"),
        ({"body": "<p>", "headers": {"content-type": "text/html"}}, 200, b"<p>", "text/html"),
        ({"body": "{}", "headers": {"Content-Type": None}}, 200, b"{}", None),
        ({"body": {"error": {"type": "x"}}, "status": 401}, 401, b'{"error":{"type":"x"}}', "application/json"),
        ({"body": []}, 200, b"[]", "application/json"),
    ],
)
def test_a_raw_answer_is_given_as_it_is(members, status, body, content_type):
    got = answer_of(step_of(**members))

    named = {name.lower(): value for name, value in got.headers.items()}
    assert (got.status, got.body, named.get("content-type")) == (status, body, content_type)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"refuse": 5000}, False),
        ({"status": 500}, False),
        ({"body": ""}, False),
        ({"refuse": 5000, "done": True}, True),
        ({"change": {"a": 1}}, True),
        ({"wire": {"end": "reset"}}, True),
        ({"task": {"ends": "never"}}, True),
        ({"refuse": 5000, "wire": {"end": "reset"}}, False),
    ],
)
def test_a_call_is_carried_out_unless_its_answer_is_replaced_beforehand(members, expected):
    assert carried_out(step_of(**members)) is expected


def test_an_answer_may_be_replaced_after_the_call_was_carried_out():
    assert answered(step_of(refuse=5002, done=True), GOOD, REQUEST_ID, REFUSALS).status == 504


def test_a_step_that_leaves_the_good_answer_in_place_needs_one():
    with pytest.raises(TypeError, match="there is none"):
        answered(step_of(headers={"X": "y"}), None, REQUEST_ID, REFUSALS)


def test_a_message_tells_the_texts_of_the_request_that_it_names():
    step = step_of(refuse=1201, message="no {task_id}, no {other}, no {n}: {}")

    got = answered(step, None, REQUEST_ID, REFUSALS, {"task_id": "order-17", "n": 5})

    assert json.loads(got.body)["message"] == "no order-17, no {other}, no {n}: {}"


def test_a_task_that_a_scenario_hides_is_refused_in_the_words_of_the_contract():
    rule = serving.documented().every_rule["task-unknown"]

    for name in ("task-not-found", "fresh-task-not-found"):
        step = library()[name].steps[0]
        assert (step.refuse, step.message) == (rule.code, rule.sentence(given="{task_id}"))


def test_headers_are_added_replaced_and_taken_out_whatever_their_case():
    good = Response(200, {"Content-Type": "application/json", "Link": "<x>", "X-Kept": "1"}, GOOD.body)

    got = answer_of(step_of(headers={"content-type": "text/plain", "LINK": None, "Retry-After": 2}), good)

    assert got == Response(200, {"X-Kept": "1", "content-type": "text/plain", "Retry-After": "2"}, GOOD.body)


@pytest.mark.parametrize("members", [{"change": {"a": 1}}, {"refuse": 1302}, {"status": 500}, {}])
def test_an_answer_leaves_as_its_wire_says(members):
    got = answer_of(step_of(wire={"percent": 50}, **members))

    assert isinstance(got, WiredResponse)
    assert got.wire == Wire(percent=50)


def test_an_answer_without_a_wire_leaves_as_usual():
    assert type(answer_of(step_of(change={"a": 1}))) is Response


def test_a_change_is_merged_into_the_good_answer():
    change = {"trace": 1, "message": None, "data": {"task_status": "paused", "task_result": {"videos": []}}}

    got = json.loads(answer_of(step_of(change=change)).body)

    changed = {**TASK, "task_status": "paused", "task_result": {"videos": []}}
    assert got == {"code": 0, "request_id": REQUEST_ID, "data": changed, "trace": 1}


def test_ids_become_numbers_to_the_last_digit():
    pointers = ["/data/task_id", "/data/task_result/videos/0/id", "/data/task_info/external_task_id", "/data/none/0"]

    got = answer_of(step_of(numeric=pointers)).body

    assert b'"task_id":825466120331415623' in got
    assert b'"id":825466120331415624' in got
    assert b'"external_task_id":"order-17"' in got


@pytest.mark.parametrize("members", [{"change": {"data": {}}}, {"numeric": ["/data/task_id"]}])
def test_a_call_refused_on_its_own_account_has_nothing_to_change(members):
    refused = answer(400, 1201, "The session does not exist", REQUEST_ID)

    assert answer_of(step_of(**members), refused) == refused


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return value


@given(values, values)
def test_a_merge_patch_does_what_its_standard_says(value, patch):
    before = json.dumps([value, patch])
    result = merged(value, patch)

    assert json.dumps([value, patch]) == before
    assert merged(result, patch) == result
    if not isinstance(patch, dict):
        assert result == patch
    elif not isinstance(value, dict):
        assert result == without_nulls(patch)
    else:
        for name in value.keys() | patch.keys():
            if name not in patch:
                assert result[name] == value[name]
            elif patch[name] is None:
                assert name not in result
            else:
                assert result[name] == merged(value.get(name), patch[name])


CALLBACK = json.dumps(TASK).encode()


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (Delivery("end"), CALLBACK),
        (Delivery("end", percent=50), CALLBACK[: len(CALLBACK) // 2]),
        (Delivery("end", percent=0), b""),
        (Delivery("end", body="<html>"), b"<html>"),
        (Delivery("end", body="<html>", percent=50), b"<ht"),
    ],
)
def test_a_callback_may_be_cut_or_replaced(delivery, expected):
    assert delivered(delivery, CALLBACK) == expected


def test_a_callback_may_be_changed():
    got = json.loads(delivered(Delivery("end", change={"task_status": "failed", "task_result": None}), CALLBACK))

    assert got == {name: got[name] for name in TASK if name != "task_result"}
    assert got["task_status"] == "failed"


def test_a_callback_is_due_at_the_status_that_it_tells_unless_it_says_otherwise():
    assert [Delivery(status).due for status in ("submitted", "processing", "end")] == ["submitted", "processing", "end"]
    assert Delivery("end", when="before-reply").due == "before-reply"


# The library


def envelope(got):
    return json.loads(got.body)


def data(got):
    return envelope(got)["data"]


def refused(call, code):
    return call, lambda got, _: (got.status, envelope(got)["code"]) == (STATUSES[code], code)


def wired(call, **members):
    return call, lambda got, _: (got.wire, got.body) == (Wire(**members), GOOD.body)


def raw(call, status, part, kind):
    return (
        call,
        lambda got, _: got.status == status and part in got.body.decode() and got.headers["Content-Type"] == kind,
    )


def changed(call, name, value):
    return call, lambda got, _: (got.status, data(got).get(name)) == (200, value)


def sent(*due):
    return (
        "create",
        lambda got, step: (
            (got, [(delivery.status, delivery.due, delivery.times) for delivery in step.callbacks]) == (GOOD, list(due))
        ),
    )


JSON_TYPE = "application/json"
# The first fault of every scenario: of which call, and whether the answer is what the scenario promises.
PROMISES = {
    "authentication-failed": refused("create", 1000),
    "authorization-empty": refused("create", 1001),
    "authorization-invalid": refused("create", 1002),
    "token-not-yet-valid": refused("create", 1003),
    "token-expired-while-polling": changed("query", "task_status", "processing"),
    "account-exception": refused("create", 1100),
    "account-in-arrears": refused("create", 1101),
    "resource-pack-used-up": refused("create", 1102),
    "permission-denied": refused("create", 1103),
    "invalid-parameters": refused("create", 1200),
    "audio-format-refused": refused("create", 1201),
    "method-invalid": refused("create", 1202),
    "task-not-found": refused("query", 1201),
    "task-not-found-404": refused("query", 1203),
    "fresh-task-not-found": refused("query", 1201),
    "platform-policy": refused("create", 1300),
    "content-policy": refused("create", 1301),
    "text-refused": refused("tts", 1301),
    "no-human-in-video": refused("identify", 1201),
    "rate-limited": refused("create", 1302),
    "rate-limited-retry-after": refused("create", 1302),
    "too-many-tasks": refused("create", 1303),
    "too-many-tasks-retry-after": refused("create", 1303),
    "one-task-at-a-time": refused("create", 1303),
    "address-not-allowed": refused("create", 1304),
    "internal-error": refused("create", 5000),
    "internal-error-while-polling": changed("query", "task_status", "processing"),
    "maintenance": refused("create", 5001),
    "backlog": refused("create", 5002),
    "timeout-after-create": refused("create", 5002),
    "create-answer-lost": wired("create", head=False, end="reset"),
    "bad-gateway-html": raw("query", 502, "<html>", "text/html"),
    "gateway-token-refused": raw("create", 401, "new_api_error", JSON_TYPE),
    "gateway-error-without-code": raw("create", 400, '{"error":{', JSON_TYPE),
    "code-as-string": raw("create", 429, '"code":"1302"', JSON_TYPE),
    "error-with-http-200": raw("create", 200, '"code":1302', JSON_TYPE),
    "slow-answers": wired("create", delay_ms=1500),
    "slow-drip": wired("query", drip_bytes=32, drip_ms=50),
    "no-answer": wired("query", head=False, end="hang"),
    "reset-before-answer": wired("query", head=False, end="reset"),
    "reset-in-answer": wired("query", percent=50, end="reset"),
    "reset-after-answer": wired("query", end="reset"),
    "truncated-body": wired("query", percent=50),
    "empty-body": ("query", lambda got, _: (got.status, got.body) == (200, b"")),
    "length-too-long": wired("query", extra_length=64),
    "length-too-short": wired("query", extra_length=-20),
    "not-gzip": ("query", lambda got, _: (got.body, got.headers["Content-Encoding"]) == (GOOD.body, "gzip")),
    "unknown-status": ("query", lambda got, _: data(got)["task_status"] not in SCHEMA_STATUSES),
    "missing-task-result": changed("query", "task_result", None),
    "empty-videos": changed("query", "task_result", {"videos": []}),
    "numeric-ids": changed("create", "task_id", int(TASK["task_id"])),
    "added-fields": (
        "identify",
        lambda got, _: data(got).items() > TASK.items() and envelope(got).keys() > envelope(GOOD).keys(),
    ),
    "status-goes-backwards": changed("query", "task_status", "processing"),
    "stuck-task": ("create", lambda got, step: (got, step.task) == (GOOD, Fate("never"))),
    "failed-task": (
        "create",
        lambda got, step: (got, step.task) == (GOOD, Fate("failed", "Failure to pass the risk control system")),
    ),
    "callbacks-never": sent(),
    "callbacks-duplicated": sent(*[(name, name, 1) for name in ("submitted", "processing", "end") for _ in range(2)]),
    "callbacks-redelivered": sent(*[(name, name, 3) for name in ("submitted", "processing", "end")]),
    "callbacks-out-of-order": sent(("end", "end", 1), ("processing", "end", 1), ("submitted", "end", 1)),
    "callback-before-reply": sent(("submitted", "before-reply", 1), ("processing", "processing", 1), ("end", "end", 1)),
    "callbacks-malformed": (
        "create",
        lambda _, step: [unreadable(delivered(each, CALLBACK)) for each in step.callbacks] == [True, True],
    ),
    "callback-forged": (
        "create",
        lambda _, step: (
            [
                (each.signature, json.loads(delivered(each, CALLBACK))["task_status"])
                for each in step.callbacks
                if each.signature != "good"
            ]
            == [("bad", "failed")]
        ),
    ),
    "download-cut": wired("download", percent=50),
    "download-missing-at-first": ("download", lambda got, _: (got.status, got.body) == (404, b"")),
    "download-expired": raw("download", 403, "expired", "application/xml"),
    "flaky": refused("identify", 5001),
}
SCHEMA_STATUSES = serving.documented().document["components"]["schemas"]["TaskState"]["properties"]["task_status"][
    "enum"
]


def unreadable(body):
    try:
        json.loads(body)
    except ValueError:
        return True
    return False


def test_every_scenario_has_a_promise_to_keep():
    assert set(PROMISES) == set(library())


@each_scenario
def test_the_first_fault_of_a_scenario_is_what_it_promises(scenario):
    call, kept = PROMISES[scenario.name]

    _, step = next_step(scenario, FRESH, call, running=1)

    assert step is not None
    assert kept(answer_of(step), step)


def test_every_code_of_the_vendors_table_is_covered():
    assert {step.refuse for one in library().values() for step in one.steps} - {None} == set(STATUSES) - {0}


def test_the_token_expires_on_the_third_query():
    progress, codes, one = FRESH, [], library()["token-expired-while-polling"]
    for _ in range(4):
        progress, step = next_step(one, progress, "query", 1)
        codes.append(step and envelope(answer_of(step))["code"])

    assert codes == [0, 0, 1004, None]


@pytest.mark.parametrize("name", ["rate-limited", "too-many-tasks"])
def test_a_limit_comes_with_and_without_retry_after(name):
    said = [answer_of(library()[each].steps[0]).headers.get("Retry-After") for each in (name, f"{name}-retry-after")]

    assert said == [None, "1"]


def test_one_task_at_a_time_accepts_another_once_none_is_running():
    one = library()["one-task-at-a-time"]

    assert [next_step(one, FRESH, "create", running)[1] is None for running in (0, 1, 2)] == [True, False, False]


@each_scenario
def test_what_a_client_must_give_up_on_never_ends(scenario):
    # Else a client that retries when it should not would be rewarded.
    if scenario.expects == "gives-up":
        assert {step.times for step in scenario.steps} == {"always"}


def test_a_bad_day_leaves_room_for_a_client_that_tries_four_times():
    one = library()["flaky"]
    for call in CALLS:
        progress, fates = FRESH, ""
        for _ in range(100):
            progress, step = next_step(one, progress, call, 1)
            fates += "x" if step and step.replaces else "."
        assert "xxxx" not in fates, call


def test_the_first_calls_of_a_bad_day_already_meet_faults():
    one = library()["flaky"]

    assert None not in taken(one, ["identify", "create", "query"])


@each_scenario
def test_a_scenario_says_in_one_sentence_what_it_is(scenario):
    assert re.fullmatch(r"[A-Z][^|]{20,250}[^.]\.", scenario.about)


def test_the_guide_lists_the_library():
    assert GUIDE.endswith(f"\n\n{scenario_markdown()}\n")


def test_the_text_and_the_rows_name_every_scenario():
    assert [line.split()[0] for line in scenario_text().splitlines() if line[:1].strip()] == list(library())
    assert [row["name"] for row in scenario_rows()] == list(library())


def test_what_the_guide_shows_is_a_scenario():
    shown = re.findall(r"^cat > [a-z-]+.yaml <<'END'\n(.*?)^END$", GUIDE, re.DOTALL | re.MULTILINE)

    assert [len(parse_file(block)) for block in shown] == [1]


def test_importing_the_scenarios_reads_no_file():
    code = "import sys, kling_mock_server.failures.scenarios; print('yaml' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], env=serving.environment(), capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"
