"""Texts whose length nobody documents: a generous limit, and no more memory than it costs to say so."""

import json

import pytest

from kling_contracts import Contract
from kling_mock_server.core.text_limits import TEXT_TOO_LONG
from support.contract_folder import changed, copy_of_documents
from support.serving import PATH, payload
from support.workflow import IDENTIFY, TTS, Caller, said

LIMIT = 16_384
OF_A_TASK = ["external_task_id", "callback_url", "session_id"]


@pytest.fixture
def mock():
    return Caller(pace="manual")


def of_length(length):
    return "http://127.0.0.1:1/".ljust(length, "x")[:length]


@pytest.mark.parametrize("name", OF_A_TASK)
def test_one_character_past_the_limit_is_refused_by_name(mock, name):
    answer = mock.post({**payload(), name: of_length(LIMIT + 1)})
    assert (answer.status, answer.code, answer.broken) == (400, 1201, [TEXT_TOO_LONG])
    assert f"{name} must have at most {LIMIT} characters" in answer.message


@pytest.mark.parametrize("name", OF_A_TASK)
def test_a_text_of_the_limit_itself_is_judged_like_any_other(mock, name):
    assert mock.post({**payload(), name: of_length(LIMIT)}).broken == (["session-unknown"] if "session" in name else [])


@pytest.mark.parametrize("name", ["face_id", "audio_id"])
def test_a_text_within_an_item_is_found(mock, name):
    answer = mock.post(payload(**{name: "9" * (LIMIT + 1)}))
    assert answer.broken == [TEXT_TOO_LONG]
    assert f"face_choose[0].{name}" in answer.message


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (IDENTIFY, {"video_url": of_length(LIMIT + 1)}),
        (IDENTIFY, {"video_id": "9" * (LIMIT + 1)}),
        (TTS, {**said(), "voice_id": "v" * (LIMIT + 1)}),
    ],
)
def test_the_other_operations_have_the_same_limit(mock, path, body):
    assert mock.ask("POST", path, body).broken == [TEXT_TOO_LONG]


def test_characters_are_counted_and_not_bytes(mock):
    assert mock.post({**payload(), "external_task_id": "声" * LIMIT}).broken == []


def test_a_long_audio_and_a_long_unknown_field_are_no_matter(mock):
    assert mock.post({**payload(), "note": "x" * 100_000}).broken == []
    assert mock.post(payload(audio_id="", sound_file="A" * 100_000)).broken != [TEXT_TOO_LONG]


def test_the_refusal_stands_in_the_journal_and_its_rule_is_explained(mock):
    mock.post({**payload(), "external_task_id": "x" * 1_000_000})
    (entry,) = mock.journal()["entries"]
    assert [one["rule"] for one in entry["violations"]] == [TEXT_TOO_LONG]
    assert len(json.dumps(entry)) < 4000
    assert mock.control("GET", f"/rules/{TEXT_TOO_LONG}")["source"] == "mock"


def test_an_edit_of_the_documents_moves_the_limit(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, "companions.openapi.yaml", "external_task_id: 16384", "external_task_id: 100")
    mock = Caller(contract=Contract.load(folder=folder))
    names = {100: [], 101: [TEXT_TOO_LONG]}
    assert {n: mock.post({**payload(), "external_task_id": "x" * n}).broken for n in names} == names


@pytest.mark.parametrize("body", [" " * 20_000 + "1", '"' + "x" * 20_000 + '"', "[" + "[]," * 10_000 + "null]"])
def test_a_long_body_that_is_no_object_is_judged_like_any_other(mock, body):
    assert mock.ask("POST", PATH, body=body.encode()).broken == ["body.type"]


def test_documents_without_the_rule_set_no_limit(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, "companions.openapi.yaml", "id: text-too-long", "id: another")
    mock = Caller(contract=Contract.load(folder=folder))
    assert mock.post({**payload(), "external_task_id": "x" * 20_000}).broken == []
