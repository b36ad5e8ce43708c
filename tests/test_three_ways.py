"""One promise, however a request comes in: served, by the httpx transport and by respx, odd requests too."""

import json
import socket
from contextlib import suppress

import httpx
import pytest
import respx

from kling_mock_server.adapters.flask_app import MockApp
from kling_mock_server.adapters.handle import Handle, InProcess
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.adapters.respx_router import mount
from support.serving import new_app, payload
from support.workflow import CREATE, IDENTIFY, LIST, task_path

TOKEN = "key"
BODY = json.dumps(payload()).encode()
JSON_TYPE = {"Content-Type": "application/json"}
MIB = 1024 * 1024
MAX_HEAD_BYTES = 256 * 1024


def odd(method="POST", path=CREATE, body=BODY, token=TOKEN, **headers):
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return method, path, {**bearer, **(JSON_TYPE if body else {}), **given}, body


REQUESTS = {
    "as documented": (odd(), 200, 0),
    "two slashes in front": (odd(path=f"/{CREATE}"), 200, 0),
    "five slashes in front": (odd(path=f"////{CREATE}"), 200, 0),
    "two slashes inside": (odd(path=CREATE.replace("/v1", "//v1")), 404, 1202),
    "a slash at the end": (odd(path=f"{CREATE}/"), 404, 1202),
    "capitals": (odd(path=IDENTIFY.replace("identify", "Identify")), 404, 1202),
    "an encoded slash": (odd("GET", task_path("a%2Fb"), b""), 404, 1202),
    "dots": (odd("GET", "/kling/../kling/v1", b""), 404, 1202),
    "a question mark alone": (odd(path=f"{CREATE}?"), 200, 0),
    "a query": (odd(path=f"{CREATE}?a=b&a=%FF"), 200, 0),
    "an unknown method": (odd("BREW"), 404, 1202),
    "HEAD": (odd("HEAD", LIST, b""), 404, None),
    "no token": (odd(token=""), 401, 1001),
    "another scheme": (odd(token="", Authorization="Basic a2V5"), 401, 1002),
    "the scheme in capitals": (odd(token="", Authorization="BEARER key"), 200, 0),
    "no body": (odd(body=b""), 400, 1200),
    "a body that is no JSON": (odd(body=b"{"), 400, 1200),
    "a body that is not UTF-8": (odd(body=b"\xff"), 400, 1200),
    "a charset": (odd(Content_Type="application/json; charset=utf-8"), 200, 0),
    "another media type": (odd(Content_Type="text/plain"), 400, 1200),
    "a compressed body": (odd(body=b"\x1f\x8b", Content_Encoding="gzip"), 400, 1200),
    "not compressed, as said": (odd(Content_Encoding="identity"), 200, 0),
    "not compressed, as said in capitals": (odd(Content_Encoding="IDENTITY"), 200, 0),
    "8 MiB": (odd(body=lambda: BODY + b" " * (8 * MIB)), 413, 1200),
    "80 MiB": (odd(body=lambda: BODY + b" " * (80 * MIB)), 413, 1200),
    "a preflight": (
        odd("OPTIONS", body=b"", token="", Origin="http://localhost:3000", Access_Control_Request_Method="POST"),
        204,
        None,
    ),
    "a page of this machine": (odd(Origin="http://127.0.0.1:5173"), 200, 0),
    "a page of elsewhere": (odd(Origin="https://example.com"), 200, 0),
}
SHOWN = (
    "X-Contract-Violations",
    "Allow",
    "Content-Type",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Vary",
)


def shown(status, headers, body):
    """Return what an answer says, without its ids and times."""
    told = json.loads(body) if body else {}
    return status, {name: headers.get(name) for name in SHOWN}, told.get("code"), told.get("message")


@pytest.fixture(scope="module")
def server():
    with LiveServer(fetch="none") as running:
        yield running


def in_process(server, method, path, headers, body):
    app = new_app(fetch="none")
    handle = InProcess(app, "http://mock", TOKEN)
    with handle.client() as client:
        return by_httpx(client, "http://mock", method, path, headers, body), handle


def by_respx(server, method, path, headers, body):
    with respx.mock() as router:
        handle = mount(router, "http://mock", fetch="none")
        with httpx.Client(trust_env=False) as client:
            return by_httpx(client, "http://mock", method, path, headers, body), handle


def served(server, method, path, headers, body):
    handle = server.new_handle()
    handle.token = TOKEN
    handle.reset()
    with httpx.Client(trust_env=False, timeout=60) as client:
        return by_httpx(client, server.url, method, path, headers, body), handle


def by_socket(server, method, path, headers, body):
    handle = Handle(server.responder, server.url, TOKEN)
    handle.reset()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    top, _, rest = received.partition(b"\r\n\r\n")
    status, *fields = top.decode("latin-1").split("\r\n")
    return (int(status.split()[1]), httpx.Headers([tuple(field.split(": ", 1)) for field in fields]), rest), handle


def by_httpx(client, base, method, path, headers, body):
    url = httpx.URL(base).copy_with(raw_path=path.encode())
    answer = client.request(method, url, headers=headers, content=body)
    return answer.status_code, answer.headers, answer.content


WAYS = [in_process, by_respx, served, by_socket]


@pytest.mark.parametrize(("request_", "status", "code"), REQUESTS.values(), ids=REQUESTS)
def test_every_way_in_answers_alike(server, request_, status, code):
    *head, body = request_
    sent = body() if callable(body) else body
    answers, journals = [], []
    for way in WAYS:
        (got, headers, body), handle = way(server, *head, sent)
        answers.append(shown(got, headers, body))
        journals.append([entry.report.broken for entry in handle.journal])
    assert answers == [answers[0]] * len(WAYS)
    assert journals == [journals[0]] * len(WAYS)
    assert (answers[0][0], answers[0][2]) == (status, code)


def test_what_is_refused_for_its_size_is_journalled(server):
    _, handle = by_socket(server, *odd(body=BODY + b" " * (70 * MIB)))
    (entry,) = handle.journal
    assert entry.report.broken == ("body-too-large",)


def test_more_than_the_server_reads_is_refused_in_the_envelope(server):
    handle = Handle(server.responder, server.url, TOKEN)
    handle.reset()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20) as connection:
        asked = f"POST {CREATE} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {2**40}\r\n\r\n"
        connection.sendall(asked.encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["code"] == 1200
    assert [entry.report.broken for entry in handle.journal] == [("body-too-large",)]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: br\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nX: ".ljust(MAX_HEAD_BYTES, b"x"), 431),
    ],
    ids=["a length that is none", "a transfer coding that nobody knows", "a head of 256 KiB"],
)
def test_what_is_no_http_is_refused_in_the_envelope(server, head, status):
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20) as connection:
        with suppress(OSError):
            connection.sendall(head)
        top, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert int(top.split()[1]) == status
    assert json.loads(body)["message"].startswith("The request is not valid HTTP: ")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (IDENTIFY.replace("identify", "Identify"), IDENTIFY),
        (f"{CREATE}/", CREATE),
        (CREATE.replace("/v1", "//v1"), CREATE),
        (CREATE.upper(), CREATE),
        (task_path("AbC").replace("advanced", "Advanced") + "/", task_path("AbC")),
        (CREATE.replace("advanced-lip-sync", "advance-lip-sync"), CREATE),
    ],
)
def test_the_message_names_the_path_that_was_meant(path, meant):
    app = new_app()
    assert isinstance(app, MockApp)
    answer = app.test_client().post(path, data=BODY, headers={"Authorization": "Bearer key"})
    assert answer.json["message"].endswith(f"did you mean {meant}?")


def test_the_message_about_a_compressed_body_names_the_coding():
    answer = (
        new_app()
        .test_client()
        .post(
            CREATE,
            data=b"\x28\xb5\x2f\xfd",
            headers={"Authorization": "Bearer key", **JSON_TYPE, "Content-Encoding": "zstd"},
        )
    )
    assert "Content-Encoding is zstd; send it uncompressed" in answer.json["message"]


def test_a_preflight_allows_what_the_page_asks_for():
    headers = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, x-trace",
    }
    app = new_app()
    answer = app.test_client().options(CREATE, headers=headers)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, content-type, x-trace"
    assert app.responder.accounts.nobody.journal.entries == ()


@pytest.mark.parametrize("origin", ["https://example.com", "null", "http://localhost.example.com", "http://[", ""])
def test_a_page_of_elsewhere_may_not_read_answers(origin):
    answer = new_app().test_client().get("/_mock/health", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers
