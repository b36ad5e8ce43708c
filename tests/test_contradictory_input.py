"""What contradicts itself, or was hardly meant, is refused or noted."""

import base64
import json

import pytest
from click.testing import CliRunner

from kling_contracts import World
from kling_contracts.facts.world_notes import MAX_NOTES, world_notes
from kling_contracts.judging.request_rules import notes_on_token
from kling_mock_server.adapters import waitress_server
from kling_mock_server.cli.main import cli
from kling_mock_server.outgoing.hosts import never_matches
from kling_mock_server.outgoing.webhooks import note_on_secret
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


@pytest.mark.parametrize("token", ["None", "undefined", "null", "NaN", "your-api-key", "YOUR_API_KEY", "Bearer"])
def test_a_token_of_a_program_without_a_key_is_let_in_and_noted(token):
    mock = Mock()
    assert mock.post(payload(), token).status == 200
    (entry,) = mock.ask("GET", "/_mock/journal", token=token).data["entries"]
    assert [note["message"] for note in entry["notes"]] == [
        f"the bearer token is {token!r}, which looks like the text of a program that has no key"
    ]


@pytest.mark.parametrize("token", ["key", "nobody", "nullable", "my-key-1", "yours"])
def test_a_token_that_may_be_meant_is_not_noted(token):
    assert notes_on_token(token) == ()


def test_a_scheme_that_is_given_twice_is_named():
    answer = Mock().post(payload(), "Bearer key")
    assert (answer.status, answer.broken) == (401, ["authorization-invalid"])
    assert "the token begins with Bearer once more" in answer.message


# Options of serve.


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("https://example.com/hook", "it is a URL: give its host alone, example.com"),
        ("example.com/hook", "it is a URL: give its host alone, example.com"),
        ("example.com:8000", "it names a port: give the host alone, example.com"),
        ("*example.com", "a * stands alone, or with a dot before a host"),
        ("a.*.example.com", "a * stands alone, or with a dot before a host"),
        ("*.", "a * stands alone, or with a dot before a host"),
        ("", "the name of no host"),
        ("two hosts", "the name of no host"),
    ],
)
def test_a_host_that_can_never_match_is_told_why(host, said):
    assert said in never_matches(host)


@pytest.mark.parametrize(
    "host", ["*", "example.com", "*.example.com", "10.0.0.1", "::1", "[::1]", "my_host", "localhost"]
)
def test_a_host_that_can_match_is_not_noted(host):
    assert never_matches(host) == ""


@pytest.mark.parametrize(("size", "is_noted"), [(2, True), (23, True), (24, False), (64, False), (65, True)])
def test_a_webhook_secret_of_another_size_than_its_standard_asks_for_is_noted(size, is_noted):
    note = note_on_secret("whsec_" + base64.b64encode(b"x" * size).decode())
    assert bool(note) == is_noted
    assert not is_noted or f"holds {size} bytes" in note


def test_serve_prints_what_is_hardly_meant_among_its_options(monkeypatch):
    def listen(*_):
        raise OSError("the port is taken")

    monkeypatch.setattr(waitress_server, "listen", listen)
    odd = ("--allow-callbacks", "http://a.example", "--allow-host", "b.example:80", "--webhook-secret", "whsec_YWI=")
    result = CliRunner().invoke(cli, ["serve", *odd])
    notes = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    assert [note.split()[1] for note in notes] == ["--allow-callbacks", "--allow-host", "a"]
    assert "YWI" not in result.stderr


# Worlds.


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/world", world(sessions={}) | {"now_ms": NOW_MS // 1000}, "this looks like seconds"),
        ("/sessions/1", {"video_ms": 5000, "faces": {"0": [0, 5001]}}, "sessions/1: the face '0' ends at 5001 ms"),
        ("/audios/1", {"duration_ms": 5000, "created_ms": NOW_MS // 1000}, "audios/1: created_ms"),
    ],
)
def test_what_is_put_into_a_world_is_noted_in_the_answer(path, body, said):
    answer = Mock().ask("PUT", f"/_mock{path}", body)
    assert answer.status == 200
    (note,) = answer.json["notes"]
    assert said in note


def test_what_fits_into_a_world_has_no_notes_in_the_answer():
    assert "notes" not in Mock().ask("PUT", "/_mock/world", world()).json


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
