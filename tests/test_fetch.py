import socket
import threading
from contextlib import suppress

import pytest

from kling_contracts.facts.world import File
from kling_contracts.media import silent_audio
from kling_contracts.unknown import Absent, Unknown
from kling_mock_server.outgoing import fetch
from kling_mock_server.outgoing.fetch import fetcher
from support.ports import refusing_port
from support.serving import PATIENCE_S, Mock, file_server, loopback, payload, response

MAX_BYTES = 100_000
# Patient enough for a busy machine, and still far from its end when the time is up.
DRIPS = 200
DRIP_S = 0.02


def fetched(url, policy="loopback", largest=MAX_BYTES):
    return fetcher(policy, largest)(url)


def outcome(result):
    """Return `file`, `unreachable` (does not answer) or `unknown` (may not be fetched)."""
    return {File: "file", Absent: "unreachable", Unknown: "unknown"}[type(result)]


def answering(answer):
    return loopback(lambda connection, _: connection.sendall(answer))


@pytest.fixture
def no_traffic(monkeypatch):
    """Fail the test that looks up a name or opens a connection."""

    # pytest.fail raises what no handler of errors catches.
    def refuse(*arguments, **_):
        pytest.fail(f"there was traffic: {arguments}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("audio_format", ["wav", "mp3", "m4a"])
def test_a_file_is_measured_by_its_bytes(audio_format):
    content = silent_audio.make(audio_format, 2345)
    with file_server(content) as port:
        brand = "M4A " if audio_format == "m4a" else ""
        assert fetched(f"http://127.0.0.1:{port}/a.ogg") == File(audio_format, len(content), 2345, brand=brand)


def test_what_is_no_audio_is_a_file_of_unknown_format():
    with file_server(b"<html>not found</html>") as port:
        assert fetched(f"http://127.0.0.1:{port}/a.mp3") == File("unknown", 22, None, None, brand="")


@pytest.mark.parametrize("forbidden", ["socket", "getaddrinfo"])
def test_a_download_that_another_library_forbids_is_unknown_and_logged(monkeypatch, caplog, forbidden):
    def forbid(*_, **__):
        raise RuntimeError(f"A test tried to use socket.{forbidden}.")

    monkeypatch.setattr(socket, forbidden, forbid)
    found = fetched("http://localhost:9/a.mp3")

    assert type(found) is Unknown
    assert found.reason == f"it was not downloaded: RuntimeError: A test tried to use socket.{forbidden}."
    assert "a download failed" in caplog.text


def test_an_empty_file_is_a_file():
    with file_server(b"") as port:
        assert fetched(f"http://127.0.0.1:{port}/a.mp3") == File("unknown", 0, None, None, brand="")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("/a.wav", "/a.wav"),
        ("/a.wav?x=1&y=%20#part", "/a.wav?x=1&y=%20"),
        ("", "/"),
        ("?x=1", "/?x=1"),
    ],
    ids=["a path", "a query", "nothing", "only a query"],
)
def test_a_url_is_asked_for_as_it_is_written(url, asked):
    lines = []
    with loopback(lambda connection, line: lines.append(line) or connection.sendall(response())) as port:
        fetched(f"http://127.0.0.1:{port}{url}")
    assert lines == [f"GET {asked} HTTP/1.1"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(response(b"no", "404 Not Found"), id="404"),
        pytest.param(response(b"no", "500 Internal Server Error"), id="500"),
        pytest.param(response(silent_audio.wav(2000)[:100], "206 Partial Content"), id="206"),
        pytest.param(
            response(silent_audio.wav(2000)[:-1], length=len(silent_audio.wav(2000))), id="a body that breaks off"
        ),
        pytest.param(
            response(b"ff\r\nabc", headers=["Transfer-Encoding: chunked"], length=""), id="a chunk that breaks off"
        ),
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n", id="a thousand headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", id="an endless header"),
    ],
)
def test_anything_but_a_complete_200_is_unreachable(answer):
    with answering(answer) as port:
        assert outcome(fetched(f"http://127.0.0.1:{port}/a.wav")) == "unreachable"


def test_a_body_of_no_named_length_ends_with_the_connection():
    with answering(response(silent_audio.wav(2000), length="")) as port:
        assert fetched(f"http://127.0.0.1:{port}/a.wav").duration_ms == 2000


def test_a_redirect_is_unreachable_and_not_followed():
    asked = []

    def redirect(connection, line):
        asked.append(line)
        connection.sendall(response(status="302 Found", headers=["Location: /b.wav"]))

    with loopback(redirect) as port:
        assert outcome(fetched(f"http://127.0.0.1:{port}/a.wav")) == "unreachable"
    assert asked == ["GET /a.wav HTTP/1.1"]


def test_a_refused_connection_is_unreachable():
    with refusing_port() as port:
        assert outcome(fetched(f"http://127.0.0.1:{port}/a.wav")) == "unreachable"


def test_https_to_a_server_that_speaks_none_is_unreachable():
    with loopback(lambda connection, _: connection.sendall(response()), at_once=True) as port:
        assert outcome(fetched(f"https://127.0.0.1:{port}/a.wav")) == "unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:0/a.wav",
        "http://127.0.0.1:x/a.wav",
        "http://127.0.0.1:70000/a.wav",
        "http://127.0.0.1:99999999999999999999/a.wav",
        "http://[127.0.0.1/a.wav",
        "http://[::1",
        "http://127.0.0.1:1/a b.wav",
        "http://127.0.0.1:1/\x00",
        "http://127.0.0.1:1/\ud800",
    ],
    ids=repr,
)
def test_a_url_that_leads_nowhere_is_unreachable(url):
    assert outcome(fetched(url)) == "unreachable"


def test_a_path_in_any_script_is_asked_for():
    with file_server(silent_audio.wav(2000)) as port:
        assert outcome(fetched(f"http://127.0.0.1:{port}/会话.wav")) == "file"


class Endless:
    """Sends `head`, then one drip after another until the client hangs up; `noticed` says that it did."""

    def __init__(self, head, drip=b"\0", drips=DRIPS, pause_s=DRIP_S):
        self.head, self.drip, self.drips, self.pause_s = head, drip, drips, pause_s
        self.noticed = threading.Event()
        self._pause = threading.Event()

    def __call__(self, connection, _):
        with suppress(OSError):
            connection.sendall(self.head)
            for _ in range(self.drips):
                self._pause.wait(self.pause_s)
                connection.sendall(self.drip)
            return
        self.noticed.set()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nx: ", id="in its head"),
        pytest.param(response(b"RIFF", length=100_000), id="in its body"),
        pytest.param(response(b"RIFF", length=""), id="in a body of no named length"),
    ],
)
def test_a_server_that_drips_is_cut_off(monkeypatch, head):
    monkeypatch.setattr(fetch, "TIMEOUT_S", 10 * DRIP_S)
    server = Endless(head)
    with loopback(server) as port:
        assert outcome(fetched(f"http://127.0.0.1:{port}/a.wav")) == "unreachable"
        assert server.noticed.wait(PATIENCE_S)


def test_a_server_that_drips_its_handshake_is_cut_off(monkeypatch):
    # The head of a TLS record that is to be 16,384 bytes long.
    server = Endless(b"\x16\x03\x03\x40\x00")
    monkeypatch.setattr(fetch, "TIMEOUT_S", 10 * DRIP_S)
    with loopback(server, at_once=True) as port:
        assert outcome(fetched(f"https://127.0.0.1:{port}/a.wav")) == "unreachable"
        assert server.noticed.wait(PATIENCE_S)


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT_S", DRIP_S)
    done = threading.Event()
    with loopback(lambda *_: done.wait(PATIENCE_S)) as port:
        assert outcome(fetched(f"http://127.0.0.1:{port}/a.wav")) == "unreachable"
        assert not done.is_set()
        done.set()


@pytest.mark.parametrize("length", [10**12, ""], ids=["as named", "of no named length"])
def test_a_file_beyond_the_limit_is_not_read_to_its_end(length):
    server = Endless(response(silent_audio.wav(2000), length=length), bytes(64 * 1024), drips=2000, pause_s=0)
    with loopback(server) as port:
        file = fetched(f"http://127.0.0.1:{port}/a.wav")
        assert server.noticed.wait(PATIENCE_S)
    assert (file.format, file.duration_ms) == ("wav", None)
    assert MAX_BYTES < file.size_bytes < 2 * MAX_BYTES


@pytest.mark.parametrize(
    ("size", "duration_ms"), [(MAX_BYTES, 2000), (MAX_BYTES + 1, None)], ids=["at it", "beyond it"]
)
def test_a_file_is_measured_up_to_the_limit(size, duration_ms):
    with file_server(silent_audio.make("wav", 2000, size)) as port:
        file = fetched(f"http://127.0.0.1:{port}/a.wav")
    assert (file.size_bytes, file.duration_ms) == (size, duration_ms)


def test_without_a_limit_every_file_is_measured():
    with file_server(silent_audio.make("wav", 2000, 10 * MAX_BYTES)) as port:
        assert fetched(f"http://127.0.0.1:{port}/a.wav", largest=None).duration_ms == 2000


def test_no_proxy_is_asked(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with file_server(silent_audio.wav(2000)) as port:
        assert outcome(fetched(f"http://127.0.0.1:{port}/a.wav")) == "file"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "user:pass@127.0.0.1", "evil.example@127.0.0.1"]
)
def test_the_policy_loopback_fetches_from_this_machine(host):
    with file_server(silent_audio.wav(2000)) as port:
        assert outcome(fetched(f"http://{host}:{port}/a.wav")) == "file"


def test_the_policy_loopback_fetches_from_this_machine_over_ipv6():
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    with file_server(silent_audio.wav(2000), "::1") as port:
        assert outcome(fetched(f"http://[::1]:{port}/a.wav")) == "file"


def _has_ipv6():
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


FOREIGN = [
    "http://files.example/a.wav",
    "https://files.example/a.wav",
    "http://127.evil.example/a.wav",
    "http://127.0.0.1.evil.example/a.wav",
    "http://localhost.evil.example/a.wav",
    "http://evillocalhost/a.wav",
    "http://127.0.0.1@evil.example/a.wav",
    "http://localhost:80@evil.example/a.wav",
    "http://127.0.0.1\\@evil.example/a.wav",
    "http://evil.example#@127.0.0.1/a.wav",
    "http://evil.example?@127.0.0.1/a.wav",
    "http://localhost./a.wav",
    "http://0x7f.1/a.wav",
    "http://0x7f000001/a.wav",
    "http://2130706433/a.wav",
    "http://017700000001/a.wav",
    "http://127.1/a.wav",
    "http://0.0.0.0/a.wav",
    "http://[::]/a.wav",
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/a.wav",
    "http:///a.wav",
    "http://:80/a.wav",
]


@pytest.mark.parametrize("url", FOREIGN)
@pytest.mark.usefixtures("no_traffic")
def test_the_policy_loopback_causes_no_traffic_for_any_other_host(url):
    assert outcome(fetched(url)) == "unknown"


@pytest.mark.parametrize("host", ["localhost", "files.localhost"])
def test_the_policy_loopback_trusts_no_name_that_leads_elsewhere(monkeypatch, host):
    called = []
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: elsewhere)
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: called.append(address))
    fetched(f"http://{host}/a.wav")
    assert called == []


@pytest.mark.parametrize("url", [*FOREIGN[:2], "http://127.0.0.1/a.wav", "http://localhost/a.wav"])
@pytest.mark.usefixtures("no_traffic")
def test_the_policy_none_causes_no_traffic_at_all(url):
    assert outcome(fetched(url, "none")) == "unknown"


def test_the_policy_any_fetches_from_any_host(monkeypatch):
    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **options: lookup("127.0.0.1", *rest, **options))
    with file_server(silent_audio.wav(2000)) as port:
        assert outcome(fetched(f"http://files.example:{port}/a.wav", "any")) == "file"
        assert outcome(fetched(f"http://files.example:{port}/a.wav", "loopback")) == "unknown"


def test_an_unknown_policy_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="unknown fetch policy 'all'; there are: loopback, any, none"):
        fetcher("all", None)


def file_payload(url, **changes):
    return payload(audio_id="", sound_file=url, **changes)


def test_the_mock_accepts_a_file_that_it_has_measured():
    with file_server(silent_audio.mp3(5000)) as port:
        answer = Mock().post(file_payload(f"http://127.0.0.1:{port}/a"))
    assert (answer.status, answer.unverified) == (200, [])


def test_the_mock_judges_a_clip_by_the_file_that_it_has_measured():
    with file_server(silent_audio.mp3(4999)) as port:
        answer = Mock().post(file_payload(f"http://127.0.0.1:{port}/a"))
    assert answer.broken == ["clip-past-audio-end"]


def test_the_mock_refuses_a_file_that_it_cannot_reach():
    with answering(response(b"", "404 Not Found")) as port:
        answer = Mock().post(file_payload(f"http://127.0.0.1:{port}/a.mp3"))
    assert answer.broken == ["sound-file-unreachable"]


def test_the_mock_refuses_a_file_that_is_too_large_without_downloading_it_all():
    server = Endless(response(length=10**12), bytes(1024 * 1024), pause_s=0)
    with loopback(server) as port:
        answer = Mock().post(file_payload(f"http://127.0.0.1:{port}/a.mp3"))
        assert server.noticed.wait(PATIENCE_S)
    assert "sound-file-too-large" in answer.broken


@pytest.mark.usefixtures("no_traffic")
def test_the_mock_takes_a_foreign_file_on_trust():
    answer = Mock().post(file_payload("http://files.example/a.mp3"))
    assert answer.status == 200
    assert "sound-file-unreachable" in answer.unverified


@pytest.mark.usefixtures("no_traffic")
def test_a_world_that_lists_files_is_all_there_is():
    mock = Mock()
    mock.put_world(files={})
    assert mock.post(file_payload("http://127.0.0.1/a.mp3")).broken == ["sound-file-unreachable"]
