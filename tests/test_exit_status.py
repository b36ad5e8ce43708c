"""Exit statuses, the same for every command: 0 good, 1 findings, 2 misuse, 130 interrupted."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kling_contracts.audits import audit
from kling_mock_server.cli import check as check_command
from kling_mock_server.cli import drill as drill_command
from kling_mock_server.cli.main import cli
from kling_mock_server.testing import fuzzing
from support.catalogues import one_contract  # noqa: F401  (a fixture)
from support.serving import documented, payload

pytestmark = pytest.mark.usefixtures("one_contract")

CODE = """
class Validator:
    def check(self, payload):
        return True

    def __call__(self, payload):
        return True

def nothing():
    return True

CALLS = iter(range(1000))

def interrupted(payload):
    if next(CALLS) == 40:
        raise KeyboardInterrupt
    raise TypeError("never right")

def interrupted_builder(session_id, face_id, audio_id, start: int, end: int, at: int):
    interrupted({})

async def validate(payload):
    raise ValueError("nothing is right")

async def build(session_id, face_id, audio_id, start: int, end: int, at: int):
    return {"session_id": session_id, "face_choose": [{"face_id": face_id, "audio_id": audio_id,
        "sound_start_time": start, "sound_end_time": end, "sound_insert_time": at, "sound_volume": 1,
        "original_audio_volume": 1}]}
"""


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Return what runs the command in an empty folder with the module `given`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "given.py").write_text(CODE)
    monkeypatch.delitem(__import__("sys").modules, "given", raising=False)
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_interrupted_command_ends_with_130(ran, monkeypatch):
    monkeypatch.setattr(check_command, "files_of", interrupt)
    result = ran("check", "payload.json")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_an_interrupted_run_against_a_server_shows_what_was_found_and_ends_with_130(ran, monkeypatch):
    monkeypatch.setattr(fuzzing.Target, "reach", lambda self: None)
    monkeypatch.setattr(fuzzing.Target, "has_control", lambda self: False)
    monkeypatch.setattr(fuzzing.Target, "ask", interrupt)
    result = ran("fuzz", "http://127.0.0.1:9")
    assert result.exit_code == 130
    assert "stopped early: interrupted" in result.stdout


def test_an_interrupted_drill_shows_the_verdicts_that_there_are_and_ends_with_130(ran, monkeypatch):
    run = drill_command._run
    monkeypatch.setattr(
        drill_command, "_run", lambda *given: run(*given) if given[-1].name == "(no fault)" else interrupt()
    )
    client = f"{sys.executable} {Path(__file__).parent / 'examples' / 'careless_client.py'}"

    result = ran("drill", client, "--scenario", "rate-limited", "--report", "drill.json")

    assert (result.exit_code, result.stderr) == (130, "interrupted\n")
    assert result.stdout.splitlines()[-1] == "1 run, 1 BAD; stopped early: interrupted"
    assert "stopped early" in json.loads(Path("drill.json").read_text())["summary"]


@pytest.mark.parametrize("name", ["interrupted", "interrupted_builder"])
def test_an_interrupted_run_against_a_callable_shows_what_was_found_and_ends_with_130(ran, name):
    result = ran("fuzz", f"given:{name}")
    assert result.exit_code == 130
    assert "stopped early: interrupted" in result.stdout
    assert f"given:{name}: 40 cases, " in result.stdout


def test_an_interrupted_audit_ends_the_run_of_a_test_suite(ran):
    def interrupted(payload):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(interrupted, contract=documented())


def test_an_asynchronous_validator_is_awaited(ran):
    result = ran("fuzz", "given:validate", "-n", "0")
    assert result.exit_code == 1
    assert "nothing is right" in result.stdout


def test_an_asynchronous_builder_is_awaited(ran):
    result = ran("fuzz", "given:build", "-n", "0")
    assert result.exit_code in (0, 1)
    assert "built no payload" not in result.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("given:nothing", "takes no parameter"),
        ("given:Validator", "is a class"),
        ("given:Validator.check", "is a method without its instance"),
    ],
)
def test_a_callable_that_takes_no_payload_is_misuse(ran, name, said):
    result = ran("fuzz", name)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_report_into_a_folder_that_does_not_exist_is_refused_before_the_run(ran):
    result = ran("fuzz", "given:validate", "--report", "missing/report.json")
    assert result.exit_code == 2
    assert "cannot write missing/report.json: No such file or directory" in result.stderr


def test_one_missing_file_of_many_does_not_end_a_check(ran, tmp_path):
    (tmp_path / "good.json").write_text(json.dumps(payload()))
    result = ran("check", "missing.json", "good.json")
    assert result.exit_code == 2
    assert "missing.json: not read: No such file or directory" in result.stdout
    assert "good.json: no violation" in result.stdout
