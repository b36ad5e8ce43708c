"""Whatever is thrown at the operations, nothing is answered 500, and every answer is one that the document declares."""

import json
import socket
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from hostile.traffic import CONTROL, METHODS, NAMES
from kling_contracts import Request
from kling_contracts.judging.request_rules import MAX_PARAMETERS
from kling_mock_server.adapters.live_server import LiveServer
from support.serving import exchange, new_app, payload, raw_request
from support.workflow import CREATE, IDENTIFY, LIST, ORIGIN, QUERY, TTS, VIDEO_URL, must_fit, said, task_path

APP = new_app(fetch="none")
RESPONDER = APP.responder

# One mock for all examples: what one of them leaves behind is the next one's world.
slow = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

characters = st.characters() | st.characters(categories=["Cs", "Cc", "Nd"])
texts = st.text(characters, max_size=20)
huge = st.integers(10**17, 10**40) | st.integers(-(10**40), -(10**17)) | st.sampled_from([10**400, 2**63, 2**53 + 1])
numbers = st.integers() | huge | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))

urls = st.builds(
    lambda start, path, fragment: f"{start}{path}#{fragment}",
    st.sampled_from(
        ["http://127.0.0.1:1/", "https://example.com/", "http://[", "HTTP://", f"{ORIGIN}/_mock/files/", ""]
    ),
    texts,
    texts | st.sampled_from(["faces=0", "face=1-2&face=2-1", "duration=99999999999", "flagged"]),
)
ids = huge.map(str) | st.from_regex(r"[0-9]{1,25}", fullmatch=True) | texts
likely = {
    "video_id": ids,
    "video_url": urls,
    "text": texts,
    "voice_language": st.sampled_from(["en", "zh"]),
    "voice_speed": st.floats(0, 3),
    "session_id": ids,
    "callback_url": st.just(""),
}
objects = st.dictionaries(st.sampled_from(NAMES) | texts, values, max_size=4)
payloads = st.one_of(
    values,
    objects,
    st.fixed_dictionaries({}, optional=likely),
    st.builds(lambda changes: {**payload(), **changes}, objects),
    st.builds(lambda changes: {**said(), **changes}, objects),
)
bodies = payloads.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60)


def answered(method, path, body=b"", query="", token="key", **headers):
    """Return the answer to a request, which must be one that the document declares."""
    bearer = {"authorization": f"Bearer {token}"} if token else {}
    request = Request(method, path, {**bearer, **headers}, body, query, ORIGIN)
    answer = RESPONDER.respond(request)
    assert answer.status < 500, answer.body
    assert not answer.headers.get("Content-Type", "").startswith("application/json") or isinstance(
        json.loads(answer.body), dict
    )
    must_fit(request, answer)
    return answer


@slow
@given(path=st.sampled_from([CREATE, IDENTIFY, TTS]), body=bodies)
def test_any_body_is_answered(path, body):
    answered("POST", path, body)


@slow
@given(body=st.fixed_dictionaries({}, optional=likely).map(lambda value: json.dumps(value).encode()))
def test_any_video_is_answered(body):
    answered("POST", IDENTIFY, body)


@slow
@given(changes=st.fixed_dictionaries({}, optional={**likely, "voice_id": texts}))
def test_any_text_is_answered_and_what_is_spoken_can_be_heard(changes):
    answer = answered("POST", TTS, json.dumps({**said(), **changes}).encode())
    if answer.status == 200:
        (audio,) = json.loads(answer.body)["data"]["task_result"]["audios"]
        assert answered("GET", audio["url"].removeprefix(ORIGIN)).status == 200


parameters = st.sampled_from(["pageNum", "pageSize", "task_id", ""]) | texts
query_texts = st.lists(st.tuples(parameters, huge.map(str) | st.integers(-2, 1200).map(str) | texts), max_size=4).map(
    lambda pairs: "&".join(f"{quote(n, errors='replace')}={quote(v, errors='replace')}" for n, v in pairs)
)
queries = query_texts | st.text(characters, max_size=40) | st.from_regex(r"(%[0-9a-fA-F]{0,2}|&|=|;|\+|pageNum){0,12}")


@slow
@given(path=st.sampled_from([LIST, task_path("1")]), query=queries)
def test_any_query_is_answered(path, query):
    answered("GET", path, query=query)


@slow
@given(name=ids)
def test_any_task_may_be_asked_for(name):
    if "/" not in name and name:
        assert answered("GET", QUERY.replace("{task_id}", name)).status in (200, 400)


segments = (
    st.sampled_from(["", "kling", "v1", "videos", "advanced-lip-sync", "_mock", "files", "results", "..", "%"]) | ids
)
paths = st.lists(segments, max_size=7).map(lambda parts: "/" + "/".join(parts)) | st.text(characters, max_size=40)
file_paths = st.builds(
    lambda account, kind, name, end: f"/_mock/files/{account}/{kind}/{name}.{end}",
    st.sampled_from(["2c70e12b7a0646f9", "nobody", "0"]) | texts,
    st.sampled_from(["results", "audios", "videos", "faces", ""]),
    ids | st.sampled_from(["825465778199224380", "825465778199224380--1", "825451760499568680"]),
    st.sampled_from(["mp4", "wav", "png", ""]),
)
methods = st.sampled_from([*METHODS, "TRACE", ""])


@slow
@given(method=methods, path=paths | file_paths, body=bodies, token=st.sampled_from(["key", ""]) | texts, query=queries)
def test_any_path_is_answered(method, path, body, token, query):
    answered(method, path, body, query, token)


@slow
@given(path=file_paths, header=st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}") | texts)
def test_any_range_is_answered(path, header):
    answered("GET", path, range=header)


@slow
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    path=st.sampled_from([*CONTROL, "scenario"]),
    body=bodies
    | st.builds(
        lambda name, value: json.dumps({name: value}).encode(),
        st.sampled_from(["now_ms", "sessions", "videos", "voices", "concurrency", "advance_ms", "name", "steps"]),
        values,
    ),
)
def test_any_call_of_the_control_surface_is_answered(method, path, body):
    answered(method, f"/_mock/{path}", body, token="controlled")
    # Whatever was put there, the account can still be used.
    answered("POST", CREATE, json.dumps(payload()).encode(), token="controlled")
    answered("GET", LIST, token="controlled")
    answered("POST", "/_mock/reset", token="controlled")


@slow
@given(
    path=st.binary(max_size=60) | paths.map(lambda path: path.encode("utf-8", "replace")),
    query=st.binary(max_size=40),
    token=st.binary(max_size=20),
    method=st.sampled_from(["GET", "POST", "HEAD"]),
)
def test_any_bytes_are_answered_by_the_application(path, query, token, method):
    environ = EnvironBuilder(method=method, path="/", base_url=ORIGIN).get_environ()
    environ["PATH_INFO"] = "/" + path.decode("latin-1")
    environ["QUERY_STRING"] = query.decode("latin-1")
    environ["HTTP_AUTHORIZATION"] = b"Bearer ".decode() + token.decode("latin-1")
    body, status, _ = run_wsgi_app(APP, environ)
    assert int(status.split()[0]) < 500, b"".join(body)


RAW_PATHS = [
    pytest.param(task_path("%FF%FE"), 400, id="not UTF-8"),
    pytest.param(task_path("%00"), 400, id="NUL"),
    pytest.param(task_path("%ED%A0%80"), 400, id="half a surrogate pair"),
    pytest.param(task_path("%"), 400, id="a bare percent sign"),
    pytest.param(task_path("%E8%AE%A2%E5%8D%95"), 400, id="Chinese"),
    pytest.param(task_path("a%2Fb"), 404, id="an encoded slash"),
    pytest.param(task_path("9" * 5000), 400, id="5,000 digits"),
    pytest.param(task_path("\xff\xfe"), 400, id="bytes as they are"),
    pytest.param(f"{LIST}?pageNum=%FF", 400, id="a number that is not UTF-8"),
    pytest.param(f"{LIST}?pageNum=\xff", 400, id="a number of bytes as they are"),
    pytest.param(f"{LIST}?{'x&' * 5000}pageNum=1", 200, id="thousands of parameters"),
    pytest.param(f"{LIST}?{'x&' * (MAX_PARAMETERS - 1)}pageNum=0", 400, id="the last parameter that is read"),
    pytest.param(f"{LIST}?{'x&' * MAX_PARAMETERS}pageNum=0", 200, id="one parameter more than are read"),
    pytest.param(f"http://other.example{LIST}", 200, id="an absolute URL"),
    pytest.param("/_mock/files/a/results/" + "9" * 5000 + ".mp4", 404, id="a file of 5,000 digits"),
    pytest.param("/_mock/files/%FF/results/%00.mp4", 404, id="a file of odd bytes"),
]


@pytest.fixture(scope="module")
def port():
    with LiveServer(fetch="none") as server:
        yield int(server.url.rpartition(":")[2])


@pytest.mark.parametrize(("path", "status"), RAW_PATHS)
def test_any_path_is_answered_over_http(port, path, status):
    head, _, _ = exchange(port, raw_request(b"", "GET", path)).partition(b"\r\n")
    assert int(head.split()[1]) == status


def test_a_host_that_is_none_is_answered_like_any_other(port):
    request = raw_request(json.dumps({"video_url": VIDEO_URL}).encode(), path=IDENTIFY)
    for host in (b"Host: \xff\xfe", b'Host: "><script>', b"Host: ", b"Host: [::1"):
        answer = exchange(port, request.replace(b"Host: 127.0.0.1", host))
        assert answer.split(b" ")[1] in (b"200", b"400"), answer


def test_half_a_request_hurts_nobody(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /kling/v1/videos/advanced-lip-sync HTTP/1.1\r\nHost: x\r\n")
    assert exchange(port, raw_request(b"", "GET", LIST)).split(b" ")[1] == b"200"
