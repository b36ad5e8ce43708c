"""Scenarios as people give them: in a file, as YAML, by a header of one call."""

import json

import httpx
import pytest
from click.testing import CliRunner

from kling_mock_server import create_app
from kling_mock_server.adapters.exchange_log import TextLog
from kling_mock_server.cli.main import cli
from kling_mock_server.failures.scenarios import given, given_one, library, named
from support.serving import PATH, PATIENCE_S, Mock, new_app, payload, running

EVENING = """
name: busy-evening
about: The first creation is refused.
steps:
  - {call: create, refuse: 1302, headers: {Retry-After: 7}}
"""
TWO = """
scenarios:
  - {name: a, about: The first., steps: [{call: query, refuse: 5000}]}
  - {name: b, about: The second., steps: [{call: query, refuse: 5001}]}
"""
ASK = "X-Mock-Scenario"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evening.yaml").write_text(EVENING)
    (tmp_path / "two.yaml").write_text(TWO)
    (tmp_path / "wrong.json").write_text('{"name": "wrong", "about": "x", "steps": [{"call": "creates"}]}')
    return tmp_path


def ran(*arguments):
    return CliRunner().invoke(cli, arguments)


def test_serve_plays_the_scenario_of_a_file(folder):
    with running("--scenario", "evening.yaml") as served:
        headers = {"Authorization": "Bearer key"}
        answers = [
            httpx.post(served.url + PATH, json=payload(), headers=headers, trust_env=False, timeout=PATIENCE_S)
            for _ in range(2)
        ]
    assert [answer.status_code for answer in answers] == [429, 200]
    assert answers[0].headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("missing.yaml", "cannot read missing.yaml: No such file"),
        ("two.yaml", "two.yaml must hold one scenario; it holds a, b"),
        ("wrong.json", "wrong.json holds no scenario:\n/steps/0/call: "),
        ("rate-limitd", "there is no scenario 'rate-limitd'; did you mean rate-limited"),
        (".", "there is no scenario '.'"),
    ],
)
def test_what_serve_cannot_play_is_misuse(folder, file, said):
    result = ran("serve", "--port", "0", "--scenario", file)
    assert result.exit_code == 2
    assert said in result.stderr


def test_drill_runs_every_scenario_of_a_file(folder):
    result = ran("drill", "true", "--scenario", "wrong.json")
    assert result.exit_code == 2
    assert "wrong.json holds no scenario" in result.stderr
    assert [one.name for one in given("two.yaml")] == ["a", "b"]


def test_a_name_that_comes_with_the_mock_is_no_file(folder):
    (folder / "flaky").write_text(EVENING)
    assert given_one("flaky") == named("flaky")


def test_a_record_is_played_for_every_account(folder):
    mock = Mock(create_app(scenario=given_one("evening.yaml")).responder)
    assert [mock.post(payload(), token).status for token in "ab"] == [429, 429]


@pytest.mark.parametrize("body", [EVENING, "name: rate-limited", "{name: rate-limited}", '{"name": "rate-limited"}'])
def test_the_control_surface_takes_yaml(body):
    mock = Mock()
    mock.control("PUT", "/scenario", body.encode())
    assert mock.post(payload()).status == 429


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"name: a\nname: b", "the body: "),
        (b"- 1", "the body: not a YAML object"),
        (b"name: &a [*a]", "the body"),
        (b"a: " + b"[" * 10_000, "the body"),
        (b'{"name": ', "the body is not JSON"),
        (b"", "the body is not JSON"),
        (b"name: evening\nabout: x\nsteps: [{call: creates}]", "/steps/0/call"),
    ],
)
def test_what_is_neither_is_refused_and_changes_nothing(body, said):
    mock = Mock()
    mock.control("PUT", "/scenario", {"name": "rate-limited"})
    answer = mock.ask("PUT", "/_mock/scenario", body)
    assert (answer.status, said in answer.message) == (400, True), answer.message
    assert mock.control("GET", "/scenario")["scenario"]["name"] == "rate-limited"


def test_one_call_asks_for_a_failure_and_the_others_are_well():
    mock = Mock()
    asked = mock.post(payload(), **{ASK.lower(): "rate-limited-retry-after"})
    assert (asked.status, asked.code, asked.headers["Retry-After"]) == (429, 1302, "1")
    assert mock.post(payload()).status == 200
    faults = [entry["scenario"] for entry in mock.control("GET", "/journal")["entries"]]
    assert faults == ["rate-limited-retry-after", ""]


def test_a_call_that_asks_leaves_the_scenario_of_the_account_where_it_is():
    mock = Mock()
    mock.control("PUT", "/scenario", {"name": "internal-error"})
    asked = mock.post(payload(), **{ASK.lower(): "rate-limited"})
    assert [asked.code, mock.post(payload()).code, mock.post(payload()).code] == [1302, 5000, 0]


def test_a_step_that_skips_calls_takes_the_one_that_asks_for_it():
    mock = Mock()
    task = mock.post(payload()).data["task_id"]
    assert mock.ask("GET", f"{PATH}/{task}", **{ASK.lower(): "token-expired-while-polling"}).code == 1004
    assert mock.ask("GET", f"{PATH}/{task}").code == 0


def test_every_call_of_every_scenario_can_be_asked_for():
    mock = Mock()
    for scenario in library().values():
        for step in scenario.steps:
            found = mock.responder._scenarios.step_asked_for(scenario.name, step.call)
            assert found.step.call == step.call


def test_a_download_can_be_asked_to_fail():
    mock = Mock(pace="manual")
    mock.post(payload())
    mock.advance(600_000)
    (task,) = mock.control("GET", "/tasks")
    url = json.dumps(task).partition("/_mock/files/")[2].partition('"')[0]
    answer = mock.ask("GET", f"/_mock/files/{url}", token="", **{ASK.lower(): "download-expired"})
    assert answer.status == 403


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("rate-limitd", "X-Mock-Scenario: there is no scenario 'rate-limitd'; did you mean rate-limited"),
        ("", "X-Mock-Scenario: there is no scenario ''"),
        ("stuck-taks", "did you mean stuck-task"),
        ("internal-error-while-polling", "has no step for create; it has some for query"),
    ],
)
def test_a_call_that_asks_for_what_there_is_not_is_refused_and_not_carried_out(asked, said):
    mock = Mock()
    answer = mock.post(payload(external_task_id=None), **{ASK.lower(): asked})
    assert (answer.status, said in answer.message) == (400, True), answer.message
    assert mock.control("GET", "/tasks") == []


def test_a_call_that_asks_for_what_there_is_not_is_journalled_and_printed(capsys):
    mock = Mock()
    mock.responder.watch = TextLog().see
    answer = mock.post(payload(), **{ASK.lower(): "rate-limitd"})
    (entry,) = mock.control("GET", "/journal")["entries"]
    told = entry["response"]
    assert (told["status"], told["code"], told["message"]) == (400, answer.code, answer.message)
    assert told["request_id"] == answer.json["request_id"]
    assert [one["rule"] for one in entry["violations"]] == ["control-call"]
    assert "did you mean rate-limited" in capsys.readouterr().out


def test_a_page_may_send_the_header():
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ASK}
    answer = new_app().test_client().options(PATH, headers={"Origin": "http://localhost", **asking})
    assert answer.headers["Access-Control-Allow-Headers"] == ASK
