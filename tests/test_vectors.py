"""Vectors: rows carry what any engine of CEL needs to judge them, and other engines come to the same verdicts."""

import json
import subprocess
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path

import jsonschema_rs
import pytest
from cel_expr_python import cel

import kling_contracts
from kling_contracts import Contract, Request, World
from kling_contracts.cases.case import Case
from kling_contracts.cases.generator import generate
from kling_contracts.cases.requests import HEADERS
from kling_contracts.cases.vectors import vector
from kling_contracts.rule_table import rule_rows
from support import npm
from support.serving import documented

CONTRACT = documented()
OPERATIONS = [operation.name for operation in CONTRACT.operations]
FOLDER = Path(kling_contracts.__file__).parent
RULES = [rule for rule in rule_rows(CONTRACT) if rule["kind"] == "cel"]
CREATE = CONTRACT.operation
ROOT = Path(__file__).parents[1]
RUNNER = ROOT / "examples" / "vectors_node" / "judge.mjs"
DOCUMENT = ROOT / "docs" / "vectors.md"
NOTHING = {"known": {}, "absent": [], "unknown": {}}


@cache
def rows():
    """The published rows, and generated ones of every operation."""
    lines = (FOLDER / "cases" / "cases.ndjson").read_text(encoding="utf-8").splitlines()
    return [*map(json.loads, lines), *(vector(case, CONTRACT) for case in generate(7, 800, CONTRACT, operation="all"))]


def row_of(changes=(), *, world=CREATE.example_world, payload=None, breaks=(), **request):
    """The row of the vendor's example with other fields in its item, in another world, or as another request."""
    item = CREATE.example["face_choose"][0] | dict(changes)
    sent = json.dumps({**CREATE.example, "face_choose": [item]} if payload is None else payload)
    good = Request("POST", CREATE.paths[0], HEADERS, sent.encode())
    case = Case(good._replace(**request), replace(world, now_ms=0), frozenset(breaks), "", operation="create")
    return vector(case, CONTRACT)


def facts(row):
    """The facts of the payload and of its one item together."""
    of_payload, of_item = row["facts"][""], row["facts"].get("/face_choose/0", NOTHING)
    return {
        "known": of_payload["known"] | of_item["known"],
        "absent": of_payload["absent"] + of_item["absent"],
        "unknown": of_payload["unknown"] | of_item["unknown"],
    }


# Facts.


def test_a_known_fact_has_its_value():
    known = facts(row_of())["known"]
    assert known["video"] == {"duration_ms": 10_000}
    assert known["face"] == {"start_ms": 0, "end_ms": 10_000}
    assert known["audio"] == {"duration_ms": 8000, "end_ms": 8000, "decodes": True, "flagged": False}


def test_a_fact_of_an_id_that_the_world_does_not_know_is_absent():
    found = facts(row_of({"face_id": "7"}, breaks=["face-unknown"]))
    assert found["absent"] == ["task", "face"]
    assert "face" not in found["known"]


def test_a_fact_of_a_field_that_is_not_given_is_unknown_with_the_reason():
    assert facts(row_of())["unknown"] == {"file": "there is no sound_file"}


def test_a_fact_of_an_id_alone_is_an_empty_object():
    taken = replace(CREATE.example_world, external_task_ids=frozenset(["a"]))
    row = row_of(
        world=taken, payload={**CREATE.example, "external_task_id": "a"}, breaks=["external-task-id-duplicate"]
    )
    assert facts(row)["known"]["task"] == {}


def test_a_member_that_nobody_can_know_is_unknown_beside_those_that_are_known():
    url = {"audio_id": "", "sound_file": "https://files.example/a.mp3"}
    found = facts(row_of(url, world=replace(CREATE.example_world, files={}), breaks=["sound-file-unreachable"]))
    assert found["known"]["file"] == {"kind": "url", "reachable": False}
    assert found["unknown"]["file.size_bytes"] == "the URL does not answer"


def test_every_item_has_facts_of_its_own():
    items = [{**CREATE.example["face_choose"][0], "face_id": face} for face in ("-1", "0")]
    row = row_of(payload={**CREATE.example, "face_choose": items}, breaks=["face_choose.maxItems"])
    assert list(row["facts"]) == ["", "/face_choose/0", "/face_choose/1"]
    faces = [row["facts"][f"/face_choose/{index}"]["known"]["face"] for index in (0, 1)]
    assert faces == [{"start_ms": 0, "end_ms": 10_000}, {"start_ms": 2000, "end_ms": 7000}]


def test_a_request_that_is_refused_before_its_payload_has_no_facts():
    row = row_of(headers={}, breaks=["authorization-missing"])
    assert row["facts"] == {}


def test_the_parameters_of_an_operation_without_a_body_are_its_payload():
    listed = [row for row in rows() if row["operation"] == "list" and row["facts"]]
    assert all(isinstance(row["payload"].get("pageNum", 1), int) for row in listed if not row["breaks"])
    assert any(row["payload"] for row in listed)
    assert not any("payload" in row for row in rows() if row["operation"] == "create")


def test_a_payload_that_is_judged_otherwise_than_it_is_sent_stands_in_the_row():
    upstream = Contract.load("upstream")
    sent = {**CREATE.example, "external_task_id": None}
    request = Request("POST", CREATE.paths[0], HEADERS, json.dumps(sent).encode())
    row = vector(Case(request, CREATE.example_world, frozenset(), "", operation="create"), upstream)
    assert row["payload"] == {name: member for name, member in CREATE.example.items() if name != "external_task_id"}
    assert row["facts"][""]["unknown"]["task"] == "external_task_id is missing or broken"


# Verdicts.


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_rule_has_one_verdict_in_every_row(name):
    rules = sorted([*CONTRACT.request_rules.rules, *(rule.id for rule in CONTRACT.by_name[name].rules)])
    of_operation = [row for row in rows() if row["operation"] == name]
    assert of_operation
    assert [row["why"] for row in of_operation if sorted(chain(*row["verdicts"].values())) != rules] == []


def test_what_is_broken_is_what_the_label_says():
    assert [row["why"] for row in rows() if sorted(row["verdicts"]["broken"]) != row["breaks"]] == []


def test_all_rules_of_a_valid_row_hold():
    assert [row["why"] for row in rows() if not row["breaks"] and row["verdicts"]["not_judged"]] == []


def test_a_rule_on_an_unknown_fact_is_not_judged():
    row = row_of({"audio_id": ""}, breaks=["audio-source-missing"])
    assert {"audio-too-short", "clip-past-audio-end"} <= {*row["verdicts"]["not_judged"]}
    assert "clip-too-short" in row["verdicts"]["holds"]


def test_a_rule_on_a_field_that_broke_a_keyword_is_not_judged():
    row = row_of({"sound_start_time": -1}, breaks=["sound_start_time.minimum"])
    assert row["verdicts"]["not_judged"] == ["clip-too-short", "face-overlap-too-short", "insert-past-video-end"]


def test_the_rules_behind_a_broken_one_on_the_request_are_not_judged():
    row = row_of(headers={**HEADERS, "content-type": "text/plain"}, breaks=["content-type"])
    assert {"path", "method", "authorization-missing"} <= {*row["verdicts"]["holds"]}
    assert {"body-json", "body.type", "clip-too-short"} <= {*row["verdicts"]["not_judged"]}


def test_a_row_of_another_contract_is_refused():
    case = Case(Request("GET", "/"), World(), frozenset(), "", operation="other")
    with pytest.raises(ValueError, match="no operation 'other'"):
        vector(case, CONTRACT)


# The schema.


@cache
def validator():
    row, world = (json.loads((FOLDER / name).read_bytes()) for name in SCHEMAS)
    return jsonschema_rs.validator_for(row, registry=jsonschema_rs.Registry([(world["$id"], world)]))


SCHEMAS = ("cases/case.schema.json", "facts/world.schema.json")


def test_every_row_is_as_its_schema_says():
    for row in rows():
        validator().validate(row)


@pytest.mark.parametrize("gone", ["operation", "verdicts", "facts"])
def test_the_schema_refuses_facts_and_verdicts_without_each_other(gone):
    assert not validator().is_valid({name: member for name, member in row_of().items() if name != gone})


@pytest.mark.parametrize("kind", ["known", "absent", "unknown"])
def test_the_schema_wants_known_absent_and_unknown_told_apart(kind):
    row = row_of()
    del row["facts"][""][kind]
    assert not validator().is_valid(row)


# Other engines.


def is_within_64_bits(row):
    """Whether the official engine can read the payload of a row: a field that is not known may be of any size."""
    return "18446744073709551617" not in row["request"].get("body", "")


def test_the_official_engine_judges_every_row_alike():
    programs = compiled()
    verdicts = {rule: set() for rule in programs}
    for row in filter(is_within_64_bits, rows()):
        for rule in RULES:
            key = rule["operation"], rule["id"]
            if rule["operation"] == row["operation"] and rule["id"] not in row["verdicts"]["not_judged"]:
                found = [official(programs[key], *place) for place in places(row, rule["node"])]
                assert (False not in found) is (rule["id"] in row["verdicts"]["holds"]), (rule["id"], row["why"])
                # A place of which nobody can say counts only beside one that settles it.
                assert False in found or None not in found, (rule["id"], row["why"])
                verdicts[key] |= {*found}
    assert [key for key, found in verdicts.items() if not {True, False} <= found] == []


def compiled():
    types = dict.fromkeys(("self", "facts"), cel.Type.DYN)
    env = cel.NewEnv(variables=types)
    return {(rule["operation"], rule["id"]): env.compile(rule["statement"]) for rule in RULES}


def official(program, value, known):
    answer = program.eval(data={"self": value, "facts": known}).plain_value()
    return answer if isinstance(answer, bool) else None


def places(row, node):
    """The values that stand where a rule does, each with the known facts around it."""
    if not row["facts"]:
        return
    payload = row["payload"] if "payload" in row else json.loads(row["request"]["body"].encode().decode("utf-8-sig"))
    array, is_of_items, field = node.partition("[]")
    if is_of_items:
        for index, item in enumerate(payload.get(array, ())):
            known = row["facts"][""]["known"] | row["facts"][f"/{array}/{index}"]["known"]
            yield from ((value, known) for value in member(item, field.removeprefix(".")))
    else:
        yield from ((value, row["facts"][""]["known"]) for value in member(payload, node))


def member(value, name):
    if not name:
        return [integral(value)]
    return [integral(value[name])] if isinstance(value, dict) and name in value else []


def integral(value):
    """A whole number as an integer, which 5.0 is, too."""
    if isinstance(value, dict):
        return {name: integral(one) for name, one in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """Run the runner for Node over rows; returns the completed process."""
    project = npm.installed("vectors_node")
    folder = tmp_path_factory.mktemp("vectors")
    rules, cases = folder / "rules.json", folder / "cases.ndjson"
    rules.write_text(json.dumps(rule_rows(CONTRACT)), encoding="utf-8")

    def run(*given):
        cases.write_text("".join(f"{json.dumps(row)}\n" for row in given), encoding="utf-8")
        command = ["node", "judge.mjs", rules, cases]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_an_engine_for_javascript_judges_every_row_alike(runner):
    completed = runner(*rows())
    assert (completed.returncode, completed.stderr) == (0, "")
    count, _, said = completed.stdout.partition(" ")
    assert int(count) > 10_000
    assert said == "verdicts are the same, 0 differ, 0 of numbers beyond 2^53 differ\n"
    assert said in DOCUMENT.read_text(encoding="utf-8")


def test_the_runner_finds_a_row_that_is_wrong(runner):
    row = row_of()
    row["facts"]["/face_choose/0"]["known"]["audio"]["duration_ms"] = 1999
    completed = runner(row)
    assert completed.returncode == 1
    assert completed.stdout.startswith("audio-too-short: false here")
    assert " 1 differ," in completed.stdout


def test_a_number_beyond_64_bits_is_counted_apart(runner):
    row = row_of({"sound_end_time": 2**63}, breaks=["clip-past-audio-end", "insert-past-video-end"])
    completed = runner(row)
    assert completed.returncode == 0
    assert " 0 differ, " in completed.stdout
    assert " 0 of numbers" not in completed.stdout


def test_the_runner_is_short():
    assert len(RUNNER.read_text(encoding="utf-8").splitlines()) <= 60
