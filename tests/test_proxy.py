"""The proxy: forwards once, judges on the way, blocks what costs money for nothing, records without secrets."""

import json
import socket
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from kling_contracts import Contract
from kling_mock_server.cli.main import cli
from kling_mock_server.proxy import application
from kling_mock_server.proxy.application import ProxyOptions
from kling_mock_server.proxy.recorder import Recorder
from kling_mock_server.proxy.upstream import Upstream
from support import serving
from support.ports import refusing_port
from support.recorded import encoded, judged, proxied, upstream, wav
from support.serving import PATH, PATIENCE_S, loopback, payload, response
from support.workflow import IDENTIFY


def post(url, body=None, **options):
    headers = {"Authorization": "Bearer sk-very-secret"}
    body = payload() if body is None else body
    return httpx.post(url + PATH, json=body, headers=headers, trust_env=False, timeout=PATIENCE_S, **options)


SHORT = payload(sound_end_time=1999)


@pytest.fixture
def mock():
    with upstream() as (url, handle):
        yield url, handle


def counted(behave):
    """A behaviour of `loopback` that counts the requests that it gets."""
    requests = []

    def counting(connection, line):
        requests.append(line)
        behave(connection)

    return counting, requests


def test_an_answer_comes_through_as_it_is(mock):
    url, _ = mock
    with proxied(url) as proxy:
        direct, through = post(url), post(proxy)
    assert through.status_code == 200
    assert through.json().keys() == direct.json().keys()
    assert through.headers["content-type"] == direct.headers["content-type"]


def test_a_request_that_breaks_the_contract_is_forwarded_and_told(mock):
    url, _ = mock
    said = []
    with proxied(url, said=said) as proxy:
        answer = post(proxy, SHORT)
    assert answer.status_code == 400
    assert "clip-too-short" in answer.headers["X-Contract-Violations"]
    assert said[0].startswith(f"POST {PATH}: forwarded\n  clip-too-short at /face_choose/0/sound_end_time")
    assert "裁剪后音频不得短于2秒" in said[0]


def test_what_breaks_the_contract_is_blocked_and_never_sent():
    behave, requests = counted(lambda connection: connection.sendall(response(b"{}")))
    with loopback(behave) as port, proxied(f"http://127.0.0.1:{port}", options=ProxyOptions(block=True)) as proxy:
        answer = post(proxy, SHORT)
    assert (answer.status_code, answer.json()["code"]) == (400, 1201)
    assert answer.headers["X-Kling-Proxy"] == "blocked"
    assert requests == []


def test_an_allowed_rule_gets_through_the_block(mock):
    url, _ = mock
    allowed = frozenset({"clip-too-short", "face-overlap-too-short"})
    with proxied(url, options=ProxyOptions(True, allowed)) as proxy:
        answer = post(proxy, SHORT)
        blocked = post(proxy, payload(sound_volume=3))
    assert "X-Kling-Proxy" not in answer.headers
    assert answer.json()["code"] == 1201
    assert blocked.headers["X-Kling-Proxy"] == "blocked"


def test_the_recording_holds_no_key_and_no_audio(mock, tmp_path):
    url, _ = mock
    file = tmp_path / "a.har"
    audio = encoded(wav(3000))
    body = {
        **payload(audio_id="", sound_file=audio, sound_end_time=2500),
        "callback_url": "https://x.example/?sig=abc123",
    }
    with proxied(url, file) as proxy:
        post(proxy, body)
    text = file.read_text()
    assert "sk-very-secret" not in text
    assert audio[:40] not in text
    assert "abc123" not in text
    sent = json.loads(json.loads(text)["log"]["entries"][0]["request"]["postData"]["text"])
    redacted = sent["face_choose"][0]["sound_file"]
    assert redacted["redacted"].startswith("sha256:")
    assert (redacted["format"], redacted["duration_ms"]) == ("wav", 3000)


def test_audio_that_was_redacted_is_still_judged(mock, tmp_path):
    url, _ = mock
    file = tmp_path / "a.har"
    with proxied(url, file) as proxy:
        post(proxy, payload(audio_id="", sound_file=encoded(wav(3000)), sound_end_time=3001))
    assert [one.message for one in judged(file).differences] == []


def test_an_upstream_that_is_down_is_a_502_that_says_that_nothing_was_sent():
    said = []
    with refusing_port() as port, proxied(f"http://127.0.0.1:{port}", said=said) as proxy:
        answer = post(proxy)
    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "klingkit_proxy"
    assert "Nothing was sent" in answer.json()["error"]["message"]
    assert "Nothing was sent" in said[-1]


def reset(connection):
    import struct

    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def listen_only(connection):
    """Say nothing until the other side hangs up."""
    while connection.recv(65536):
        pass


@pytest.mark.parametrize(
    ("behave", "status", "patience_s"),
    [
        (reset, 502, PATIENCE_S),
        (lambda connection: connection.sendall(b"rubbish\r\n\r\n"), 502, PATIENCE_S),
        (lambda connection: connection.close(), 502, PATIENCE_S),
        (listen_only, 504, 0.2),
    ],
    ids=["resetting", "rubbish", "hanging up", "silent"],
)
def test_a_post_is_sent_once_whatever_becomes_of_it(behave, status, patience_s, tmp_path):
    counting, requests = counted(behave)
    file = tmp_path / "a.har"
    with loopback(counting) as port, proxied(f"http://127.0.0.1:{port}", file, read_timeout_s=patience_s) as proxy:
        answer = post(proxy)
    assert answer.status_code == status
    assert "may have been carried out" in answer.json()["error"]["message"]
    assert len(requests) == 1
    (entry,) = json.loads(file.read_text())["log"]["entries"]
    assert entry["response"]["status"] == 0
    assert entry["response"]["_error"]


def test_an_answer_that_breaks_off_is_not_taken_for_whole(tmp_path):
    behave, _ = counted(lambda connection: connection.sendall(response(b"x" * 100_000, length=200_000)))
    file = tmp_path / "a.har"
    with loopback(behave) as port, proxied(f"http://127.0.0.1:{port}", file) as proxy, pytest.raises(httpx.HTTPError):
        post(proxy)
    (entry,) = json.loads(file.read_text())["log"]["entries"]
    assert "broke off" in entry["response"]["_error"]


def test_a_redirect_is_handed_on_and_not_followed():
    behave, requests = counted(
        lambda connection: connection.sendall(response(status="302 Found", headers=["Location: http://127.0.0.1:1/"]))
    )
    with loopback(behave) as port, proxied(f"http://127.0.0.1:{port}") as proxy:
        answer = post(proxy, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:1/")
    assert len(requests) == 1


def test_headers_of_one_connection_are_not_handed_on():
    heads = []

    def behave(connection):
        heads.append(connection.recv(65536).decode().lower())
        connection.sendall(response(b"{}", headers=["X-Contract-Violations: theirs", "X-Own: 1"]))

    ending = dict.fromkeys(("te", "trailer", "upgrade", "keep-alive", "proxy-authorization", "expect"), "ended-here")
    with loopback(lambda connection, _: behave(connection), at_once=True) as port:
        upstream = Upstream(f"http://127.0.0.1:{port}")
        answer = upstream.send("GET", "/", {**ending, "x-kept": "kept"}, b"")
        upstream.close()
    assert "ended-here" not in heads[0]
    assert "x-kept: kept" in heads[0]
    assert [name for name, _ in answer.headers] == ["X-Own"]


@pytest.mark.parametrize("size", [10, 11])
def test_of_a_large_answer_nothing_but_its_head_is_recorded(size, tmp_path, monkeypatch):
    monkeypatch.setattr(application, "MAX_RECORDED_BYTES", 10)
    content, file = b'"' + b"x" * (size - 2) + b'"', tmp_path / "a.har"
    with (
        loopback(lambda connection, _: connection.sendall(response(content))) as port,
        proxied(f"http://127.0.0.1:{port}", file) as proxy,
    ):
        assert post(proxy).content == content
    (entry,) = json.loads(file.read_text())["log"]["entries"]
    assert (content.decode() in entry["response"]["content"].get("text", "")) is (size == 10)


def test_a_refusal_teaches_nothing_about_the_account():
    learnt = {"session_id": "1", "face_data": [{"face_id": "2", "start_time": 0, "end_time": 3000}]}
    told = {}
    for status in ("200 OK", "400 Bad Request"):
        envelope = json.dumps({"code": 0, "message": "", "request_id": "1", "data": learnt}).encode()
        answer = response(envelope, status, ["Content-Type: application/json"])
        with loopback(lambda connection, _, answer=answer: connection.sendall(answer)) as port:
            said = []
            with proxied(f"http://127.0.0.1:{port}", said=said) as proxy:
                httpx.post(
                    proxy + IDENTIFY,
                    json={"video_url": "https://example.com/a.mp4"},
                    headers={"Authorization": "Bearer sk-very-secret"},
                    trust_env=False,
                    timeout=PATIENCE_S,
                )
                post(proxy, {**payload(face_id="3"), "session_id": "1"})
            told[status] = "face-unknown" in str(said)
    assert told == {"200 OK": True, "400 Bad Request": False}


def test_a_callback_is_received_recorded_and_not_forwarded(tmp_path):
    behave, requests = counted(lambda connection: connection.sendall(response(b"{}")))
    file = tmp_path / "a.har"
    body = {"task_id": "1", "task_status": "succeed", "created_at": 1, "updated_at": 2}
    with loopback(behave) as port, proxied(f"http://127.0.0.1:{port}", file) as proxy:
        answer = httpx.post(f"{proxy}/_callbacks/mine", json=body, trust_env=False, timeout=PATIENCE_S)
    assert answer.status_code == 200
    assert requests == []
    judgement = judged(file)
    assert judgement.callbacks == 1
    assert "task_info is required" in judgement.differences[-1].message


def test_the_log_is_whole_after_every_exchange(tmp_path):
    file = tmp_path / "a.har"
    recorder = Recorder(str(file))
    assert json.loads(file.read_text())["log"]["entries"] == []
    for number in range(3):
        assert recorder.add({"number": number})
        assert [one["number"] for one in json.loads(file.read_text())["log"]["entries"]] == list(range(number + 1))
    recorder.close()


def test_a_full_disk_ends_the_recording_after_the_last_whole_exchange(tmp_path, monkeypatch):
    file = tmp_path / "a.har"
    recorder = Recorder(str(file))
    assert recorder.add({"number": 0})
    import os

    real, room = os.pwrite, [60]

    def full(descriptor, data, offset):
        if len(data) > 100 and room[0] <= 0:
            raise OSError(28, "No space left on device")
        if len(data) > 100:
            room[0] -= 60
            return real(descriptor, data[:60], offset)
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    assert not recorder.add({"number": 1, "text": "x" * 500})
    assert recorder.failure == "No space left on device"
    assert [one["number"] for one in json.loads(file.read_text())["log"]["entries"]] == [0]
    assert not recorder.add({"number": 2})


def test_the_client_has_its_answer_though_it_cannot_be_recorded(mock, tmp_path, monkeypatch):
    import os

    url, _ = mock
    said = []
    file = tmp_path / "a.har"
    real = os.pwrite

    def full(descriptor, data, offset):
        if len(data) > 100:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    with proxied(url, file, said=said) as proxy:
        post(proxy)
        monkeypatch.setattr(os, "pwrite", full)
        assert [post(proxy).status_code for _ in range(3)] == [200, 200, 200]
        monkeypatch.undo()
    (stopped,) = said
    assert stopped.startswith("recording stopped: No space left on device; 1 whole exchanges are in")
    assert len(json.loads(file.read_text())["log"]["entries"]) == 1


def test_a_recording_is_never_written_over(tmp_path):
    file = tmp_path / "a.har"
    file.write_text("paid for")
    result = CliRunner().invoke(cli, ["proxy", "--to", "http://127.0.0.1:1", "--record", str(file)])
    assert result.exit_code == 2
    assert "is there already, and a recording is never written over" in result.output
    assert file.read_text() == "paid for"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "example.com"], "is not the base URL of a service"),
        (["--to", "https://user:pw@example.com"], "is not the base URL of a service"),
        (["--to", "http://127.0.0.1:1", "--allow", "clip-too-short"], "--allow is for --block"),
        (["--to", "http://127.0.0.1:1", "--block", "--allow", "clip-to-short"], "did you mean clip-too-short?"),
        (["--to", "http://127.0.0.1:1", "--record", "/nowhere/a.har"], "cannot write /nowhere/a.har"),
        ([], "Missing option '--to'"),
    ],
)
def test_misuse_is_told_in_one_sentence(arguments, says):
    result = CliRunner().invoke(cli, ["proxy", *arguments])
    assert result.exit_code == 2
    assert says in result.output


def test_without_its_library_the_proxy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "urllib3", None)
    assert CliRunner().invoke(cli, ["proxy", "--help"]).exit_code == 0
    result = CliRunner().invoke(cli, ["proxy", "--to", "http://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "the proxy needs urllib3: pip install 'klingkit[proxy]'" in result.output


def test_the_command_forwards_records_and_ends_with_0(mock, tmp_path):
    url, _ = mock
    file = tmp_path / "a.har"
    arguments = ("proxy", "--to", url, "--port", "0", "--record", str(file))
    with serving.started(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8") as process:
        line = process.stdout.readline()
        proxy = line.split()[3]
        assert post(proxy).status_code == 200
        process.terminate()
        rest = process.stdout.read()
        assert process.wait(PATIENCE_S) == 0
    assert f"1 exchanges are in {file}" in rest
    assert len(json.loads(file.read_text())["log"]["entries"]) == 1


def test_the_upstream_may_lie_below_a_prefix(mock):
    url, _ = mock
    target = Upstream(f"{url}/gateway/")
    assert target.url("/v1/x") == f"{url}/gateway/v1/x"


def test_a_contract_of_another_profile_judges(mock):
    url, _ = mock
    with proxied(url, contract=Contract.load("upstream")) as proxy:
        answer = post(proxy, payload(sound_volume=1.5))
    assert answer.status_code == 400
    assert "X-Contract-Violations" not in answer.headers
