"""The operations around create have the rules of their table, and are asked for as create is."""

import pytest

from kling_contracts import Request
from support.companions import COMPANION_NAMES, TABLE, broken, every_contract, request
from support.serving import PATH, documented
from support.workflow import IDENTIFY, LIST, QUERY, TTS, VIDEO_URL, said, task_path


@every_contract
@pytest.mark.parametrize("name", COMPANION_NAMES)
def test_an_operation_has_exactly_the_rules_of_the_table_whatever_the_profile(contract, name):
    assert [(rule.id, rule.status, rule.code) for rule in contract.by_name[name].rules] == TABLE[name]


@pytest.mark.parametrize("name", COMPANION_NAMES)
def test_no_rule_is_said_to_be_the_vendors(name):
    assert {rule.source for rule in documented().by_name[name].rules} == {"upstream"}


@every_contract
def test_there_are_five_operations_and_the_vendors_is_the_first(contract):
    assert [operation.name for operation in contract.operations] == ["create", *COMPANION_NAMES]
    assert contract.operation.id == "createAdvancedLipSync"


def test_a_task_too_many_is_refused_with_the_observed_message():
    rule = documented().account_rules["tasks-in-parallel"]
    assert (rule.status, rule.code, rule.message) == (429, 1303, "parallel task over resource pack limit")


# Before there is a payload.

PATHS = {"list": LIST, "query": task_path("1"), "identify": IDENTIFY, "tts": TTS}
BODIES = {"identify": {"video_url": VIDEO_URL}, "tts": said()}


def asked_of(name, path=None, **changes):
    return request(path or PATHS[name], **{"body": BODIES.get(name), **changes})


@pytest.mark.parametrize("name", COMPANION_NAMES)
def test_an_operation_answers_at_both_prefixes(name):
    short = PATHS[name].removeprefix("/kling")
    assert broken(asked_of(name), {}) == broken(asked_of(name, short), {}) == set()
    for path in (PATHS[name], short):
        methods, _ = documented().request_rules.routes.find(path)
        assert name in {operation.name for operation in methods.values()}


@pytest.mark.parametrize("name", COMPANION_NAMES)
@pytest.mark.parametrize(
    ("headers", "rule_id"),
    [
        ({"authorization": ""}, "authorization-missing"),
        ({"authorization": "key"}, "authorization-invalid"),
        ({"authorization": "Basic a2V5"}, "authorization-invalid"),
    ],
)
def test_every_operation_needs_a_key(name, headers, rule_id):
    assert broken(asked_of(name, **headers)) == {rule_id}


@pytest.mark.parametrize("name", COMPANION_NAMES)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "get", ""])
def test_any_other_method_is_refused(name, method):
    assert broken(asked_of(name, method=method or "HEAD")) == {"method"}


@pytest.mark.parametrize("name", ["identify", "tts"])
@pytest.mark.parametrize(
    ("changes", "rule_id"),
    [
        ({"content-type": "text/plain"}, "content-type"),
        ({"body": b""}, "body.required"),
        ({"body": b"{"}, "body-json"),
        ({"body": b'{"a": NaN}'}, "body-json"),
        ({"body": b"\xff"}, "body-json"),
        ({"body": b'{"text": "a", "text": "b"}'}, "body-json"),
    ],
)
def test_a_body_is_read_as_strictly_as_the_vendors(name, changes, rule_id):
    assert broken(asked_of(name, **changes)) == {rule_id}


@pytest.mark.parametrize("name", ["list", "query"])
def test_what_takes_no_body_looks_at_none(name):
    assert broken(request(PATHS[name], b"{", method="GET", **{"content-type": "text/plain"}), {}) == set()


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH}/",
        f"{PATH}/1/2",
        f"{PATH}//",
        f"{IDENTIFY}/",
        IDENTIFY.replace("identify", "Identify"),
        f"{TTS}s",
        TTS.replace("audio", "videos"),
        f"/x{QUERY}",
        "",
    ],
)
def test_paths_are_those_of_the_document_to_the_letter(path):
    assert broken(request(path)) == {"path"}


@pytest.mark.parametrize("name", ["{task_id}", "a b", "ä", "..", "%", "\n", "\0", "\ud800", "9" * 5000])
def test_any_segment_is_the_name_of_a_task(name):
    assert broken(request(task_path(name)), {}) == set()


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/kling/v1/videos/Identify-face", "/kling/v1/videos/identify-face"),
        ("/v1/videos/advanced-lipsync", "/v1/videos/advanced-lip-sync"),
    ],
)
def test_a_path_that_is_nearly_right_is_told_the_right_one(path, wanted):
    (violation,) = documented().collect_violations(Request("POST", path, {"authorization": "Bearer key"}))
    assert (violation.rule_id, violation.remedy) == ("path", wanted)


def test_a_path_that_is_like_no_other_is_told_all_of_them():
    (violation,) = documented().collect_violations(Request("POST", "/", {"authorization": "Bearer key"}))
    paths = dict.fromkeys(path for one in documented().operations for path in one.paths)
    assert violation.remedy.split(" or ") == list(paths)
