"""Fuzzing follows a task of a server without a control surface, made of what the server itself has answered."""

import json
import socket
import struct
import threading
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from kling_contracts import Response
from kling_contracts.audits import Kind
from kling_mock_server.cli.fuzz import fuzz
from kling_mock_server.testing.fuzzing import Options, fuzz_server
from kling_mock_server.testing.fuzzing.callback_listener import CallbackListener
from kling_mock_server.testing.fuzzing.followed_task import FollowedTask, Surroundings
from kling_mock_server.testing.fuzzing.target import Target
from kling_mock_server.testing.fuzzing.trials import as_it_is
from support.serving import documented
from support.spoilt_servers import forgets, serving_with

CREATE, IDENTIFY = "/kling/v1/videos/advanced-lip-sync", "/kling/v1/videos/identify-face"
TTS = "/kling/v1/audio/tts"
QUERY = f"{CREATE}/"


@pytest.fixture(autouse=True)
def followed_alone(monkeypatch):
    """Leave out all cases but those of a task that is followed."""
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.catalogue", lambda contract, operation: ())
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.server_catalogue", lambda contract, operation: ())


@pytest.fixture
def impatient(monkeypatch):
    """Take what has not come by the end of a task for never coming."""
    monkeypatch.setattr(CallbackListener, "wait_for", lambda self, is_enough, timeout_s: is_enough(self.bodies))


def elsewhere(change=lambda request, answer: answer(request)):
    """A server without a control surface and without our headers, whose every answer goes through `change`."""

    def changed(request, answer):
        if request.path.startswith("/_mock/files/"):
            return answer(request)
        if request.path.startswith("/_mock"):
            return Response(404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>")
        given = change(request, answer)
        return Response(given.status, {"Content-Type": "application/json"}, given.body)

    return changed


def attacked(change, *operations):
    with serving_with(elsewhere(change)) as url:
        return fuzz_server(url, Options(n=0, operations=operations), contract=documented())


def found(change, *operations):
    return {(one.rule, one.kind) for one in attacked(change, *operations).findings}


def data_of(given):
    return json.loads(given.body)["data"]


def with_data(given, data):
    return replace(given, body=json.dumps({**json.loads(given.body), "data": data}).encode())


def of_queries(edit):
    """A change of every answer to a query that has a result."""

    def change(request, answer):
        given = answer(request)
        if given.status != 200 or not request.path.startswith(QUERY) or "task_result" not in data_of(given):
            return given
        return with_data(given, edit(data_of(given)))

    return change


def with_video(**members):
    def edit(data):
        (video,) = data["task_result"]["videos"]
        return {**data, "task_result": {"videos": [{**video, **members}]}}

    return edit


def test_the_mock_without_a_control_surface_has_no_finding():
    result = attacked(lambda request, answer: answer(request))

    assert not result.findings
    assert not [what for what in result.unjudged if " " in what]


FORGOTTEN = {
    "sessions of identify-face": forgets(IDENTIFY, "session_id"),
    "faces of identify-face": forgets(IDENTIFY, "face_data", 0, "face_id"),
    "audios of tts": forgets(TTS, "task_result", "audios", 0, "id"),
}


@pytest.mark.parametrize("change", FORGOTTEN.values(), ids=FORGOTTEN)
def test_a_server_that_does_not_know_its_own_ids_again_is_found(change):
    (finding,) = attacked(change).findings

    assert finding.kind == Kind.REFUSED
    assert "identify answered {" in finding.detail
    assert "tts answered {" in finding.detail


def test_without_a_query_a_payload_must_be_accepted_all_the_same():
    assert found(forgets(IDENTIFY, "session_id"), "create", "identify") == {("session-unknown", Kind.REFUSED)}


def unknown_tasks(request, answer):
    return answer(request._replace(path=f"{QUERY}none") if request.path.startswith(QUERY) else request)


def external_ids_twice(request, answer):
    body = request.body.replace(b'"external_task_id": "k', b'"unknown": "k') if request.path == CREATE else request.body
    return answer(request._replace(body=body))


def never_called_back(request, answer):
    return answer(request._replace(body=request.body.replace(b'"callback_url": "http', b'"unknown": "http')))


WRONG = {
    "tasks": (unknown_tasks, ("", Kind.REFUSED)),
    "external ids": (external_ids_twice, ("external-task-id-duplicate", Kind.ACCEPTED)),
    "a dead result": (
        of_queries(with_video(url="http://127.0.0.1:9/a.mp4")),
        ("query /data/task_result/videos/-/url", Kind.CONTENT),
    ),
    "the path of a result": (
        of_queries(with_video(url="/a.mp4")),
        ("query /data/task_result/videos/-/url", Kind.CONTENT),
    ),
    "a callback that tells another end": (
        of_queries(lambda data: {**data, "updated_at": data["updated_at"] + 1}),
        ("create callback", Kind.CONTENT),
    ),
    "no callback": (never_called_back, ("create callback", Kind.CONTENT)),
}


@pytest.mark.parametrize(("change", "wrong"), WRONG.values(), ids=WRONG)
def test_an_end_that_is_wrong_is_found(impatient, change, wrong):
    assert wrong in found(change)


def test_a_callback_that_does_not_come_is_told(impatient):
    (finding,) = attacked(never_called_back).findings

    assert finding.detail.startswith("none came to http://127.0.0.1:")


def test_the_callback_that_is_told_is_that_of_the_task(monkeypatch):
    wait_for = CallbackListener.wait_for

    def both_ended(bodies):
        return len({json.loads(body)["task_id"] for body in bodies if b'"succeed"' in body}) == 2

    def once_both_ended(listener, is_enough, timeout_s):
        return wait_for(listener, both_ended, timeout_s) and is_enough(listener.bodies)

    monkeypatch.setattr(CallbackListener, "wait_for", once_both_ended)
    change = of_queries(lambda data: {**data, "updated_at": data["updated_at"] + 1})
    (finding,) = attacked(change, "create", "identify", "tts", "query").findings

    told = finding.detail.splitlines()
    assert told[0] == "none is what the query says; the nearest one:"
    assert [line.split()[0] for line in told[1:]] == ["/data/updated_at"]


PAGE = b"<h1>OK</h1>"
BARE = b'{"code": 0, "message": "SUCCEED", "request_id": "1"}'


@pytest.mark.parametrize("body", [PAGE, BARE], ids=["a page", "no data"])
def test_a_server_whose_first_calls_tell_nothing_is_not_judged(body):
    result = attacked(lambda request, answer: replace(answer(request), body=body))

    assert not result.findings
    assert "create after identify and tts" in result.unjudged


def test_a_page_in_place_of_a_task_is_a_crash():
    def page_for_tasks(request, answer):
        given = answer(request)
        return replace(given, body=PAGE) if request.path == CREATE and request.body else given

    assert found(page_for_tasks) == {("", Kind.CRASHED)}


def test_a_server_whose_first_calls_are_refused_is_not_judged():
    result = attacked(lambda request, answer: answer(request._replace(body=b"{}")))

    assert not result.findings
    assert "create after identify and tts" in result.unjudged


def test_a_given_world_that_says_nothing_of_videos_and_voices_is_no_hindrance():
    with serving_with(elsewhere()) as url:
        options = Options(n=0, world=documented().operation.example_world)
        result = fuzz_server(url, options, contract=documented())

    assert not result.findings
    assert not [what for what in result.unjudged if " " in what]


def test_a_server_that_takes_worlds_and_has_no_clock_is_followed_all_the_same():
    def worlds_alone(request, answer):
        if request.path in ("/_mock/reset", "/_mock/clock"):
            return Response(404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>")
        return answer(request)

    with serving_with(worlds_alone) as url:
        options = Options(n=0, operations=("create", "identify", "tts", "query"))
        result = fuzz_server(url, options, contract=documented())

    assert not result.findings
    assert "the clock of the loaded world stands" in result.unjudged["query of a result"]


def test_a_task_that_does_not_end_is_not_judged():
    contract = documented()
    with serving_with() as url:
        target = Target(url, timeout_s=60, paths=contract.request_rules.routes.paths)
        around = Surroundings(lambda case: target.ask(case.request), as_it_is, lambda: True, None, -1, is_alone=True)
        task = FollowedTask(contract, contract.operations, around)
        wrong = list(task.wrong())
        target.close()

    assert not wrong
    assert list(task.unjudged) == ["query of a result"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("hooks.example", "--callback-url hooks.example is not an http(s) URL"),
        ("http://hooks.example/?key=1", "--callback-url http://hooks.example/?key=1 has a query or fragment"),
        ("http://hooks.example/#key", "--callback-url http://hooks.example/#key has a query or fragment"),
        ("http://hooks.example:99999", "cannot listen for callbacks at the port of http://hooks.example:99999"),
    ],
)
def test_a_callback_url_that_leads_nowhere_is_misuse(url, says):
    with serving_with() as server:
        result = CliRunner().invoke(fuzz, [server, "-n", "0", "--callback-url", url])

    assert (result.exit_code, says in result.output) == (2, True), result.output


def test_callbacks_come_to_the_port_that_is_named():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving_with(elsewhere()) as url:
        options = Options(n=0, callback_url=f"http://127.0.0.1:{port}/base")
        assert not fuzz_server(url, options, contract=documented()).findings


WHOLE = {
    "with a length": b"Content-Length: 4\r\n\r\n{ \n}",
    "in chunks": b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\n{ \n\r\n1\r\n}\r\n0\r\n\r\n",
}
BROKEN = {
    "less than its length": b"Content-Length: 5\r\n\r\n{ \n}",
    "a length of 5,000 digits": b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "a length that is no number": b"Content-Length: long\r\n\r\n",
    "a chunk cut short": b"Transfer-Encoding: chunked\r\n\r\n3\r\n{",
    "no last chunk": b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
}


@pytest.fixture
def listener():
    with closing(CallbackListener()) as open_one:
        yield open_one


def connected(listener, rest):
    parts = urlsplit(listener.url)
    connection = socket.create_connection((parts.hostname, parts.port), 10)
    connection.sendall(f"POST {parts.path} HTTP/1.1\r\nHost: here\r\n".encode() + rest)
    return connection


def status_of(listener, rest):
    with connected(listener, rest) as connection:
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return int(answer.read().split()[1])


@pytest.mark.parametrize("sent", WHOLE.values(), ids=WHOLE)
def test_a_callback_is_kept_as_it_came(listener, sent):
    assert status_of(listener, sent) == 200
    assert listener.wait_for(bool, 10)
    assert listener.bodies == [b"{ \n}"]


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_a_callback_that_is_not_whole_is_none(listener, sent):
    assert status_of(listener, sent) == 400
    assert not listener.bodies


def test_a_server_that_hangs_up_in_the_middle_of_a_callback_makes_no_noise(listener, capfd):
    with connected(listener, b"Content-Length: 4\r\n\r\n{") as connection:
        # Connections are taken in turn.
        status_of(listener, WHOLE["with a length"])
        reading = [one for one in threading.enumerate() if "process_request_thread" in one.name]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for one in reading:
        one.join(10)

    assert reading
    assert capfd.readouterr().err == ""
