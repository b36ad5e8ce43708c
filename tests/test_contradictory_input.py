"""What contradicts itself, or was hardly meant, is refused or noted."""

import json

import pytest
from click.testing import CliRunner

from kling_contracts import World
from kling_contracts.facts.world_notes import MAX_NOTES, world_notes
from kling_mock_server.cli.main import cli
from support.serving import NOW_MS, SESSION, Mock, payload, world


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("b'eyJhbGciOi'", "the text of a Python bytes object"),
        ("${KEY}", "a placeholder that nothing has filled in"),
        ("<key>", "a placeholder that nothing has filled in"),
        ('"key"', "a quotation mark at character 1"),
        ("key'", "a quotation mark at character 4"),
        ("two words", "a space at character 4"),
        ("key=a", "'=' at character 4"),
        ("schlüssel", r"'\xfc' at character 5"),
        ("key,", "',' at character 4"),
    ],
)
def test_a_token_outside_of_the_alphabet_of_rfc_6750_is_refused_and_told_why(token, said):
    answer = Mock().post(payload(), token)
    assert (answer.status, answer.code, answer.broken) == (401, 1002, ["authorization-invalid"])
    assert said in answer.message


@pytest.mark.parametrize("token", ["key", "a-._~+/b", "key=", "key==", "0", "eyJ.eyJ.abc_-"])
def test_a_token_of_the_alphabet_is_let_in(token):
    assert Mock().post(payload(), token).status == 200


def noted(**changes):
    return world_notes(World.from_json(world(**changes)))


def session(**changes):
    return {SESSION: {**world()["sessions"][SESSION], **changes}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"now_ms": NOW_MS // 1000}, "this looks like seconds"),
        ({"sessions": session(created_ms=NOW_MS // 1000)}, "this looks like seconds"),
        ({"sessions": session(created_ms=NOW_MS + 1)}, "made in the future"),
        ({"audios": {"1": {"duration_ms": 8000, "created_ms": NOW_MS + 1}}}, "audios/1: created_ms"),
        ({"sessions": session(faces={"0": [7000, 2000]})}, "not after its start at 7000 ms"),
        ({"sessions": session(faces={"0": [5, 5]})}, "not after its start at 5 ms"),
        ({"sessions": session(faces={"0": [0, 10_001]})}, "after the video, which lasts 10000 ms"),
        ({"videos": {"v": {"duration_ms": 5000, "faces": {"0": [0, 5001]}}}}, "videos/v: the face '0'"),
    ],
)
def test_a_world_that_contradicts_itself_is_noted(changes, said):
    (note,) = noted(**changes)
    assert said in note


@pytest.mark.parametrize("created_ms", [NOW_MS, NOW_MS - 1])
def test_a_world_that_fits_is_not_noted(created_ms):
    assert noted(sessions=session(created_ms=created_ms, faces={"0": [0, 10_000]})) == ()


def test_notes_are_bounded():
    assert len(noted(sessions=session(faces={str(number): [2, 1] for number in range(100)}))) == MAX_NOTES


def test_check_prints_the_notes(tmp_path):
    path = tmp_path / "world.json"
    path.write_text(json.dumps(world(now_ms=NOW_MS // 1000)))
    (tmp_path / "payload.json").write_text(json.dumps(payload()))
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "payload.json"), "--world", str(path)])
    assert result.exit_code == 0
    assert result.stderr.startswith(f"note: {path}: now_ms ")


def test_a_world_without_a_time_has_no_notes():
    assert world_notes(World.from_json({})) == ()


@pytest.mark.parametrize(("now_ms", "notes"), [(10**8 - 1, 0), (10**8, 1), (10**11 - 1, 1), (10**11, 0)])
def test_a_time_looks_like_seconds_between_two_limits(now_ms, notes):
    assert len(world_notes(World(now_ms=now_ms))) == notes
