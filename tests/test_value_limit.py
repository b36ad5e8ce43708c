"""The number of values in a body: bounded, since an array of nothing takes many times its bytes."""

import json

import pytest

from kling_contracts import Contract
from kling_mock_server.core.control_api import MAX_YAML_BYTES
from kling_mock_server.core.value_limit import MAX_CONTROL_VALUES, TOO_MANY_VALUES
from support.contract_folder import changed, copy_of_documents
from support.serving import PATH, payload
from support.workflow import IDENTIFY, TTS, Caller

LIMIT = 100_000


@pytest.fixture(scope="module")
def mock():
    return Caller(pace="manual", fetch="none")


def values(count):
    """Return an array of so many values as JSON."""
    return b"[" + b"1," * (count - 1) + b"1]"


@pytest.mark.parametrize("path", [PATH, IDENTIFY, TTS])
def test_one_value_past_the_limit_is_refused_and_the_limit_itself_is_judged(mock, path):
    assert mock.ask("POST", path, values(LIMIT)).broken == ["body.type"]
    answer = mock.ask("POST", path, values(LIMIT + 1))
    assert (answer.status, answer.code, answer.broken) == (400, 1201, [TOO_MANY_VALUES])
    assert f"at most {LIMIT}" in answer.message


def test_commas_of_a_text_are_counted_too(mock):
    body = json.dumps({**payload(), "note": "," * LIMIT}).encode()
    assert mock.ask("POST", PATH, body).broken == [TOO_MANY_VALUES]


def test_a_long_body_of_few_values_is_judged(mock):
    assert mock.post({**payload(), "note": "x" * 5_000_000}).broken == []


def test_the_refusal_stands_in_the_journal_and_its_rule_is_explained(mock):
    answer = mock.ask("POST", PATH, values(LIMIT + 1))
    entry = mock.journal()["entries"][-1]
    assert entry["response"]["request_id"] == answer.json["request_id"]
    assert [one["rule"] for one in entry["violations"]] == [TOO_MANY_VALUES]
    assert mock.control("GET", f"/rules/{TOO_MANY_VALUES}")["source"] == "mock"


def test_an_edit_of_the_documents_moves_the_limit(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, "companions.openapi.yaml", f"values: {LIMIT}", "values: 100")
    mock = Caller(contract=Contract.load(folder=folder))
    assert [mock.ask("POST", PATH, values(n)).broken for n in (100, 101)] == [["body.type"], [TOO_MANY_VALUES]]


def test_documents_without_the_rule_set_no_limit(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, "companions.openapi.yaml", f"id: {TOO_MANY_VALUES}", "id: another")
    mock = Caller(contract=Contract.load(folder=folder))
    assert mock.ask("POST", PATH, values(LIMIT + 1)).broken == ["body.type"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "world"), ("POST", "check"), ("POST", "inbox/a")])
def test_a_call_of_the_control_surface_may_hold_more_but_not_any_number(mock, method, path):
    past = mock.ask(method, f"/_mock/{path}", values(MAX_CONTROL_VALUES + 1))
    assert (past.status, past.code) == (400, 1200)
    assert f"more than {MAX_CONTROL_VALUES} values" in past.message
    assert "values" not in mock.ask(method, f"/_mock/{path}", values(LIMIT + 1)).message


def test_a_scenario_past_its_bytes_is_refused_unread(mock):
    body = b'{"name": "rate-limited"}'
    assert mock.ask("PUT", "/_mock/scenario", body.ljust(MAX_YAML_BYTES)).status == 200
    assert f"at most {MAX_YAML_BYTES}" in mock.ask("PUT", "/_mock/scenario", body.ljust(MAX_YAML_BYTES + 1)).message
