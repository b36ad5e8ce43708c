"""The contract's public interface: `collect_violations` returns, `check` raises, `report` says all that can be said."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Contract, ContractViolation, DocumentError, Request, World
from kling_contracts.judging.compiled_schema import CompiledSchema
from support.case_rows import ROWS
from support.serving import documented

CONTRACT = documented()
UPSTREAM = Contract.load("upstream")
EXAMPLE = CONTRACT.operation.example
WORLD = CONTRACT.operation.example_world
PATH, SHORT_PATH = CONTRACT.operation.paths


def test_a_world_may_be_given_in_its_json_form():
    short = {**EXAMPLE, "session_id": "1"}
    known = WORLD.to_json()
    assert CONTRACT.report(short, known) == CONTRACT.report(short, WORLD)
    assert CONTRACT.collect_violations(EXAMPLE, known) == ()
    with pytest.raises(ContractViolation):
        CONTRACT.check(short, known)


def test_a_mapping_that_is_no_world_is_an_error_with_its_place():
    with pytest.raises(ValueError, match="/sessions"):
        CONTRACT.report(EXAMPLE, {"sessions": 1})


STRINGS = ("session_id", "external_task_id", "callback_url", "face_id", "audio_id", "sound_file")
INTEGERS = ("sound_start_time", "sound_end_time", "sound_insert_time", "sound_volume", "original_audio_volume")
ITEM_FIELDS = ("face_id", "audio_id", "sound_file", *INTEGERS)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def example(*without, **changes):
    """The vendor's example with other values in some fields, wherever they stand, and without others."""
    payload = deepcopy(EXAMPLE)
    item = payload["face_choose"][0]
    for name, value in changes.items():
        (item if name in ITEM_FIELDS else payload)[name] = value
    for name in without:
        del (item if name in ITEM_FIELDS else payload)[name]
    return payload


def broken(payload, world=WORLD, contract=CONTRACT):
    return list(contract.report(payload, world).broken)


def unverified(payload, world=WORLD):
    return {one.rule.id: one.because for one in CONTRACT.report(payload, world).unverified}


def request(method="POST", path=PATH, body=None, **headers):
    """A request with the vendor's example; headers by their names with underscores, None: left out."""
    given_headers = {"authorization": "Bearer key", "content-type": "application/json"}
    given_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in given_headers.items() if value is not None}
    return Request(method, path, sent, json.dumps(EXAMPLE).encode() if body is None else body)


@pytest.mark.parametrize("profile", ["documented", "upstream"])
def test_every_profile_accepts_the_vendors_own_example(profile):
    assert Contract.load(profile).collect_violations(EXAMPLE, WORLD) == ()


def test_documented_is_the_default():
    assert Contract.load().document == Contract.load("documented").document != UPSTREAM.document


def test_an_unknown_profile_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'lenient'.*documented, upstream"):
        Contract.load("lenient")


def test_the_rules_that_only_upstream_documents_can_be_dropped():
    dropped = CONTRACT.rules.keys() - Contract.load(upstream_state=False).rules.keys()
    assert dropped == {"session-expired", "external-task-id-duplicate"}


def test_a_contract_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        CONTRACT.document = {}
    with pytest.raises(TypeError):
        CONTRACT.rules["path"] = CONTRACT.rules["method"]


def test_collect_returns_one_violation_a_broken_rule():
    (violation,) = CONTRACT.collect_violations(example(sound_volume=3), WORLD)
    assert (violation.rule_id, violation.pointer) == ("sound_volume.maximum", "/face_choose/0/sound_volume")
    assert violation.message == "face_choose[0].sound_volume must be at most 2"


def test_check_lets_a_valid_payload_pass():
    CONTRACT.check(EXAMPLE, WORLD)


def test_check_raises_what_collect_returns():
    payload = example(sound_end_time=1999, sound_volume=3)
    with pytest.raises(ContractViolation) as caught:
        CONTRACT.check(payload, WORLD)
    assert caught.value.violations == CONTRACT.collect_violations(payload, WORLD)


def test_a_failed_check_is_a_failed_assertion():
    with pytest.raises(AssertionError):
        CONTRACT.check({}, WORLD)


def test_the_text_of_a_failed_check_names_rule_place_message_and_the_vendors_sentence():
    with pytest.raises(ContractViolation) as caught:
        CONTRACT.check(example(sound_end_time=1999, sound_volume=3), WORLD)
    for violation in caught.value.violations:
        assert f"{violation.rule_id} at {violation.pointer}: {violation.message}" in str(caught.value)
        assert violation.rule.quotes
        assert all(quote.text in str(caught.value) for quote in violation.rule.quotes)


def test_a_payload_is_left_as_it_was():
    payload = example(sound_end_time=1999.0, sound_volume=3)
    before = json.dumps(payload)
    CONTRACT.report(payload, WORLD)
    assert json.dumps(payload) == before


def test_violations_come_in_document_order_whatever_the_order_of_the_payload():
    payload = example(session_id="1", sound_end_time=1999, sound_volume=3, callback_url=None)
    payload["face_choose"][0] = dict(reversed(payload["face_choose"][0].items()))
    expected = [
        *("session-unknown", "clip-too-short", "face-overlap-too-short"),
        *("sound_volume.maximum", "callback_url.type"),
    ]
    assert broken(dict(reversed(payload.items()))) == expected


def test_an_items_violations_come_before_those_of_the_next():
    payload = example(sound_volume=3)
    payload["face_choose"] += example(face_id=7)["face_choose"]
    assert broken(payload) == ["face_choose.maxItems", "sound_volume.maximum", "face_id.type"]


def test_rules_stand_in_the_order_of_the_document():
    schema = CONTRACT.document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    judged = [rule.id for rule in CONTRACT.operation.rules if rule.kind == "cel"]
    assert judged == list(_rule_ids(schema))


def test_a_rule_that_is_broken_twice_is_named_once():
    payload = example(sound_volume=3)
    payload["face_choose"] *= 2
    assert broken(payload) == ["face_choose.maxItems", "sound_volume.maximum"]


def _rule_ids(schema):
    yield from (rule["id"] for rule in schema.get("x-validations", ()))
    for child in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from _rule_ids(child)


def test_without_a_world_every_rule_that_needs_one_is_unverified():
    assert broken(EXAMPLE, None) == []
    needs_a_world = {
        *("session-unknown", "session-expired", "face-unknown", "audio-id-unknown", "audio-id-expired"),
        *("audio-too-short", "audio-too-long", "audio-content", "clip-past-audio-end"),
        *("face-overlap-too-short", "insert-past-video-end"),
    }
    assert unverified(EXAMPLE, None) == dict.fromkeys(needs_a_world, "no world was given")


def test_an_external_id_needs_a_world():
    assert "external-task-id-duplicate" in unverified(example(external_task_id="mine-1"), None)


def test_what_needs_no_world_is_judged_without_one():
    assert broken(example(sound_end_time=1999, sound_volume=3), None) == [
        "clip-too-short",
        "face-overlap-too-short",
        "sound_volume.maximum",
    ]


def test_a_file_is_measured_without_a_world():
    assert broken(example("audio_id", sound_file="aGVsbG8="), None) == ["sound-file-format"]


@pytest.mark.parametrize(
    ("payload", "rule_id", "because"),
    [
        (example(sound_end_time="9"), "clip-too-short", "/face_choose/0/sound_end_time is itself refused"),
        (example("sound_end_time"), "clip-past-audio-end", "the field is missing"),
        (example(session_id="1"), "session-expired", "the world does not know the id"),
        (example(session_id="1"), "insert-past-video-end", "the session is not known"),
        (example(sound_file="aGVsbG8="), "audio-too-long", "with both sources given there is no one audio"),
        (example("audio_id", sound_file="https://a/b"), "sound-file-format", "the URL was not fetched"),
    ],
)
def test_a_report_says_why_a_rule_could_not_be_judged(payload, rule_id, because):
    assert unverified(payload)[rule_id] == because


@given(json_values)
def test_without_a_world_no_rule_about_the_world_is_ever_broken(value):
    payload = {**EXAMPLE, "session_id": value, "external_task_id": value}
    payload["face_choose"] = [{**EXAMPLE["face_choose"][0], "face_id": value, "audio_id": value}]
    about_the_world = ("facts.session", "facts.video", "facts.face", "facts.preview", "facts.task")
    for violation in CONTRACT.collect_violations(payload):
        reads = violation.rule.expression.reads if violation.rule.expression else ()
        assert not any(name.startswith(about_the_world) for name in reads)


def test_a_report_holds_what_the_world_says_about_the_item():
    (facts,) = CONTRACT.report(EXAMPLE, WORLD).facts
    session = WORLD.sessions[EXAMPLE["session_id"]]
    assert (facts.video.duration_ms, facts.face) == (session.video_ms, session.faces["-1"])
    assert (facts.session.age_ms, facts.preview.age_ms, facts.audio.duration_ms) == (0, 0, 8000)


def test_every_item_has_its_own_facts():
    payload = example()
    payload["face_choose"] += example(face_id="0")["face_choose"]
    faces = WORLD.sessions[EXAMPLE["session_id"]].faces
    assert [facts.face for facts in CONTRACT.report(payload, WORLD).facts] == [faces["-1"], faces["0"]]


def test_a_payload_without_items_has_no_facts():
    assert CONTRACT.report({}, WORLD).facts == ()


def notes(payload):
    return [(note.pointer, note.message) for note in CONTRACT.report(payload, WORLD).notes]


def test_a_documented_payload_gets_no_note():
    assert notes(EXAMPLE) == []


def test_an_unknown_field_is_noted_with_the_nearest_known_name():
    payload = example()
    payload["face_choose"][0]["sound_starttime"] = 0
    assert notes(payload) == [
        (
            "/face_choose/0/sound_starttime",
            '"sound_starttime" is not a documented field; did you mean sound_start_time?',
        )
    ]


def test_a_field_like_no_other_is_noted_without_a_guess():
    assert notes({**EXAMPLE, "xyz": 1}) == [("/xyz", '"xyz" is not a documented field')]


def test_the_pointer_of_a_note_is_escaped():
    assert [pointer for pointer, _ in notes({**EXAMPLE, "a/b~c": 1})] == ["/a~1b~0c"]


def test_a_note_breaks_no_rule():
    assert broken({**EXAMPLE, "xyz": 1}) == []


@pytest.mark.parametrize(("unknown", "noted"), [(19, 19), (20, 20), (21, 20), (5000, 20)])
def test_one_object_gets_at_most_twenty_notes(unknown, noted):
    assert len(notes(EXAMPLE | {f"x{index}": 1 for index in range(unknown)})) == noted


def test_a_long_name_is_cut_in_its_note():
    ((pointer, message),) = notes({**EXAMPLE, "x" * 100_000: 1})
    assert len(pointer) + len(message) < 300


@pytest.mark.parametrize("path", [PATH, SHORT_PATH])
def test_a_documented_request_is_accepted_at_both_paths(path):
    assert broken(request(path=path)) == []


def test_the_payload_of_a_request_is_judged():
    assert broken(request(body=json.dumps(example(sound_volume=3)).encode())) == ["sound_volume.maximum"]


@pytest.mark.parametrize(
    "path",
    ["/", "", PATH + "/", PATH.upper(), "/v2/videos/advanced-lip-sync", "/kling/v1/videos/lip-sync", f"/{PATH}"],
)
def test_any_other_path_is_refused(path):
    assert broken(request(path=path)) == ["path"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "post", ""])
def test_any_other_method_is_refused(method):
    assert broken(request(method=method)) == ["method"]


@pytest.mark.parametrize("header", ["Bearer key", "bearer key", "BEARER key", "Bearer  key", " Bearer key "])
def test_the_scheme_of_a_token_may_be_written_in_any_case(header):
    assert broken(request(authorization=header)) == []


@pytest.mark.parametrize("header", [None, "", " ", "\t"])
def test_a_blank_authorization_is_missing(header):
    assert broken(request(authorization=header)) == ["authorization-missing"]


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic key", "key", "Bearerkey", "Bearer two keys"])
def test_what_is_no_bearer_token_is_invalid(header):
    assert broken(request(authorization=header)) == ["authorization-invalid"]


@pytest.mark.parametrize("header", ["Basic c2VjcmV0", "c2VjcmV0", "Bearer c2VjcmV0 c2VjcmV0"])
def test_a_refused_key_is_not_repeated(header):
    with pytest.raises(ContractViolation) as caught:
        CONTRACT.check(request(authorization=header), WORLD)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;"],
)
def test_a_content_type_is_json_with_any_parameters_or_absent(content_type):
    assert broken(request(content_type=content_type)) == []


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp"],
)
def test_any_other_content_type_is_refused(content_type):
    assert broken(request(content_type=content_type)) == ["content-type"]


def test_a_missing_body_is_refused():
    assert broken(request(body=b"")) == ["body.required"]


@pytest.mark.parametrize(
    "body",
    [
        *(b" ", b"{", b"{'a': 1}", b'{"a": 1,}', b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 1, "a": 1}'),
        *(b'"\xff"', b'"\\ud800"', b"[" * 201 + b"]" * 201, b"1" * 5000, b'{"a": 1} {"a": 1}'),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(body):
    assert broken(request(body=body)) == ["body-json"]


def test_a_byte_order_mark_is_accepted():
    assert broken(request(body=b"\xef\xbb\xbf" + json.dumps(EXAMPLE).encode())) == []


def test_a_body_that_is_json_and_no_object_breaks_the_bodys_type():
    assert broken(request(body=b"null")) == ["body.type"]


def test_a_request_is_judged_from_the_outside_in():
    """Of everything that is wrong with a request, only the outermost is named."""
    wrong = {
        "path": request("GET", "/", b"{", authorization=None, content_type="text/plain"),
        "method": request("PUT", PATH, b"{", authorization=None, content_type="text/plain"),
        "authorization-missing": request(body=b"{", authorization=None, content_type="text/plain"),
        "content-type": request(body=b"", content_type="text/plain"),
    }
    assert {rule_id: broken(one) for rule_id, one in wrong.items()} == {rule_id: [rule_id] for rule_id in wrong}


@pytest.mark.parametrize("number", [1.0, 2.0, 0.0, -0.0])
def test_an_integral_float_is_an_integer(number):
    assert broken(example(sound_volume=number)) == []


@pytest.mark.parametrize(
    "number", [2**53 + 1, 2**63, 2**70, 1e15, 1e300, 1.7976931348623157e308, pytest.param(10**4299, id="10**4299")]
)
def test_a_huge_number_is_compared_like_any_other(number):
    assert broken(example(sound_end_time=number)) == ["insert-past-video-end", "clip-past-audio-end"]
    assert broken(example(sound_end_time=-number)) == ["clip-too-short", "face-overlap-too-short"]
    assert broken(example(sound_volume=number)) == ["sound_volume.maximum"]
    assert broken(example(sound_volume=-number)) == ["sound_volume.minimum"]


def test_numbers_that_floats_cannot_tell_apart_are_told_apart():
    start = 2**53
    world = World.from_json({"audios": {EXAMPLE["face_choose"][0]["audio_id"]: {"duration_ms": start - 1}}})
    ending = example(sound_start_time=start, sound_end_time=start + 1999)
    assert "clip-too-short" in broken(ending, world)
    ending["face_choose"][0]["sound_end_time"] += 1
    assert "clip-too-short" not in broken(ending, world)


def test_the_longest_number_that_a_body_may_hold_is_refused_like_any_other():
    """What would be right instead has a digit more than Python prints by default."""
    payload = example(sound_start_time=10**4300 - 1, sound_end_time=0)
    assert broken(request(body=json.dumps(payload).encode())) == ["clip-too-short", "face-overlap-too-short"]


@pytest.mark.parametrize(
    "value",
    [
        *({1, 2}, object(), b"1", {1: 2}, float("nan"), float("inf")),
    ],
)
@pytest.mark.parametrize("wrapped", [lambda value: value, lambda value: example(sound_volume=value)], ids=["", "field"])
def test_what_is_no_json_value_is_misuse(wrapped, value):
    with pytest.raises(TypeError, match="not a JSON value"):
        CONTRACT.report(wrapped(value), WORLD)


def test_a_tuple_is_judged_like_the_array_it_is_written_as():
    payload = {**EXAMPLE, "face_choose": (example(sound_end_time=1999)["face_choose"][0],)}
    assert broken(payload) == ["clip-too-short", "face-overlap-too-short"]


@given(json_values.filter(lambda value: not isinstance(value, dict)))
def test_what_is_no_object_breaks_the_bodys_type_and_nothing_else(value):
    assert broken(value) == ["body.type"]


@given(st.dictionaries(st.sampled_from(list(EXAMPLE)) | st.text(), json_values), st.sampled_from([WORLD, None]))
def test_any_object_gets_a_report(payload, world):
    report = CONTRACT.report(payload, world)
    assert ("session_id.required" in report.broken) == ("session_id" not in payload)


@given(st.dictionaries(st.sampled_from(ITEM_FIELDS) | st.text(), json_values), st.sampled_from([WORLD, None]))
def test_any_item_gets_a_report(changes, world):
    payload = {**EXAMPLE, "face_choose": [{**EXAMPLE["face_choose"][0], **changes}]}
    report = CONTRACT.report(payload, world)
    judged = {(one.rule.id, one.pointer) for one in report.unverified}
    assert judged.isdisjoint((one.rule.id, one.pointer) for one in report.violations)


@given(st.sampled_from(STRINGS), json_values)
def test_a_string_is_a_string_and_nothing_else_is(field, value):
    assert (f"{field}.type" in broken(example(**{field: value}))) == (not isinstance(value, str))


@given(st.sampled_from(INTEGERS), scalars)
def test_an_integer_is_a_number_without_a_fraction_and_nothing_else_is(field, value):
    is_integer = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    assert (f"{field}.type" in broken(example(**{field: value}))) == (not is_integer)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_upstream_takes_any_number_from_0_to_2_as_a_volume(volume):
    assert (broken(example(sound_volume=volume), WORLD, UPSTREAM) == []) == (0 <= volume <= 2)


# Null and fractions, where a profile or a switch reads them otherwise.

NULL_IS_ABSENT = Contract.load(null_is_absent=True)
OPTIONAL = ["external_task_id", "callback_url", "sound_file"]
TIMES = ["sound_start_time", "sound_end_time", "sound_insert_time"]


@pytest.mark.parametrize("contract", [NULL_IS_ABSENT, UPSTREAM])
@pytest.mark.parametrize("field", OPTIONAL)
def test_null_counts_as_absent_where_asked_for(field, contract):
    payload = example(**{field: None})
    before = json.dumps(payload)

    assert contract.report(payload, WORLD) == contract.report(example(field, **{field: None}), WORLD)
    assert CONTRACT.report(payload, WORLD).broken == (f"{field}.type",)
    assert json.dumps(payload) == before


def test_null_in_a_required_field_is_that_field_missing():
    assert NULL_IS_ABSENT.report(example(session_id=None), WORLD).broken == ("session_id.required",)


def test_null_in_an_unknown_field_is_noted_like_any_unknown_field():
    assert [note.pointer for note in UPSTREAM.report(example(x=None), WORLD).notes] == ["/x"]


@pytest.mark.parametrize("value", [None, [None]])
def test_null_that_is_no_member_stays_null(value):
    assert UPSTREAM.report({**EXAMPLE, "face_choose": value} if value else value, WORLD).broken[0].endswith("type")


@pytest.mark.parametrize("field", TIMES)
def test_the_fraction_of_a_time_is_refused(field):
    report = CONTRACT.report(example(**{field: EXAMPLE["face_choose"][0][field] + 0.5}), WORLD)

    assert (report.broken, report.notes) == ((f"{field}.type",), ())


@pytest.mark.parametrize("field", TIMES)
def test_upstream_cuts_the_fraction_of_a_time_and_notes_it(field):
    value = EXAMPLE["face_choose"][0][field]

    report = UPSTREAM.report(example(**{field: value + 0.9999999995}), WORLD)

    assert report.violations == ()
    assert [note.pointer for note in report.notes] == [f"/face_choose/0/{field}"]
    assert f"{value} is judged" in report.notes[0].message


def test_a_cut_time_is_judged_without_its_fraction():
    assert broken(example(sound_end_time=1999.999), WORLD, UPSTREAM) == broken(example(sound_end_time=1999))
    assert UPSTREAM.report(example(sound_end_time=5000.0), WORLD).notes == ()


def test_a_thousand_items_are_refused_without_a_thousand_reports():
    report = CONTRACT.report({**EXAMPLE, "face_choose": example(sound_end_time=1999)["face_choose"] * 5000}, WORLD)
    assert report.broken == ("face_choose.maxItems", "clip-too-short", "face-overlap-too-short")
    assert len(report.violations) < 1000


def test_threads_may_share_a_contract():
    rows = [row for row in ROWS if row.contract.document == CONTRACT.document and "sound_file" not in row.content]

    def judged(row):
        report = CONTRACT.report(row.payload, row.world)
        return report.broken, {one.rule.id for one in report.unverified}

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(judged, rows * 8)) == [judged(row) for row in rows] * 8


@pytest.mark.parametrize(
    ("rule_id", "keyword", "value", "path"),
    [
        ("sound_volume.maximum", "maximum", 2, ("face_choose", "[]", "sound_volume")),
        ("face_id.required", "required", "face_id", ("face_choose", "[]")),
        ("session_id.type", "type", "string", ("session_id",)),
        ("body.type", "type", "object", ()),
        ("clip-too-short", "", None, ("face_choose", "[]")),
        ("body.required", "", None, ()),
    ],
)
def test_a_rule_has_its_keyword_its_value_and_its_path_as_data(rule_id, keyword, value, path):
    rule = CONTRACT.rules[rule_id]

    assert (rule.keyword, rule.value, rule.path) == (keyword, value, path)


def test_every_service_code_has_status_message_and_whether_a_retry_can_help():
    codes = CONTRACT.codes

    assert {code for code, one in codes.items() if one.retry == "later"} == {1003, 1302, 1303, 5001}
    assert {code for code, one in codes.items() if one.retry == "unknown"} == {5000, 5002}
    assert codes[1102].status == 429
    assert codes[1102].concerns == "account"
    assert all(one.message and one.meaning for one in codes.values())
    assert 0 not in codes


def test_a_code_has_the_message_of_the_one_rule_that_refuses_with_it():
    assert CONTRACT.codes[1001].message == CONTRACT.rules["authorization-missing"].message
    assert CONTRACT.codes[1202].message == "The requested method is invalid"


@pytest.mark.parametrize(
    ("operation", "video_ms", "units"),
    [
        ("create", 1, "0.5"),
        ("create", 5000, "0.5"),
        ("create", 5001, "1"),
        ("create", 50_000, "5"),
        ("identify", 0, "0.05"),
        ("tts", 0, "0.05"),
    ],
)
def test_a_call_costs_what_the_documents_say(operation, video_ms, units):
    assert CONTRACT.prices[operation].of(video_ms) == units


def test_an_operation_without_a_price_has_none():
    assert "query" not in CONTRACT.prices


def test_a_document_without_a_request_rule_is_an_error_that_names_it():
    document = deepcopy(CONTRACT.document)
    document["x-request-rules"] = [rule for rule in document["x-request-rules"] if rule["id"] != "body-json"]

    with pytest.raises(DocumentError, match="x-request-rules lacks body-json"):
        Contract.compile(document)


@pytest.fixture
def compiled(monkeypatch):
    """The schemas that are compiled from here on."""
    schemas, compile_schema = [], CompiledSchema.compile

    def kept(schema, compiler):
        schemas.append(schema)
        return compile_schema(schema, compiler)

    monkeypatch.setattr(CompiledSchema, "compile", kept)
    return schemas


def test_an_operation_of_the_installed_documents_is_compiled_at_its_first_use(compiled):
    contract = Contract.load()
    assert compiled == []
    for _ in range(2):
        contract.report({})
        assert len(compiled) == 1


def test_other_documents_are_compiled_at_once_so_that_a_mistake_is_told(compiled):
    contract = Contract.load("upstream")
    assert len(compiled) == len(contract.operations)


def test_threads_may_share_the_first_use_of_a_contract():
    contract, together = Contract.load(), threading.Barrier(8)

    def broken(_):
        together.wait()
        return contract.report({}).broken

    with ThreadPoolExecutor(8) as threads:
        assert set(map(tuple, threads.map(broken, range(8)))) == {tuple(Contract.load().report({}).broken)}


@pytest.mark.parametrize("operation", CONTRACT.operations, ids=lambda one: one.name)
def test_the_world_of_an_installed_example_has_no_mistake(operation):
    assert World.from_json(operation.example_world_json) == operation.example_world
