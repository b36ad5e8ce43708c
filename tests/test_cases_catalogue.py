"""The boundary catalogue: what it promises to whoever sends it, and that its labels and the engine agree."""

import base64
import copy
import gc
import json
import re
import tracemalloc
from functools import cache
from pathlib import Path

import jsonschema_rs
import pytest

import kling_contracts
from kling_contracts import Contract, Request
from kling_contracts.cases.case import Case
from kling_contracts.cases.catalogue import catalogue, server_catalogue
from kling_contracts.cases.factory import factory_of
from kling_contracts.cases.generator import generate
from kling_contracts.cases.requests import HEADERS, SERVER_RULES, TOKEN
from kling_contracts.documents import loading
from kling_contracts.facts.file_content import measured_audio
from kling_mock_server import create_app
from kling_mock_server.cli.cases import case_lines
from support.catalogues import rows, variant
from support.serving import documented

CONTRACT = documented()
ROWS = rows()
VALID = [row for row in ROWS if not row.breaks]
FOLDER = Path(kling_contracts.__file__).parent
SCHEMA_FILES = [FOLDER / "cases" / "case.schema.json", FOLDER / "facts" / "world.schema.json"]


def disagreements(rows, contract):
    """The rows that a contract judges otherwise than their labels say; what is valid is verified to the last rule."""
    for row in rows:
        report = contract.report(row.request, row.world)
        if row.breaks != frozenset(report.broken) or (report.unverified and not row.breaks):
            yield f"{row.why}: {sorted(row.breaks)} by construction, {report.broken} by judgement"


def test_label_and_engine_agree_on_every_row():
    assert list(disagreements(ROWS, CONTRACT)) == []


def test_the_catalogue_is_always_the_same_few_hundred_rows():
    made = catalogue(Contract.load())
    assert 300 <= len(made) <= 600
    assert made == ROWS


def catalogue_of(**options):
    contract = variant(**options)
    return contract, rows_of(contract)


rows_of = cache(catalogue)


@pytest.mark.parametrize(
    "options", [{"profile": "upstream"}, {"upstream_state": False}, {"null_is_absent": True}], ids=str
)
def test_every_profile_has_its_own_catalogue(options):
    contract, own = catalogue_of(**options)
    assert own != ROWS
    assert list(disagreements(own, contract)) == []


def test_the_upstream_catalogue_sends_fractions_of_volumes():
    _, own = catalogue_of(profile="upstream")
    volumes = {row.payload["face_choose"][0].get("sound_volume", 1) for row in own if not row.breaks}
    assert any(volume != int(volume) for volume in volumes)


# Every rule, from both sides.


@pytest.mark.parametrize("rule", CONTRACT.rules)
def test_every_rule_is_broken_by_some_row(rule):
    assert any(rule in row.breaks for row in (server_rows() if rule in SERVER_RULES else ROWS))


@pytest.mark.parametrize("rule", [rule.id for rule in CONTRACT.operation.rules])
def test_every_rule_of_the_payload_is_broken_alone_unless_another_follows_from_it(rule):
    least = min((row.breaks for row in ROWS if rule in row.breaks), key=len)
    assert least - {rule} <= IMPLIED.get(rule, set())


IMPLIED = {
    "clip-too-short": {"face-overlap-too-short"},
    "audio-too-short": {"clip-past-audio-end"},
}
"""A clip that is too short overlaps too little; an audio that is too short ends before any clip that is not."""


def test_an_audio_that_is_too_short_takes_along_one_or_the_other():
    sets = {row.breaks for row in ROWS if "audio-too-short" in row.breaks}
    assert frozenset(["audio-too-short", "clip-past-audio-end"]) in sets
    assert frozenset(["audio-too-short", "clip-too-short", "face-overlap-too-short"]) in sets


@pytest.mark.parametrize("rule", ["audio-too-short", "audio-too-long", "clip-too-short", "face-overlap-too-short"])
def test_the_limit_itself_and_one_past_it_are_rows_for_every_audio_source(rule):
    good = {source_of(row) for row in VALID if f"{rule} is only just kept" in row.why}
    bad = {source_of(row) for row in ROWS if row.why.startswith(f"{rule}:") and " by 1" in row.why}
    # A minute of mp3 or wav is too large for a row.
    assert good == bad == {"audio_id", "url", "m4a", *([] if rule == "audio-too-long" else ["wav", "mp3"])}


def source_of(row):
    item = row.payload["face_choose"][0]
    if item.get("audio_id"):
        return "audio_id"
    text = item["sound_file"]
    return "url" if "://" in text else measured_audio(base64.b64decode(text)).format


@pytest.mark.parametrize("field", ["session_id", "face_choose", "external_task_id", "callback_url"])
def test_null_stands_in_every_field(field):
    assert any(row.why.startswith(f"{field} is null") for row in ROWS)


@pytest.mark.parametrize("field", ["face_id", "audio_id", "sound_file", "sound_start_time", "sound_end_time"])
def test_null_stands_in_every_field_of_an_item(field):
    assert any(row.why.startswith(f"face_choose[0].{field} is null") for row in ROWS)


# What a row is.


def test_every_row_says_why_in_a_sentence_of_its_own():
    assert len({row.why for row in ROWS}) == len(ROWS)
    assert [row.why for row in ROWS if not re.fullmatch(r"\S.*\.", row.why)] == []


def test_no_two_rows_send_the_same_into_the_same_world():
    assert len({repr((row.request, row.world)) for row in ROWS}) == len(ROWS)


def test_every_quote_is_the_vendors_to_the_letter():
    said = json.dumps(loading.vendor(), ensure_ascii=False)
    assert [row.quote for row in ROWS if row.quote not in said] == []


@pytest.mark.parametrize("rule", [rule.id for rule in CONTRACT.operation.rules if rule.quotes])
def test_what_breaks_a_rule_that_the_vendor_states_quotes_the_vendor(rule):
    quotes = {quote.text for quote in CONTRACT.rules[rule].quotes}
    assert any(row.quote in quotes for row in ROWS if rule in row.breaks)


def test_a_quote_is_about_the_audio_source_that_the_row_uses():
    rows = [row for row in ROWS if row.why.startswith("audio-too-long:") and len(row.breaks) == 1]
    quotes = {source_of(row): row.quote for row in rows}
    assert (quotes["audio_id"], quotes["url"]) == ("且不超过60秒的音频", "且不长于60秒的音频")


def test_every_world_holds_more_than_the_row_needs():
    # A server that takes an id for the place of an entry finds the right one where there is no other.
    rows = [row for row in ROWS if not re.search(r"_id is (-1|0)[. ]", row.why)]
    assert all(len(row.world.sessions) > 1 and len(row.world.audios) > 1 and len(row.world.files) > 1 for row in rows)
    assert any(len(session.faces) > 1 for row in ROWS for session in row.world.sessions.values())


def test_no_row_depends_on_real_time():
    assert all(row.world.now_ms for row in ROWS)


def test_rows_are_small_enough_to_be_published():
    sizes = [len(json.dumps(row.to_json())) for row in ROWS]
    assert max(sizes) < 25_000
    assert sum(sizes) < 2_000_000


def test_the_base64_in_the_rows_is_real_audio():
    files = [row.payload["face_choose"][0]["sound_file"] for row in VALID if source_of(row) in {"wav", "mp3", "m4a"}]
    assert files
    assert all(measured_audio(base64.b64decode(text)).decodes for text in files)
    assert min(map(len, files)) < 1000


# Rows as JSON.


def test_a_row_survives_being_written_and_read():
    assert [row for row in ROWS if Case.from_json(json.loads(json.dumps(row.to_json()))) != row] == []


def test_a_row_is_as_its_schema_says():
    row, world = (json.loads(file.read_bytes()) for file in SCHEMA_FILES)
    registry = jsonschema_rs.Registry([(world["$id"], world)])
    validator = jsonschema_rs.validator_for(row, registry=registry)
    for one in ROWS:
        validator.validate(one.to_json())


def test_the_schema_of_a_row_refuses_a_row_without_its_body():
    row, world = (json.loads(file.read_bytes()) for file in SCHEMA_FILES)
    registry = jsonschema_rs.Registry([(world["$id"], world)])
    headless = copy.deepcopy(ROWS[0].to_json())
    del headless["request"]["body"]
    assert not jsonschema_rs.validator_for(row, registry=registry).is_valid(headless)


def test_a_body_is_text_unless_it_is_not_utf_8():
    for row in ROWS:
        request = row.to_json()["request"]
        assert ("body" in request) == is_utf8(row.request.body)
        assert ("body_base64" in request) != ("body" in request)


def is_utf8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("row", [None, [], {}, {"request": {}}, ROWS[0].to_json() | {"world": {"now": 1}}], ids=repr)
def test_what_is_no_row_is_refused(row):
    with pytest.raises(ValueError, match=r"not a row|now"):
        Case.from_json(row)


# The rule language is the only place where a limit stands.


def changed(by):
    """The effective document with every number of the limited rules and every bound of a volume raised."""
    effective = copy.deepcopy(loading.effective())
    for node in nodes(payload_schema(effective)):
        for rule in node.get("x-validations", ()):
            if rule["id"] in LIMITED:
                rule["rule"] = re.sub(r"(?<![\w'])\d+(?![\w'])", lambda number: str(int(number[0]) + by), rule["rule"])
        for field in VOLUMES & node.get("properties", {}).keys():
            for keyword in BOUNDS:
                node["properties"][field][keyword] += 1
    return effective


def payload_schema(effective):
    path = next(iter(effective["paths"]))
    return effective["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]


def nodes(schema):
    yield schema
    for child in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from nodes(child)


LIMITED = ["clip-too-short", "face-overlap-too-short", "audio-too-short", "audio-too-long"]
LIMITED += ["session-expired", "audio-id-expired", "sound-file-too-large"]
VOLUMES = {"sound_volume", "original_audio_volume"}
BOUNDS = ["minimum", "maximum"]
MOVED = [*LIMITED, *(f"{field}.{bound}" for field in sorted(VOLUMES) for bound in BOUNDS)]


# One change at a time: test_document_edits.py and test_literals.py.
@pytest.mark.parametrize("by", [-500, 1])
def test_changed_limits_move_the_catalogue(by):
    contract = Contract.compile(changed(by))
    assert list(disagreements(catalogue(contract), contract)) == []
    wrong = "\n".join(disagreements(ROWS, contract))
    assert [rule for rule in MOVED if rule not in wrong] == []


def test_a_format_that_the_document_drops_is_sent_as_a_broken_one():
    effective = copy.deepcopy(loading.effective())
    for node in nodes(payload_schema(effective)):
        for rule in node.get("x-validations", ()):
            rule["rule"] = rule["rule"].replace(" || facts.file.format == 'm4a'", "")
    contract = Contract.compile(effective)
    assert list(disagreements(catalogue(contract), contract)) == []
    assert any("sound-file-format" in text for text in disagreements(ROWS, contract))


def test_a_rule_of_its_own_needs_no_line_of_python():
    effective = copy.deepcopy(loading.effective())
    payload_schema(effective)["properties"]["callback_url"]["x-validations"] = [
        {"id": "callback-too-plain", "source": "upstream", "rule": "self != 'http'", "message": "Too plain"}
    ]
    contract = Contract.compile(effective)
    assert any("callback-too-plain" in case.breaks for case in generate(0, 5, contract, rule="callback-too-plain"))


@pytest.mark.parametrize("rule", [rule for rule in CONTRACT.rules if rule not in SERVER_RULES])
def test_there_is_a_way_to_break_every_rule_of_the_overlay(rule):
    assert factory_of(CONTRACT).reachable(rule)


# What only a server can tell.


@cache
def server_rows():
    return server_catalogue(CONTRACT)


def test_the_mock_answers_every_row_as_it_is_labelled():
    client = create_app(contract=CONTRACT, fetch="none").test_client()
    assert [row.why for row in (*ROWS, *server_rows()) if answered(client, row) != row.breaks] == []


def answered(client, row):
    """The rules that the mock names; the world is that of the account to which the tokens of the rows belong."""
    world = json.dumps(row.world.to_json())
    assert client.put("/_mock/world", data=world, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    request = row.request
    answer = client.open(
        request.path,
        method=request.method,
        query_string=request.query,
        headers=dict(request.headers),
        data=request.body,
    )
    assert (answer.status_code == 200) == (not row.breaks)
    named = answer.headers.get("X-Contract-Violations", "")
    return frozenset(named.split(", ")) - {""}


def test_token_times_and_body_sizes_are_left_to_servers():
    assert frozenset().union(*(row.breaks for row in ROWS)).isdisjoint(SERVER_RULES)
    assert frozenset().union(*(row.breaks for row in server_rows())) > set(SERVER_RULES)


def test_a_file_of_the_largest_size_is_good_and_one_of_a_byte_more_is_not():
    files = [row for row in server_rows() if not row.breaks or "sound-file-too-large" in row.breaks]
    largest = CONTRACT.largest_file
    sizes = {len(base64.b64decode(text)): row.breaks for row in files if (text := sound_of(row))}
    assert sizes == {largest: frozenset(), largest + 1: frozenset(["sound-file-too-large"])}
    assert list(disagreements(files, CONTRACT)) == []


def test_files_of_megabytes_are_not_kept():
    contract = Contract.compile(changed(13))  # No other test makes files of these sizes.
    assert factory_of(contract).about
    tracemalloc.start()
    try:
        assert sum(len(row.request.body) for row in server_catalogue(contract)) > 2 * contract.largest_file
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < contract.largest_file


def sound_of(row):
    return row.payload["face_choose"][0].get("sound_file", "")


# The command.


@cache
def printed():
    return list(case_lines(None, None, None, 0))


def test_the_command_prints_the_catalogue_as_rows():
    assert tuple(Case.from_json(json.loads(line)) for line in printed()) == ROWS


def test_the_command_prints_valid_rows_only():
    assert all(not json.loads(line)["breaks"] for line in case_lines(True, None, None, 0))


def test_the_command_prints_broken_rows_only():
    assert all(json.loads(line)["breaks"] for line in case_lines(False, None, None, 0))


@pytest.mark.parametrize("n", [None, 20])
def test_the_command_prints_what_breaks_one_rule(n):
    broken = [json.loads(line)["breaks"] for line in case_lines(None, "clip-too-short", n, 0)]
    assert broken
    assert all("clip-too-short" in breaks for breaks in broken)


def test_the_command_prints_as_many_generated_rows_as_asked_for():
    assert len(list(case_lines(None, None, 17, 3))) == 17
    assert (
        list(case_lines(None, None, 17, 3))
        == list(case_lines(None, None, 17, 3))
        != list(case_lines(None, None, 17, 4))
    )


@pytest.mark.parametrize("n", [None, 5])
def test_the_command_knows_no_other_rule(n):
    with pytest.raises(ValueError, match="no-such-rule"):
        case_lines(None, "no-such-rule", n, 0)


def test_no_row_is_printed_over_several_lines():
    assert all("\n" not in line for line in printed())


def test_a_good_request_is_a_post_of_json_with_a_token():
    row = VALID[0]
    assert row.request == Request("POST", CONTRACT.operation.paths[0], HEADERS, row.request.body)


def test_the_published_file_is_the_catalogue():
    published = (FOLDER / "cases" / "cases.ndjson").read_text(encoding="utf-8")

    assert published.splitlines() == printed()
