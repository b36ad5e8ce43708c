"""The control surface answers this machine's people: by the name it is called, and the page that calls."""

import subprocess

import httpx
import pytest

from kling_mock_server.adapters.httpx_transport import HttpxTransport
from support.serving import PATH, Served, environment, new_app, payload, started

KEY = {"Authorization": "Bearer key"}
FOREIGN = {"Host": "evil.example", "Origin": "http://evil.example"}


@pytest.fixture(scope="module")
def client():
    return new_app(allow_hosts=("mock.internal", "*.team.example")).test_client()


def ask(client, path="/_mock/clock", method="GET", **headers):
    return client.open(path, method=method, headers={**KEY, **headers})


LOCAL = [
    "localhost",
    "localhost:8080",
    "127.0.0.1:1",
    "127.1.2.3",
    "[::1]:8080",
    "a.localhost",
    "LOCALHOST",
    "localhost.",
]
ALLOWED = ["mock.internal", "Mock.Internal:80", "a.team.example", "a.b.team.example:1"]
OTHERS = [
    "evil.example",
    "team.example",
    "xteam.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.0.0.1",
]
ODD = ["", "[::1", "localhost:x@evil.example", "evil.example, localhost", "@", "xn--localhost"]


@pytest.mark.parametrize("host", LOCAL + ALLOWED)
def test_a_name_of_this_machine_or_an_allowed_one_is_answered(client, host):
    assert ask(client, Host=host).status_code == 200


@pytest.mark.parametrize("host", OTHERS + ODD)
@pytest.mark.parametrize("path", ["/_mock", "/_mock/inbox/a"])
def test_any_other_name_is_misdirected(client, host, path):
    answer = ask(client, path, Host=host)
    assert (answer.status_code, answer.json["code"]) == (421, 1200)
    assert "--allow-host" in answer.json["message"]


@pytest.mark.parametrize("host", [f"http://{host}" for host in LOCAL + ALLOWED])
def test_a_page_of_this_machine_or_of_an_allowed_host_is_answered(client, host):
    assert ask(client, Origin=host).status_code == 200


@pytest.mark.parametrize("origin", ["null", "", *(f"https://{host}" for host in OTHERS), "file://"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/_mock/clock"), ("POST", "/_mock/inbox/a"), ("POST", "/_mock/reset")]
)
def test_a_page_of_any_other_origin_is_refused(client, origin, method, path):
    answer = ask(client, path, method, Origin=origin)
    assert (answer.status_code, answer.json["code"]) == (403, 1103)


@pytest.mark.parametrize(("path", "status"), [("/_mock/files/a/videos/1.mp4", 404), ("/_mock/page/app.js", 200)])
def test_files_and_the_page_are_for_everybody(client, path, status):
    assert ask(client, path, **FOREIGN).status_code == status


def test_the_api_itself_is_for_everybody(client):
    assert client.post(PATH, json=payload(), headers={**KEY, **FOREIGN}).status_code == 200


def test_a_preflight_is_never_refused(client):
    asking = {"Access-Control-Request-Method": "POST", **FOREIGN}
    answer = ask(client, "/_mock/reset", "OPTIONS", **asking)
    assert answer.status_code == 204
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_every_host_may_be_allowed():
    assert ask(new_app(allow_hosts=("*",)).test_client(), **FOREIGN).status_code == 200


def test_where_there_is_no_socket_nobody_is_foreign():
    transport = httpx.MockTransport(HttpxTransport(new_app().responder, "https://api.vendor.example").answer)
    with httpx.Client(transport=transport, base_url="https://api.vendor.example") as client:
        assert client.get("/_mock/clock", headers={**KEY, "Origin": "https://evil.example"}).status_code == 200


@pytest.mark.parametrize(("host", "warned"), [("localhost", False), ("0.0.0.0", True)])
def test_serving_other_machines_is_warned_about(host, warned):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "env": environment()}
    with started("serve", "--port", "0", "--host", host, **streams) as process:
        served = Served(process)
        served.line("Ctrl-C")
        assert ("warning: with --host 0.0.0.0" in served.output) is warned
