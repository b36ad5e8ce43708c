import base64
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from kling_mock_server.outgoing.webhooks import (
    MAX_ANSWER_BYTES,
    Attempt,
    Targets,
    key_of,
    note_on_secret,
    post,
    signature_headers,
)
from support.ports import refusing_port
from support.serving import PATIENCE_S, in_thread, loopback, response

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
OTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQsIGZvciBhIGNoYW5nZQ=="
# The message that the vendor signs in its documentation.
SENT_AT_S = 1781080794
BODY = b'{"id":"1234567890","status":"succeeded","message":"","create_time":1781080778802,"update_time":1781080794151}'
SIGNATURE = "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4="

OK = response()

# For a receiver that is given up, however far it got by then.
SHORT_S = 0.2


def test_the_example_of_the_vendor_is_signed_as_it_says():
    assert signature_headers((SECRET,), "9876543210", SENT_AT_S, BODY) == {
        "webhook-id": "9876543210",
        "webhook-timestamp": "1781080794",
        "webhook-signature": SIGNATURE,
    }


def test_without_a_secret_there_are_no_headers():
    assert signature_headers((), "1", SENT_AT_S, BODY) == {}


def test_the_prefix_of_a_secret_may_be_left_out():
    bare = SECRET.removeprefix("whsec_")
    assert signature_headers((bare,), "9876543210", SENT_AT_S, BODY)["webhook-signature"] == SIGNATURE


def test_several_secrets_give_several_signatures_in_their_order():
    both = signature_headers((SECRET, OTHER_SECRET), "1", SENT_AT_S, BODY)["webhook-signature"]
    alone = [signature_headers((one,), "1", SENT_AT_S, BODY)["webhook-signature"] for one in (SECRET, OTHER_SECRET)]
    assert both.split(" ") == alone
    assert alone[0] != alone[1]


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET], ids=["the old secret", "the new secret"])
def test_a_receiver_verifies_with_either_secret(secret):
    headers = signature_headers((SECRET, OTHER_SECRET), "1", int(time.time()), BODY)
    assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)


@given(
    key=st.binary(min_size=1, max_size=80),
    message_id=st.text("abcdef0123456789-_", min_size=1),
    timestamp_s=st.integers(0, 4_000_000_000),
    text=st.text(),
)
def test_any_text_is_signed_as_standardwebhooks_does(key, message_id, timestamp_s, text):
    secret = "whsec_" + base64.b64encode(key).decode()
    theirs = Webhook(secret).sign(message_id, datetime.fromtimestamp(timestamp_s, UTC), text)
    ours = signature_headers((secret,), message_id, timestamp_s, text.encode())
    assert ours["webhook-signature"] == theirs


def test_bytes_that_are_no_text_are_signed():
    # The expected signature is openssl's: standardwebhooks signs text alone.
    headers = signature_headers((SECRET,), "9876543210", SENT_AT_S, b"\xff\x00\xe5\xa3")
    assert headers["webhook-signature"] == "v1,ZlCYD9/UbFwDxZA9hQZ05q4kE9eFPfc+jfW9uIjFjLM="


@pytest.mark.parametrize("secret", ["whsec_YWI=", "YWI=", "YWI", "whsec_YWI"])
def test_the_padding_of_a_secret_may_be_left_out(secret):
    assert key_of(secret) == b"ab"


@pytest.mark.parametrize("secret", ["", "whsec_", "=", "hunter2 hunter2", "hunter2-_", "声", "hunter2hunter2\n", "a"])
def test_a_secret_that_is_not_base64_is_refused_without_quoting_it(secret):
    with pytest.raises(ValueError, match="the webhook secret is not Base64: give it as it was issued") as refused:
        signature_headers((SECRET, secret), "1", SENT_AT_S, BODY)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(("size", "is_odd"), [(23, True), (24, False), (64, False), (65, True)])
def test_a_key_of_an_odd_size_is_noted_with_what_the_specification_asks_for(size, is_odd):
    note = note_on_secret("whsec_" + base64.b64encode(bytes(size)).decode())
    assert ("Standard Webhooks asks for 24 to 64" in note) is is_odd


@pytest.fixture
def no_traffic(monkeypatch):
    """Fail the test that looks up a name."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **_: pytest.fail(f"there was traffic: {arguments}"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "https://127.0.0.1:8443/callback?x=1",
        "http://127.9.9.9/",
        "http://[::1]:9000/",
        "http://localhost:9000/",
        "HTTP://LOCALHOST/",
    ],
)
def test_this_machine_is_always_a_target(url):
    assert Targets().refusal(url) == ""
    assert Targets(("example.com",)).refusal(url) == ""


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1", "169.254.169.254", "0.0.0.0", "localhost.example.com"])
@pytest.mark.usefixtures("no_traffic")
def test_any_other_host_is_refused_with_what_allows_it(host):
    refusal = f"callbacks to {host} are not allowed: start the mock with --allow-callbacks {host}"
    assert Targets().refusal(f"https://{host}/callback") == refusal


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("example.com", "example.com"),
        ("example.com", "EXAMPLE.com:8443"),
        ("Example.COM", "example.com"),
        ("*.example.com", "hooks.example.com"),
        ("*.example.com", "a.b.example.com"),
        ("*", "example.com"),
        ("*", "[2001:db8::1]:80"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]:80"),
    ],
)
@pytest.mark.usefixtures("no_traffic")
def test_an_allowed_host_is_a_target(allowed, host):
    assert Targets(("other.example", allowed)).refusal(f"https://{host}/callback") == ""


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("example.com", "hooks.example.com"),
        ("example.com", "example.com.evil.example"),
        ("*.example.com", "example.com"),
        ("*.example.com", "evilexample.com"),
        ("*.example.com", "hooks.example.com.evil.example"),
    ],
)
@pytest.mark.usefixtures("no_traffic")
def test_an_allowed_host_allows_no_other(allowed, host):
    assert f"--allow-callbacks {host}" in Targets((allowed,)).refusal(f"https://{host}/callback")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is not an http(s) URL"),
        ("callback", "is not an http(s) URL"),
        ("127.0.0.1:8000/callback", "is not an http(s) URL"),
        ("//127.0.0.1/callback", "is not an http(s) URL"),
        ("ftp://127.0.0.1/callback", "is not an http(s) URL"),
        ("file:///etc/passwd", "is not an http(s) URL"),
        ("http:///callback", "is not an http(s) URL"),
        ("http://:80/callback", "is not an http(s) URL"),
        ("http://127.0.0.1:x/", "check its host and its port"),
        ("http://127.0.0.1:70000/", "check its host and its port"),
        ("http://[::1/", "check its host and its port"),
        ("http://user:hunter2@127.0.0.1/", "holds credentials"),
        ("http://hunter2@example.com/", "holds credentials"),
        ("http://@127.0.0.1/", "holds credentials"),
        ("http://127.0.0.1\\@evil.example/", "holds credentials"),
        ("http://user:hunter2@exa℀mple.com/", "check its host and its port"),
    ],
)
@pytest.mark.usefixtures("no_traffic")
def test_a_url_that_cannot_be_called_is_refused_whatever_is_allowed(url, says):
    refusal = Targets(("*",)).refusal(url)
    assert says in refusal
    assert "hunter2" not in refusal


def test_a_name_of_this_machine_that_leads_elsewhere_is_refused(monkeypatch):
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: elsewhere)
    assert "callbacks to hooks.localhost are not allowed" in Targets().refusal("http://hooks.localhost/")


def unknown_host(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_name_of_this_machine_that_leads_nowhere_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    assert "callbacks to hooks.localhost are not allowed" in Targets().refusal("http://hooks.localhost/")


class RawCallback(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def receiver(answer=OK, host="127.0.0.1"):
    """Read whole callbacks and answer each with these bytes, or as `answer(connection)` does; yields URL and inbox."""
    inbox = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            inbox.append(RawCallback(self.requestline, headers, self.rfile.read(int(headers["content-length"]))))
            with suppress(OSError):
                answer(self.connection) if callable(answer) else self.connection.sendall(answer)
            self.close_connection = True

        def log_message(self, *_):
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    with in_thread(Server((host, 0), Handler)) as server:
        yield f"http://{f'[{host}]' if ':' in host else host}:{server.server_address[1]}", inbox


def attempted(answer, timeout_s=PATIENCE_S):
    with receiver(answer) as (url, _):
        return post(url, BODY, {}, timeout_s)


@pytest.mark.parametrize(
    "body",
    [BODY, b"", b"<html>", BODY[:-10], bytes(range(256)), b"\0" * 1_000_000],
    ids=["whole", "empty", "html", "cut", "bytes", "large"],
)
def test_a_body_arrives_as_it_is(body):
    with receiver() as (url, inbox):
        assert post(url, body, {}, PATIENCE_S).delivered
    assert [one.body for one in inbox] == [body]


def test_headers_arrive_as_they_are():
    headers = {"content-type": "application/json", **signature_headers((SECRET,), "1", SENT_AT_S, BODY)}
    with receiver() as (url, inbox):
        post(url, BODY, headers, PATIENCE_S)
    assert headers.items() <= inbox[0].headers.items()


def test_a_receiver_can_verify_what_arrives():
    headers = signature_headers((SECRET,), "1", int(time.time()), BODY)
    with receiver() as (url, inbox):
        post(url, BODY, headers, PATIENCE_S)
    assert Webhook(SECRET).verify(inbox[0].body, inbox[0].headers) == json.loads(BODY)


@pytest.mark.parametrize(
    ("path", "asked"),
    [("", "/"), ("/hook?x=1&y=%20#part", "/hook?x=1&y=%20"), ("?x=1", "/?x=1"), ("/回调", "/%E5%9B%9E%E8%B0%83")],
    ids=["nothing", "a query", "only a query", "another script"],
)
def test_the_path_of_the_url_is_called(path, asked):
    with receiver() as (url, inbox):
        post(url + path, BODY, {}, PATIENCE_S)
    assert inbox[0].line == f"POST {asked} HTTP/1.1"


def test_a_receiver_is_called_over_ipv6():
    try:
        with receiver(host="::1") as (url, inbox):
            assert post(url, BODY, {}, PATIENCE_S).delivered
            assert inbox[0].headers["host"] == url.removeprefix("http://")
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_an_ipv6_address_without_a_port_is_called_on_the_port_of_its_scheme(monkeypatch):
    called = []
    monkeypatch.setattr(socket, "create_connection", lambda address, *_, **__: called.append(address) or unknown_host())
    post("http://[2001:db8::1]/hook", BODY, {}, PATIENCE_S)
    assert called == [("2001:db8::1", 80)]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_a_delivery(status):
    attempt = attempted(response(status=f"{status} Fine"))
    assert (attempt.status, attempt.error, attempt.delivered) == (status, "", True)


@pytest.mark.parametrize("status", [103, 300, 302, 307, 400, 404, 410, 500, 503])
def test_any_other_status_is_an_answer_and_no_delivery(status):
    attempt = attempted(response(status=f"{status} No", headers=["Location: /elsewhere"]))
    assert (attempt.status, attempt.error, attempt.delivered) == (status, "", False)


def test_a_redirect_is_not_followed():
    with receiver(response(status="307 Temporary Redirect", headers=["Location: /elsewhere"])) as (url, inbox):
        post(url, BODY, {}, PATIENCE_S)
    assert [one.line for one in inbox] == ["POST / HTTP/1.1"]


def test_no_proxy_is_asked(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert attempted(response()).delivered


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "the receiver hung up without an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "what came back is not HTTP: SSH-2.0-OpenSSH_9.6"),
        (
            b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n",
            "what came back is not HTTP: got more than 100 headers",
        ),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", "what came back is not HTTP: got more than"),
    ],
    ids=["nothing", "another protocol", "a thousand headers", "an endless header"],
)
def test_what_is_no_answer_is_said(answer, says):
    attempt = attempted(answer)
    assert (attempt.status, attempt.delivered) == (0, False)
    assert attempt.error.startswith(says)


@pytest.mark.parametrize(
    "answer",
    [
        response(b"half", length=1000),
        response(b"ff\r\nabc", headers=["Transfer-Encoding: chunked"], length=""),
        response(b"no length", length=""),
    ],
    ids=["it breaks off", "a chunk breaks off", "no length is named"],
)
def test_the_status_decides_whatever_becomes_of_the_body(answer):
    attempt = attempted(answer)
    assert (attempt.status, attempt.error) == (200, "")


def test_a_port_where_nothing_listens_is_said():
    with refusing_port() as port:
        attempt = post(f"http://127.0.0.1:{port}/", BODY, {}, PATIENCE_S)
    assert (attempt.status, attempt.error) == (0, "nothing listens there: the connection was refused")


def test_a_host_that_nobody_knows_is_said(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    attempt = post("http://hooks.example/", BODY, {}, PATIENCE_S)
    assert attempt.error == "the receiver cannot be reached: Name or service not known"


def test_https_to_a_receiver_that_speaks_none_is_said():
    with loopback(lambda connection, _: connection.sendall(response()), at_once=True) as port:
        attempt = post(f"https://127.0.0.1:{port}/", BODY, {}, PATIENCE_S)
    assert attempt.status == 0
    assert attempt.error.startswith("the receiver cannot be reached: [SSL")


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:x/", {}),
        ("http://[::1", {}),
        ("http://a\x7fb/", {}),
        (f"http://{'a' * 70}.example/", {}),
        ("{url}", {"x": "a\r\nInjected: yes"}),
        ("{url}", {"x": "声"}),
        ("{url}", {"x:y": "1"}),
    ],
    ids=["a port", "brackets", "a control character", "a long label", "a line break", "a script", "a header's name"],
)
def test_what_cannot_be_sent_is_said(url, headers):
    with receiver() as (receiving, inbox):
        attempt = post(url.format(url=receiving), BODY, headers, PATIENCE_S)
    assert attempt.error.startswith("the callback cannot be sent: ")
    assert inbox == []


class Drip:
    """Sends a head, then one byte after another until the caller hangs up; `noticed` says that it did."""

    def __init__(self, head):
        self.head = head
        self.noticed = threading.Event()

    def __call__(self, connection):
        connection.sendall(self.head)
        with suppress(OSError):
            for _ in range(PATIENCE_S * 50):
                self.noticed.wait(0.02)
                connection.sendall(b"x")
            return
        self.noticed.set()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nx: "], ids=["its first line", "its headers"])
def test_a_receiver_that_drips_its_answer_is_hung_up_on(head):
    drip = Drip(head)
    with receiver(drip) as (url, _):
        attempt = post(url, BODY, {}, SHORT_S)
        assert drip.noticed.wait(PATIENCE_S)
    assert (attempt.status, attempt.error) == (0, "no answer within 0.2 s")


@pytest.mark.parametrize("length", [MAX_ANSWER_BYTES, ""], ids=["of a named length", "of no named length"])
def test_a_receiver_that_drips_only_its_body_has_answered_and_is_hung_up_on(length, monkeypatch):
    # The time is over once the head was read, however long that took.
    reading, read = threading.Event(), HTTPResponse.read
    monkeypatch.setattr(HTTPResponse, "read", lambda answer, amount: reading.set() or read(answer, amount))
    monkeypatch.setattr(threading.Timer, "run", lambda timer: reading.wait(PATIENCE_S) and timer.function())
    drip = Drip(response(length=length))
    with receiver(drip) as (url, _):
        attempt = post(url, BODY, {}, PATIENCE_S)
        assert drip.noticed.wait(PATIENCE_S)
    assert (attempt.status, attempt.error) == (200, "")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_receiver_that_says_nothing_is_given_up(scheme):
    done = threading.Event()
    with loopback(lambda *_: done.wait(PATIENCE_S), at_once=True) as port:
        attempt = post(f"{scheme}://127.0.0.1:{port}/", BODY, {}, 0.1)
        assert not done.is_set()
        done.set()
    assert (attempt.status, attempt.error) == (0, "no answer within 0.1 s")


def test_a_receiver_that_reads_nothing_of_a_large_body_is_given_up():
    done = threading.Event()
    with loopback(lambda *_: done.wait(PATIENCE_S), at_once=True) as port:
        attempt = post(f"http://127.0.0.1:{port}/", bytes(50_000_000), {}, SHORT_S)
        assert not done.is_set()
        done.set()
    assert (attempt.status, attempt.error) == (0, "no answer within 0.2 s")


def test_an_endless_answer_is_not_read_to_its_end():
    noticed = threading.Event()

    def endless(connection):
        connection.sendall(response(length=""))
        try:
            for _ in range(2000):
                connection.sendall(bytes(MAX_ANSWER_BYTES))
        except OSError:
            noticed.set()

    with receiver(endless) as (url, _):
        assert post(url, BODY, {}, PATIENCE_S).delivered
        assert noticed.wait(PATIENCE_S)


def test_a_receiver_can_finish_its_answer():
    finished = threading.Event()

    def slow(connection):
        connection.sendall(response(length=4))
        connection.settimeout(0.2)
        # Whoever has hung up by now ends this with nothing; whoever still listens, with a timeout.
        with suppress(TimeoutError):
            connection.recv(1)
            return
        connection.sendall(b"done")
        finished.set()

    assert attempted(slow).delivered
    assert finished.wait(PATIENCE_S)


def test_a_receiver_may_answer_and_hang_up_before_it_has_read_everything():
    answer = response(status="413 Content Too Large")
    with loopback(lambda connection, _: connection.sendall(answer), at_once=True) as port:
        attempt = post(f"http://127.0.0.1:{port}/", bytes(50_000_000), {}, PATIENCE_S)
    assert attempt == Attempt(413, "")
