"""A folder of documents of one's own: the example of an imaginary vendor, by every command, no Python of its own."""

import copy
import json
import shutil
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from kling_contracts import Contract, DocumentError, World, audit, catalogue, generate
from kling_contracts.audits import validators
from kling_mock_server import create_app
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.cli.main import cli
from kling_mock_server.testing import fuzzing

FOLDER = Path(__file__).parents[1] / "examples" / "own_document" / "documents"
CONTRACT = Contract.load(folder=FOLDER)
EXAMPLE = CONTRACT.operation.example
WORLD = CONTRACT.operation.example_world
OVERLAY = "narrations.overlay.yaml"


def klingkit(*arguments, stdin=None):
    command, *rest = arguments
    return CliRunner().invoke(cli, [command, "--documents", str(FOLDER), *map(str, rest)], input=stdin)


def broken(world=WORLD, **changes):
    payload = {name: value for name, value in {**EXAMPLE, **changes}.items() if value is not ...}
    return CONTRACT.report(payload, world).broken


def world(**changes):
    """The example's world with other members in its one audio and its one video."""
    value = copy.deepcopy(WORLD.to_json())
    for name, number in changes.items():
        (entry,) = value["audios" if name.startswith("audio_") else "videos"].values()
        entry[name.partition("_")[2]] = number
    return World.from_json(value)


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(FOLDER, tmp_path / "documents", ignore=shutil.ignore_patterns("__pycache__")))


# The contract.


def test_every_sentence_of_the_page_is_answered_for():
    result = klingkit("spec", "--coverage")
    assert result.exit_code == 0, result.output
    assert "100.0 %" in result.output
    assert "NOTHING ANSWERS FOR THIS" not in result.output


def test_the_vendors_own_example_is_valid_in_the_documents_own_world():
    assert broken() == ()


@pytest.mark.parametrize(
    ("changes", "of_world", "rules"),
    [
        ({"title": ""}, {}, ("title.minLength",)),
        ({"title": "x" * 80}, {}, ()),
        ({"title": "x" * 81}, {}, ("title.maxLength",)),
        ({"recording_id": ...}, {}, ("voice-missing",)),
        ({"recording": "https://a/b.mp3"}, {}, ("voice-given-twice",)),
        ({}, {"audio_duration_ms": 1000}, ()),
        ({}, {"audio_duration_ms": 999}, ("voice-too-short",)),
        ({}, {"audio_duration_ms": 90_000, "video_duration_ms": 100_000}, ()),
        ({}, {"audio_duration_ms": 90_001, "video_duration_ms": 100_000}, ("voice-too-long",)),
        ({"starts_at": 14_000}, {}, ()),
        ({"starts_at": 14_001}, {}, ("voice-past-clip-end",)),
        ({}, {"video_duration_ms": 120_000}, ()),
        ({}, {"video_duration_ms": 120_001}, ("clip-too-long",)),
        ({}, {"video_height_px": 360}, ()),
        ({}, {"video_height_px": 359}, ("clip-too-small",)),
        ({}, {"video_width_px": 359, "video_height_px": 4000}, ("clip-too-small",)),
        ({"loudness": -21}, {}, ("loudness.minimum",)),
        ({"loudness": ...}, {}, ()),
        ({"clip_url": "harbour.mp4"}, {}, ("clip-unreachable",)),
    ],
)
def test_each_sentence_turns_at_its_limit(changes, of_world, rules):
    assert broken(world(**of_world), **changes) == rules


def test_a_flagged_title_is_refused_with_its_own_status():
    (violation,) = CONTRACT.collect_violations(EXAMPLE, World.from_json({**WORLD.to_json(), "flagged_words": ["walk"]}))
    assert (violation.rule_id, violation.rule.status) == ("title-content", 451)


def test_the_world_says_how_old_a_recording_may_be():
    week_ms = 604_800_000
    for now_ms, rules in ((week_ms, ()), (week_ms + 1, ("recording-expired",))):
        value = world(audio_created_ms=0).to_json()
        assert broken(World.from_json({**value, "now_ms": now_ms})) == rules


# The commands.


def test_a_folder_without_documents_is_misuse_and_no_finding(tmp_path):
    result = klingkit("check", "-", "--documents", tmp_path, stdin=json.dumps(EXAMPLE))
    assert result.exit_code == 2
    assert f"the documents are wrong: {tmp_path}: a folder of documents holds NAME.openapi.yaml" in result.output


def test_check_names_the_rules_the_sentences_and_the_times(tmp_path):
    (tmp_path / "world.json").write_text(json.dumps(WORLD.to_json()), encoding="utf-8")
    payload = json.dumps({**EXAMPLE, "starts_at": 15_000})
    result = klingkit("check", "-", "--world", tmp_path / "world.json", stdin=payload)
    assert result.exit_code == 1, result.output
    for line in (
        "voice-past-clip-end at /starts_at: The voice must not end after the clip",
        "wanted: at most 14000",
        "vendor: The voice must end before the clip does, or with it  (the voice ends with the clip at the latest)",
        "15000 to 21000, 6000 ms",
    ):
        assert line in result.output


def test_rules_lists_the_operation_of_the_page():
    result = klingkit("rules", "--format", "json")
    rules = {row["id"]: row for row in json.loads(result.output)}
    assert rules["voice-too-long"]["operation"] == "narrate"
    assert "session-unknown" not in rules


def test_spec_prints_the_effective_document():
    document = json.loads(klingkit("spec", "--format", "json").output)
    assert (document["openapi"], list(document["paths"])) == ("3.1.1", ["/v2/narrations"])


def test_spec_diff_compares_with_the_installed_documents_alone():
    result = klingkit("spec", "--diff", "-", stdin="")
    assert result.exit_code == 2
    assert "--diff compares with the installed documents" in result.output


def asked(payload, documents=FOLDER, **headers):
    client = create_app(documents=documents).test_client()
    return client.post("/v2/narrations", json=payload, headers={"Authorization": "Bearer key", **headers})


def test_the_mock_answers_a_right_payload_with_the_example_of_the_page():
    answer = asked(EXAMPLE)
    assert (answer.status_code, answer.json["data"]) == (200, {"narration_id": "nar-1", "state": "queued"})


def test_the_mock_refuses_by_the_rules_of_the_page():
    answer = asked({**EXAMPLE, "loudness": 11})
    assert (answer.status_code, answer.json["code"]) == (400, 400)
    assert answer.headers["X-Contract-Violations"] == "loudness.maximum"


# Cases, and who is fuzzed with them.


@cache
def rows_of_the_catalogue():
    return tuple(catalogue(CONTRACT))


@pytest.fixture
def solved_once(monkeypatch):
    """Give audits the contract that is there, and its rows: to solve another takes seconds."""
    load = Contract.load

    def loaded(*profile, folder=None, **options):
        return CONTRACT if folder == FOLDER else load(*profile, folder=folder, **options)

    monkeypatch.setattr(Contract, "load", loaded)
    for module in (validators, fuzzing):
        monkeypatch.setattr(module, "catalogue", lambda *_, **__: rows_of_the_catalogue())


def test_the_labels_of_its_cases_are_the_judges_verdicts():
    cases = [*rows_of_the_catalogue(), *generate(0, 200, CONTRACT)]
    wrong = [case.why for case in cases if set(CONTRACT.report(case.request, case.world).broken) != case.breaks]
    assert wrong == []


def test_every_rule_on_a_payload_is_broken_by_some_case():
    broken_by_some = frozenset().union(*(case.breaks for case in rows_of_the_catalogue()))
    assert {rule.id for rule in CONTRACT.operation.rules} <= broken_by_some


def test_cases_prints_rows_of_the_page():
    rows = [
        json.loads(line) for line in klingkit("cases", "-n", "5", "--rule", "voice-past-clip-end").output.splitlines()
    ]
    assert len(rows) == 5
    assert {row["request"]["path"] for row in rows} == {"/v2/narrations"}


def validator(contract):
    """A validator that judges as a contract does."""

    def accepts(payload, world):
        return not contract.collect_violations(payload, World.from_json(world))

    return accepts


def test_a_right_validator_has_no_finding(solved_once):
    assert audit(validator(CONTRACT), n=200, contract=CONTRACT).findings == ()


@pytest.mark.parametrize(
    ("right", "wrong", "rule"),
    [
        (
            "facts.voice.duration_ms <= facts.clip.duration_ms",
            "facts.voice.duration_ms < facts.clip.duration_ms",
            "voice-past-clip-end",
        ),
        ("facts.voice.duration_ms >= 1000", "facts.voice.duration_ms >= 999", "voice-too-short"),
        ("self == '' || has(facts.uploaded)", "self == '' || self != ''", "recording-unknown"),
    ],
)
def test_a_validator_that_is_off_by_one_is_found(solved_once, folder, right, wrong, rule):
    path = folder / OVERLAY
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    findings = audit(validator(Contract.load(folder=folder)), n=200, contract=CONTRACT).findings
    assert rule in {finding.rule for finding in findings}


def test_fuzz_finds_nothing_in_the_mock_of_the_same_documents(solved_once):
    with LiveServer(documents=FOLDER) as server:
        result = klingkit("fuzz", server.url, "-n", "0")
    assert result.exit_code == 0, result.output
    assert "no finding" in result.output


# A changed folder.


def test_a_changed_rule_arrives_everywhere(folder):
    path = folder / OVERLAY
    path.write_text(path.read_text(encoding="utf-8").replace("<= 120000", "<= 19999"), encoding="utf-8")
    assert Contract.load(folder=folder).report(EXAMPLE, WORLD).broken == ("clip-too-long",)
    assert asked(EXAMPLE, folder).headers["X-Contract-Violations"] == "clip-too-long"


def test_a_further_overlay_is_a_profile(folder):
    (folder / "strict.overlay.yaml").write_text(
        "overlay: 1.1.0\ninfo: {title: Strict, version: 1.0.0}\nextends: narrations.openapi.yaml\nactions:\n"
        "  - {target: '$.paths.*.post.requestBody..properties.loudness', update: {maximum: -4}}\n",
        encoding="utf-8",
    )
    assert Contract.load(folder=folder).report(EXAMPLE, WORLD).broken == ()
    assert Contract.load("strict", folder=folder).report(EXAMPLE, WORLD).broken == ("loudness.maximum",)
    with pytest.raises(
        ValueError, match=r"unknown profile 'lax': there is no lax\.overlay\.yaml; there are: documented, strict"
    ):
        Contract.load("lax", folder=folder)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("message: The clip must be {choices}", "message: no", "message must be a string, not a boolean"),
        ("rule: facts.voice.decodes", "rule: facts.voice.decoded", "facts.voice has no field decoded"),
        ("field: clip_url, table", "field: clip, table", "the payload has no field 'clip'"),
        ("kind: flagged", "kind: flaged", "did you mean flagged?"),
        ("x-facts: NarrationFacts", "x-facts: Facts", "Facts"),
        ("start: self.starts_at,", "start: self.begins_at,", "self has no field begins_at"),
        ("{id: body-json, code: 400,", "{id: body-jsn, code: 400,", "body-json"),
    ],
)
def test_a_mistake_in_the_overlay_is_named(folder, old, new, says):
    path = folder / OVERLAY
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        Contract.load(folder=folder)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "holds NAME.openapi.yaml, as it was published, and NAME.overlay.yaml, what it means"),
        (["a.openapi.yaml"], "missing is one of: a.overlay.yaml to a.openapi.yaml"),
        (["a.openapi.yaml", "b.overlay.yaml"], "a.overlay.yaml to a.openapi.yaml, b.openapi.yaml to b.overlay.yaml"),
        (
            ["a.openapi.yaml", "a.overlay.yaml", "b.openapi.yaml", "b.overlay.yaml"],
            "one document alone may have an overlay of its name, and there are a.overlay.yaml and b.overlay.yaml",
        ),
    ],
)
def test_a_folder_that_holds_something_else_says_what_is_missing(tmp_path, files, says):
    for name in files:
        (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        Contract.load(folder=tmp_path)
    assert says in str(caught.value)


def test_a_folder_that_is_not_there_is_misuse():
    result = CliRunner().invoke(cli, ["rules", "--documents", "nowhere"])
    assert (result.exit_code, "'nowhere' does not exist" in result.output) == (2, True)
