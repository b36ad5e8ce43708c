"""httpx2 beside httpx: the same client, the same errors; where it cannot be seen, that is an error."""

import asyncio
import socket

import httpx
import pytest

from kling_mock_server import create_app
from kling_mock_server.adapters.handle import InProcess
from kling_mock_server.adapters.httpx2_router import NotMockedError, answered
from kling_mock_server.adapters.httpx_transport import HttpxTransport
from kling_mock_server.adapters.unseen_clients import UnseenClientError, refused_lookups
from support.serving import PATH, payload

httpx2 = pytest.importorskip("httpx2")

URL = "https://api.vendor.example/base"
KEY = {"Authorization": "Bearer key"}
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda one: one.__name__)

pytest_plugins = "pytester"


@pytest.fixture
def mock():
    return InProcess(create_app(), URL, "key")


@LIBRARIES
def test_the_client_is_one_of_the_library(mock, library):
    with mock.client(library) as client:
        answer = client.post(PATH, json=payload(sound_end_time=1999), headers=KEY)
    assert isinstance(client, library.Client)
    assert isinstance(answer, library.Response)
    assert (answer.status_code, answer.json()["code"]) == (400, 1201)


@LIBRARIES
def test_the_transport_serves_an_async_client(mock, library):
    async def ask():
        transport = library.MockTransport(HttpxTransport(mock.responder, URL).answer)
        async with library.AsyncClient(transport=transport, base_url=URL) as client:
            return await client.post(PATH, json=payload(), headers=KEY)

    assert asyncio.run(ask()).json()["code"] == 0


@LIBRARIES
@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        ("reset-before-answer", "ReadError"),
        ("reset-in-answer", "ReadError"),
        ("truncated-body", "RemoteProtocolError"),
        ("no-answer", "ReadTimeout"),
    ],
)
def test_a_failure_below_http_is_the_error_of_the_library(mock, library, scenario, error):
    with mock.client(library) as client:
        task = client.post(PATH, json=payload(), headers=KEY).json()["data"]["task_id"]
        mock.play(scenario)
        with pytest.raises(getattr(library, error)):
            client.get(f"{PATH}/{task}", headers=KEY)


@pytest.mark.kling_violates("clip-too-short", "face-overlap-too-short")
def test_under_kling_respx_httpx2_is_answered(kling_respx):
    answer = httpx2.post(kling_respx.url + PATH, json=payload(sound_end_time=1999), headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (400, 1201)


def test_under_kling_respx_async_httpx2_is_answered(kling_respx):
    async def ask():
        headers = {"Authorization": f"Bearer {kling_respx.token}"}
        async with httpx2.AsyncClient(base_url=kling_respx.url, headers=headers) as client:
            return await client.post(PATH, json=payload())

    assert asyncio.run(ask()).json()["code"] == 0
    assert [entry.status for entry in kling_respx.journal] == [200]


@pytest.fixture
def kling_base_url():
    return URL


@pytest.mark.parametrize(
    "url", ["https://api.vendor.example/basement", "http://api.vendor.example/base", "https://b.example"]
)
def test_under_kling_respx_httpx2_is_let_through_to_nothing_else(kling_respx, url):
    with pytest.raises(NotMockedError, match="is not below it"):
        httpx2.get(url)


def test_after_kling_respx_httpx2_is_as_before(mock):
    before = httpx2.HTTPTransport.handle_request
    with answered(mock.responder, URL):
        assert httpx2.HTTPTransport.handle_request is not before
    assert httpx2.HTTPTransport.handle_request is before


TEST = """
import pytest

def test_a_client(kling_respx):
    {code}
"""
CLIENTS = {
    "requests": "import requests; requests.get(kling_respx.url)",
    "urllib": "import urllib.request; urllib.request.urlopen(kling_respx.url)",
    "http.client": "import http.client; http.client.HTTPSConnection(kling_respx.url.split('/')[2]).request('GET', '/')",
}


@pytest.mark.parametrize("code", CLIENTS.values(), ids=CLIENTS)
def test_kling_respx_fails_for_a_client_that_it_cannot_see(pytester, monkeypatch, code):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(TEST.format(code=code))
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*kling_respx answers httpx and httpx2 alone, and another client was about to call *"])


def test_kling_respx_fails_where_the_client_hides_the_error(pytester):
    look_up = "socket.getaddrinfo(kling_respx.url.split('/')[2], 443)"
    code = f"import socket\n    with pytest.raises(AssertionError): {look_up}"
    pytester.makepyfile(TEST.format(code=code))
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1, errors=1)


def test_any_other_host_is_looked_up():
    before = socket.getaddrinfo
    with refused_lookups("api.vendor.example") as unseen:
        assert socket.getaddrinfo("127.0.0.1", 80)
        for host in ("api.vendor.example", "API.vendor.example.", b"api.vendor.example"):
            with pytest.raises(UnseenClientError):
                socket.getaddrinfo(host, 443)
    assert len(unseen) == 3
    assert socket.getaddrinfo is before
