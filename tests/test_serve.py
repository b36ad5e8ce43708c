import base64
import contextlib
import itertools
import json
import select
import shlex
import shutil
import signal
import socket
import subprocess
import threading

import httpx
import pytest

from kling_contracts.media import silent_audio
from support.serving import (
    COMMAND,
    PATH,
    PATIENCE_S,
    SHORT_PATH,
    connect,
    environment,
    exchange,
    loopback,
    payload,
    raw_request,
    received,
    response,
    running,
    started,
)

BODY = json.dumps(payload()).encode()


@pytest.fixture(scope="module")
def server():
    with running() as served:
        yield served


@pytest.fixture
def client(server):
    with client_of(server.url) as client:
        yield client


def client_of(url, **options):
    return httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S, **options)


def post(client, body=BODY, token="key", path=PATH):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return client.post(path, content=body, headers=headers)


def status_of(answer):
    """Return the status of raw bytes, None where the server hung up without a word."""
    return int(answer.split()[1]) if answer else None


def envelope_of(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def first_broken(answer):
    return answer.headers["X-Contract-Violations"].split(", ")[0]


@pytest.mark.parametrize("path", [PATH, SHORT_PATH])
def test_the_vendors_own_example_is_accepted(client, path):
    answer = post(client, path=path)
    assert (answer.status_code, answer.json()["code"]) == (200, 0)


def test_a_refusal_leaves_the_connection_usable(server):
    with client_of(server.url, limits=httpx.Limits(max_connections=1)) as client:
        ports = set()
        for body in (b"{", BODY, b"x" * 10_000_000, BODY):
            answer = post(client, body)
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr")[1])
        assert answer.status_code == 200
        assert len(ports) == 1


def test_a_body_of_64_megabytes_is_refused_in_the_envelope(server):
    with connect(server.port) as connection:
        connection.sendall(raw_request(length=64_000_000))
        piece = bytes(1_000_000)
        for _ in range(64):
            connection.sendall(piece)
        answer = received(connection)
    assert status_of(answer) == 413
    assert envelope_of(answer)["code"] == 1200


def chunked(*pieces, end=b"0\r\n\r\n"):
    head = raw_request(headers=[b"Transfer-Encoding: chunked"]).replace(b"Content-Length: 0\r\n", b"")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        pytest.param(raw_request(BODY, length="abc"), {400}, id="a length in words"),
        pytest.param(raw_request(BODY, length=-1), {400}, id="a negative length"),
        pytest.param(raw_request(BODY, length="1e3"), {400}, id="a length as a float"),
        pytest.param(raw_request(BODY, length="5" * 5000), {400, 413, None}, id="a length of 5,000 digits"),
        pytest.param(raw_request(BODY, headers=[b"Content-Length: 5"]), {400}, id="two lengths"),
        pytest.param(raw_request(BODY, length=len(BODY) - 1), {400}, id="a length that is too short"),
        pytest.param(raw_request(BODY, length=""), {400}, id="an empty length"),
        pytest.param(chunked(b"", BODY), {400}, id="chunks that end before the body"),
        pytest.param(chunked(BODY, end=b"xyz\r\n\r\n"), {400}, id="a chunk whose size is none"),
        pytest.param(raw_request(BODY, headers=[b"Transfer-Encoding: gzip"]), {501}, id="an unknown encoding"),
        pytest.param(raw_request(BODY, headers=[b"x: " + b"y" * 300_000]), {431, None}, id="a header of 300 kB"),
        pytest.param(raw_request(BODY, headers=[b"no colon"]), {400}, id="a header that is none"),
        pytest.param(raw_request(BODY, headers=[b": x"]), {400}, id="a header without a name"),
        pytest.param(raw_request(BODY, headers=[b"x: \xff\xfe"]), {200}, id="a header that is not UTF-8"),
        pytest.param(raw_request(BODY, path="/\xff\xfe"), {400}, id="a path that is not UTF-8"),
        pytest.param(raw_request(BODY, path="/%ff%fe"), {404}, id="a path that is not UTF-8, percent-encoded"),
        pytest.param(raw_request(BODY, path="/" + "a" * 100_000), {404}, id="a path of 100 kB"),
        pytest.param(raw_request(BODY, path="/a b"), {400}, id="a path with a space"),
        pytest.param(raw_request(BODY, path="/%zz%"), {404}, id="a path that is not percent-encoded"),
        pytest.param(raw_request(BODY, path="//x" + PATH), {404}, id="a path with two slashes"),
        pytest.param(raw_request(BODY, path="http://kling.example" + PATH), {200}, id="a path with a host"),
        pytest.param(raw_request(BODY, path="*"), {404}, id="a star as the path"),
        pytest.param(raw_request(BODY, method="BREW"), {404}, id="an unknown method"),
        pytest.param(raw_request(method="OPTIONS"), {404}, id="OPTIONS"),
        pytest.param(raw_request(method="HEAD"), {404}, id="HEAD"),
        pytest.param(raw_request(method="TRACE"), {404}, id="TRACE"),
        pytest.param(raw_request(BODY, method="post"), {400}, id="a method in small letters"),
        pytest.param(raw_request(b""), {400}, id="no body"),
        pytest.param(chunked(BODY[:10], BODY[10:]), {200}, id="chunks"),
        pytest.param(raw_request(BODY, headers=[b"Expect: 100-continue"]), {100}, id="an expectation"),
        pytest.param(b"\r\n\r\n" + raw_request(BODY), {200}, id="empty lines first"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", {400, 404, 505, None}, id="another version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400, None}, id="TLS"),
        pytest.param(b"\x00" * 1000 + b"\r\n\r\n", {400, None}, id="zeros"),
    ],
)
def test_a_strange_request_is_answered_or_hung_up_on(server, client, request_, statuses):
    assert status_of(exchange(server.port, request_)) in statuses
    assert post(client).status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(raw_request(BODY, length=len(BODY) + 1), id="a body that ends early"),
        pytest.param(chunked(BODY, end=b""), id="chunks that end early"),
        pytest.param(raw_request(BODY)[:50], id="a head that ends early"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_client_that_leaves_early_is_hung_up_on(server, client, request_):
    assert exchange(server.port, request_, half_close=True) == b""
    assert post(client).status_code == 200


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        pytest.param(raw_request(BODY)[:-10], BODY[-10:], id="half a body"),
        pytest.param(raw_request(BODY)[:60], raw_request(BODY)[60:], id="half a head"),
    ],
)
def test_a_healthy_client_does_not_wait_for_twenty_slow_ones(server, client, head, rest):
    slow = [connect(server.port) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(head)
        assert post(client).status_code == 200
        # They are all still there: none was answered, none was hung up on.
        assert select.select(slow, [], [], 0)[0] == []
        for connection in slow:
            connection.sendall(rest)
        assert [status_of(received(connection)) for connection in slow] == [200] * 20
    finally:
        for connection in slow:
            connection.close()


def test_a_client_that_never_reads_disturbs_no_other(server, client):
    with connect(server.port) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        one = b"GET /_mock/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        deaf.sendall(one * 50)
        assert post(client).status_code == 200


def test_many_clients_at_once_are_all_answered(server):
    statuses = []

    def call(number):
        statuses.append(status_of(exchange(server.port, raw_request(BODY, token=f"key-{number}"))))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40


def test_the_welcome_shows_a_command_that_creates_a_task(server):
    line = server.line("curl ")
    assert _task_of(line)["task_status"] == "submitted"


def _task_of(line):
    if shutil.which("curl"):
        done = subprocess.run(
            ["sh", "-c", line], capture_output=True, env=environment(), timeout=PATIENCE_S, check=True
        )
        return json.loads(done.stdout.partition(b"\r\n\r\n")[2])["data"]
    words = shlex.split(line)
    (url,) = [word for word in words if word.startswith("http://")]
    options = [(name, value) for name, value in itertools.pairwise(words) if name in ("-H", "-d")]
    headers = dict(value.split(": ", 1) for name, value in options if name == "-H")
    (body,) = [value for name, value in options if name == "-d"]
    return httpx.post(url, content=body, headers=headers, trust_env=False, timeout=PATIENCE_S).json()["data"]


def test_the_welcome_names_pages_that_there_are(server, client):
    for part in ("/_mock/rules", "/_mock/journal"):
        (url,) = [word for word in server.line(part).split() if word.endswith(part)]
        assert client.get(url).status_code == 200


def test_the_welcome_names_the_profile(server):
    assert "(profile: documented)" in server.line(" at http://")


def test_the_log_shows_what_was_accepted(server, client):
    post(client, json.dumps(payload(sound_starttime=1)).encode())
    assert server.line(f"POST {PATH} -> 200 / 0 SUCCEED")
    assert server.line("did you mean sound_start_time?")


def test_the_log_shows_rule_and_sentence_of_what_was_refused(server, client):
    post(client, json.dumps(payload(sound_end_time=1999)).encode())
    assert server.line("-> 400 / 1201 The cropped audio must last at least 2000 ms")
    assert server.line("clip-too-short at /face_choose/0/sound_end_time")
    assert server.line("裁剪后音频不得短于2秒")
    assert server.line("at least 2000")


def test_the_log_shows_no_token_and_no_audio(server, client):
    audio = base64.b64encode(silent_audio.mp3(1999)).decode()
    post(client, json.dumps(payload(audio_id="", sound_file=audio)).encode(), token="sk-nobody-may-read-this")
    assert server.line("audio-too-short")
    assert "sk-nobody" not in server.output
    assert audio[:100] not in server.output


def test_the_log_cannot_be_forged_by_a_path(server, client):
    client.get("/x%0aPOST /forged -> 200%1b[2J")
    line = server.line("forged")
    assert not line.startswith("POST /forged")
    assert "\x1b" not in line


def in_flight(served, send_signal):
    """Signal the server while it is downloading a file for a request; returns what that request was answered."""
    arrived, go_on = threading.Event(), threading.Event()

    def slow(connection, _):
        arrived.set()
        go_on.wait(PATIENCE_S)
        connection.sendall(response(silent_audio.wav(5000)))

    with loopback(slow) as port, connect(served.port) as connection:
        body = json.dumps(payload(audio_id="", sound_file=f"http://127.0.0.1:{port}/a.wav")).encode()
        connection.sendall(raw_request(body))
        assert arrived.wait(PATIENCE_S)
        served.process.send_signal(send_signal)
        # A signal takes its time; once it is heeded, nobody else is answered any more.
        while _answers(served.port):
            pass
        go_on.set()
        return received(connection)


def _answers(port):
    with connect(port) as connection:
        connection.sendall(raw_request(method="GET", path="/_mock/health"))
        return bool(select.select([connection], [], [], 0.3)[0]) and received(connection) != b""


@pytest.mark.parametrize("send_signal", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_the_server_once_what_is_in_flight_is_answered(send_signal):
    with running() as served:
        answer = in_flight(served, send_signal)
        assert status_of(answer) == 200
        assert envelope_of(answer)["message"] == "SUCCEED"
        assert served.ended() == 0
        assert "Traceback" not in served.output
        assert served.output.endswith("stopped")


def test_a_reader_of_the_log_that_goes_away_disturbs_no_request():
    with started("serve", "--port", "0", stdout=subprocess.PIPE, encoding="utf-8") as process:
        url = process.stdout.readline().partition(" at ")[2].split()[0]
        for line in process.stdout:
            if line.endswith("Stop it with Ctrl-C.\n"):
                break
        process.stdout.readline()
        process.stdout.close()
        with client_of(url) as client:
            assert [post(client).status_code for _ in range(2)] == [200, 200]


def serve(*options):
    """Run `klingkit serve` where it cannot serve."""
    arguments = [*COMMAND, "serve", *options]
    return subprocess.run(arguments, capture_output=True, text=True, env=environment(), timeout=PATIENCE_S, check=False)


def test_a_port_in_use_is_one_line_that_says_what_to_do(server):
    done = serve("--port", str(server.port))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"127.0.0.1:{server.port}" in line
    assert "--port 0" in line


# The one is no address of this machine; the other cannot even be looked up.
@pytest.mark.parametrize("host", ["192.0.2.1", "x" * 64])
def test_a_host_that_is_not_ours_is_one_line_that_names_it(host):
    done = serve("--port", "0", "--host", host)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert host in line


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as one:
        one.bind(("::1", 0))
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", pytest.param("::", marks=needs_ipv6)])
def test_the_printed_address_can_be_reached(host):
    with running("--host", host) as served, client_of(served.url) as client:
        assert client.get("/_mock/health").status_code == 200


def test_the_options_of_the_command_reach_the_mock():
    options = ("--profile", "upstream", "--token", "friend", "--audio-slack-ms", "50", "--fetch", "none")
    with running(*options) as served, client_of(served.url) as client:
        assert "(profile: upstream)" in served.line(" at http://")
        assert post(client).status_code == 401
        body = payload(sound_volume=None, sound_start_time=3000, sound_end_time=8000)
        answer = post(client, json.dumps(body).encode(), token="friend")
        assert answer.headers["X-Contract-Violations"] == "clip-past-audio-end"
        unfetched = payload(audio_id="", sound_file="http://127.0.0.1:1/a.wav")
        answer = post(client, json.dumps(unfetched).encode(), token="friend")
        assert "sound-file-unreachable" in answer.headers["X-Contract-Unverified"]
