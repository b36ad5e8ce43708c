"""Faults below HTTP where there is no connection: httpx raises what it would raise for a real one."""

import asyncio
import zlib

import httpx
import pytest

from kling_mock_server.adapters.httpx_transport import HttpxTransport
from kling_mock_server.failures.wire import Wire, WiredResponse
from support.serving import PATIENCE_S
from support.wired import Obedient, content_of, serving

URL = "http://kling.example"
HOURS_MS = 36_000_000


@pytest.fixture(scope="module")
def port():
    with serving() as port:
        yield port


@pytest.fixture
def connected(port):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S) as client:
        yield client


def transport(responder=None):
    return httpx.MockTransport(HttpxTransport(responder or Obedient(), URL).answer)


@pytest.fixture
def mounted():
    with httpx.Client(base_url=URL, transport=transport(), timeout=PATIENCE_S) as client:
        yield client


def outcome(client, size=10, method="POST", timeout=PATIENCE_S, **wire):
    """Return status and content, or what was raised."""
    try:
        answer = client.request(method, "/", json={"size": size, "wire": wire}, timeout=timeout)
    except httpx.TransportError as error:
        return type(error), str(error)
    return answer.status_code, answer.content


FAULTS = {
    "none": {},
    "a late answer": {"delay_ms": 10},
    "pieces": {"drip_bytes": 3, "drip_ms": 1},
    "closed before the head": {"head": False},
    "reset before the head": {"head": False, "end": "reset"},
    "closed after the head": {"percent": 0},
    "reset after the head": {"percent": 0, "end": "reset"},
    "closed within the body": {"percent": 50},
    "reset within the body": {"percent": 50, "end": "reset"},
    "closed within a body in pieces": {"percent": 50, "drip_bytes": 2},
    "reset after the body": {"end": "reset"},
    "hanging after the body": {"end": "hang"},
    "an empty body": {"size": 0},
    "an empty body, reset": {"size": 0, "end": "reset"},
    "a length that is too long": {"extra_length": 5},
    "a length that is too long, reset": {"extra_length": 5, "end": "reset"},
    "a length that is too short": {"extra_length": -5},
    "a length that is too short by more than is sent": {"extra_length": -5, "percent": 20},
    "no body for HEAD": {"method": "HEAD"},
    "no body for HEAD, reset": {"method": "HEAD", "percent": 0, "end": "reset"},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_looks_the_same_with_and_without_a_connection(connected, mounted, fault):
    assert outcome(mounted, **fault) == outcome(connected, **fault)


LATE = {
    "a late answer": {"delay_ms": HOURS_MS},
    "hanging before the head": {"head": False, "end": "hang"},
    "hanging within the body": {"percent": 50, "end": "hang"},
    "a late second piece": {"drip_bytes": 5, "drip_ms": HOURS_MS},
    "hanging for want of bytes": {"extra_length": 5, "end": "hang"},
}


@pytest.mark.parametrize("fault", LATE.values(), ids=LATE)
def test_a_client_with_a_timeout_runs_into_it_without_waiting(connected, mounted, fault):
    assert outcome(connected, timeout=httpx.Timeout(PATIENCE_S, read=0.2), **fault) == (httpx.ReadTimeout, "timed out")
    assert outcome(mounted, timeout=3600, **fault) == (httpx.ReadTimeout, "timed out")


@pytest.mark.parametrize("fault", [{"delay_ms": HOURS_MS}, {"drip_bytes": 1, "drip_ms": HOURS_MS}])
def test_a_client_without_a_timeout_has_all_the_time_in_the_world(mounted, fault):
    assert outcome(mounted, timeout=None, **fault) == (200, content_of(10))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"head": False}, "Server disconnected without sending a response."),
        (
            {"percent": 50},
            "peer closed connection without sending complete message body (received 5 bytes, expected 10)",
        ),
    ],
)
def test_a_client_without_a_timeout_that_is_hung_on_sees_the_end(mounted, fault, says):
    assert outcome(mounted, timeout=None, end="hang", **fault) == (httpx.RemoteProtocolError, says)


@pytest.mark.parametrize("fault", [{"head": False}, {"percent": 50}, {"end": "reset", "percent": 0}])
def test_what_is_raised_knows_its_request(mounted, fault):
    with pytest.raises(httpx.TransportError) as raised:
        mounted.post("/", json={"size": 10, "wire": fault})
    assert raised.value.request.method == "POST"


def test_a_timeout_is_on_each_silence_and_not_on_their_sum(mounted):
    assert outcome(mounted, timeout=2, delay_ms=2000, drip_bytes=1, drip_ms=2000) == (200, content_of(10))
    assert outcome(mounted, timeout=2, delay_ms=2001)[0] is httpx.ReadTimeout


def test_a_client_that_streams_gets_what_was_sent_first(mounted):
    received = []
    with mounted.stream("POST", "/", json={"size": 10, "wire": {"percent": 60, "drip_bytes": 2}}) as answer:
        assert answer.headers["Content-Length"] == "10"
        with pytest.raises(httpx.RemoteProtocolError, match="received 6 bytes, expected 10"):
            received.extend(answer.iter_raw())
    assert received == [b"01", b"23", b"45"]


def test_an_asynchronous_client_meets_the_same():
    async def outcomes():
        async with httpx.AsyncClient(base_url=URL, transport=transport()) as client:
            whole = await client.post("/", json={"size": 10, "wire": {"drip_bytes": 3}})
            assert whole.content == content_of(10)
            with pytest.raises(httpx.ReadError, match="Connection reset by peer"):
                await client.post("/", json={"size": 10, "wire": {"percent": 50, "end": "reset"}})
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/", json={"size": 10, "wire": {"delay_ms": HOURS_MS}})

    asyncio.run(outcomes())


def test_a_body_that_is_not_encoded_as_its_head_says_is_the_clients_to_find_out():
    class Liar(Obedient):
        def respond(self, request):
            body = zlib.compress(b"{}") if request.body else b"not compressed"
            return WiredResponse(200, {"Content-Encoding": "deflate"}, body, Wire())

    with httpx.Client(base_url=URL, transport=transport(Liar())) as client:
        assert client.post("/", content=b"x").json() == {}
        with pytest.raises(httpx.DecodingError):
            client.get("/")


def test_an_answer_without_a_wire_is_as_ever(mounted):
    assert mounted.get("/").content == content_of(5)
