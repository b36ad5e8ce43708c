"""Secrets come from the command line, the environment or a file; what must not be shown is not shown."""

import subprocess
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from kling_mock_server.cli.main import cli
from kling_mock_server.state.passwords import without_passwords
from kling_mock_server.state.tokens import token_signed
from support.serving import PATIENCE_S, Mock, Served, environment, exchange, payload, raw_request, started

URL = "http://me:pass%20word@127.0.0.1:9/hook"


@contextmanager
def serving(*options, **variables):
    arguments = ("serve", "--port", "0", *options)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    with started(*arguments, env=environment(**variables), **streams) as process:
        yield Served(process)


def status(served, token):
    return int(exchange(served.port, raw_request(method="GET", path="/_mock/limits", token=token)).split()[1])


def test_secret_and_tokens_come_from_the_environment_and_are_not_printed():
    with serving(KLINGKIT_TOKEN="issuer-1 issuer-2", KLINGKIT_SECRET="s3cret") as served:
        served.line("Ctrl-C")
        assert status(served, token_signed("issuer-2", "s3cret")) == 200
        assert status(served, token_signed("issuer-3", "s3cret")) == 401
        assert status(served, "issuer-1") == 401
        assert "$TOKEN" in served.line("curl")
        assert "issuer-1" not in served.output
        assert "s3cret" not in served.output


def test_a_token_comes_from_a_file_and_is_not_printed(tmp_path):
    (tmp_path / "token").write_text("only-me\n", encoding="utf-8")
    with serving("--token", f"@{tmp_path / 'token'}") as served:
        served.line("Ctrl-C")
        assert (status(served, "only-me"), status(served, "another")) == (200, 401)
        assert "only-me" not in served.output


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"", "0 words"), (b"a b", "2 words"), (b"\xff", "not UTF-8")]
)
def test_a_file_without_a_secret_is_misuse(content, said, tmp_path):
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with started("serve", "--secret", f"@{tmp_path / 'secret'}", stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert said in process.communicate(timeout=PATIENCE_S)[1]
        assert process.returncode == 2


@pytest.mark.parametrize("option", ["--secret", "--token", "--webhook-secret"])
def test_an_option_whose_variable_was_never_set_is_misuse(option):
    done = CliRunner().invoke(cli, ["serve", option, ""])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}': it is empty; leave the option out where none is meant" in done.output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:p@h/x", "http://…@h/x"),
        ("https://u@h", "https://…@h"),
        ("see redis://:p@h and http://a:b@c@d/", "see redis://…@h and http://…@d/"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://h?mail=a@b", "http://h?mail=a@b"),
        ("a@b", "a@b"),
        (f"{'a.' * 200_000}//@", f"{'a.' * 200_000}//@"),
    ],
    ids=["both", "user", "twice", "path", "query", "mail", "long"],
)
def test_a_url_is_shown_without_user_and_password(text, shown):
    assert without_passwords({"a": [text]}) == {"a": [shown]}


def test_the_journal_and_the_tasks_show_no_password_of_a_url():
    mock = Mock()
    assert mock.post({**payload(), "callback_url": URL}).status == 200
    for path in ("/_mock/journal", "/_mock/tasks"):
        shown = mock.ask("GET", path).body.decode()
        assert "127.0.0.1:9/hook" in shown
        assert "pass%20word" not in shown
    mock.responder.close()


def test_no_password_of_a_url_is_written_to_a_store(tmp_path):
    mock = Mock(store=f"sqlite:///{tmp_path / 'mock.db'}")
    face = payload(audio_id=None, sound_file=URL)
    assert mock.post(face).status in (200, 400)
    mock.responder.close()
    assert b"pass%20word" not in (tmp_path / "mock.db").read_bytes()
