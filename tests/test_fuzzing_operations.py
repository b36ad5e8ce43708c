"""Fuzzing calls every operation: what is wrong with the four around create is found, too."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from kling_contracts import Response, World
from kling_contracts.audits import Kind
from kling_contracts.cases.catalogue import catalogue
from kling_contracts.cases.generator import generate
from kling_mock_server.cli.fuzz import fuzz
from kling_mock_server.testing.fuzzing import Options, fuzz_server
from support.serving import NOW_MS, documented
from support.spoilt_servers import forgets, serving_with, spoilt_contract

CREATE = "/kling/v1/videos/advanced-lip-sync"


def attacked(*operations, n=0, **server):
    with serving_with(**server) as url:
        return fuzz_server(url, Options(n=n, operations=operations), contract=documented())


def called(*operations, **options):
    """The operations that are called where these are chosen."""
    asked = set()

    def watch(request, answer):
        if not request.path.startswith("/_mock"):
            asked.add((request.method, request.path.removesuffix("/").rpartition("/")[2]))
        return answer(request)

    with serving_with(change=watch) as url:
        fuzz_server(url, Options(n=20, operations=operations, **options), contract=documented())
    return asked


def test_only_the_operation_that_is_chosen_is_called():
    asked = called("tts")

    assert ("POST", "tts") in asked
    assert not {("POST", "advanced-lip-sync"), ("GET", "advanced-lip-sync"), ("POST", "identify-face")} & asked


def test_all_stands_for_every_operation():
    assert called("all", rules=["voice-unknown"]) == {("POST", "tts")}


def test_of_a_rule_only_the_operations_that_have_it_are_called():
    asked = called(rules=["voice-unknown"])

    assert {("POST", "tts")} == asked


def test_what_was_not_chosen_is_not_told_as_unjudged():
    result = attacked("list")

    assert not result.findings
    assert not result.unjudged
    assert "session-unknown" not in {row.rule for row in result.rows}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--operation", "speak"], "the contract has no operation speak; it has: create, list, query, identify, tts"),
        (["--operation", "list", "--rule", "voice-unknown"], "there is no rule 'voice-unknown'"),
    ],
)
def test_what_the_contract_has_not_is_misuse(options, told):
    result = CliRunner().invoke(fuzz, ["http://127.0.0.1:9", *options])

    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize(
    ("target", "option", "value", "told"),
    [
        ("json:dumps", "--operation", "tts", "--operation says nothing about a validator or builder"),
        ("json:dumps", "--rule", "clip-too-short", "--rule says nothing about a validator or builder"),
        ("json:dumps", "--time", "1", "--time says nothing about a validator or builder"),
        ("http://127.0.0.1:9", "--as", "builder", "--as says nothing about a server"),
        ("http://127.0.0.1:9", "--webhook-secret", "whsec_MTIz", "--webhook-secret says nothing about a server"),
    ],
)
def test_an_option_for_another_kind_of_target_is_misuse(target, option, value, told):
    result = CliRunner().invoke(fuzz, [target, option, value])

    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize("option", [["--only-invalid"], ["--rule", "clip-too-short"]], ids=lambda option: option[0])
def test_a_callback_url_is_misuse_where_no_task_is_followed(option):
    result = CliRunner().invoke(fuzz, ["http://127.0.0.1:9", "--callback-url", "http://127.0.0.1:9", *option])

    assert result.exit_code == 2
    assert f"no task is followed with {option[0]}, so --callback-url says nothing" in result.output


def test_the_environment_may_hold_options_for_other_kinds_of_targets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lenient.py").write_text("def validate(payload): return True", encoding="utf-8")
    result = CliRunner(env={"KLINGKIT_WEBHOOK_SECRET": "whsec_MTIz"}).invoke(fuzz, ["lenient:validate", "-n", "0"])

    assert result.exit_code == 1, result.output


@pytest.mark.parametrize(
    ("operation", "old", "new", "rule"),
    [
        ("identify", "facts.video.duration_ms >= 2000", "facts.video.duration_ms >= 2001", "video-too-short"),
        ("identify", "facts.video.faces >= 1", "facts.video.faces >= 2", "no-human"),
        ("tts", '"maxLength": 1000', '"maxLength": 999', "text.maxLength"),
        ("list", '"maximum": 500', '"maximum": 501', "pageSize.maximum"),
    ],
)
def test_a_limit_that_is_off_by_one_is_found(operation, old, new, rule):
    result = attacked(operation, contract=spoilt_contract(old, new))

    assert {finding.rule for finding in result.findings} == {rule}


def test_a_server_that_reports_any_unknown_task_as_submitted_is_found():
    contract = spoilt_contract("has(facts.task)", "has(facts.task) || self == self", operation="query")

    result = attacked("query", contract=contract)

    assert ("task-unknown", Kind.ACCEPTED) in {(finding.rule, finding.kind) for finding in result.findings}


def told_otherwise(path, method, edit):
    """A change of every accepted answer of one operation: `edit` takes its data and returns what is sent instead."""

    def change(request, answer):
        given = answer(request)
        asked = request.method == method and request.path.startswith(path) and (path == request.path or method == "GET")
        if given.status != 200 or not asked or "_mock" in request.path:
            return given
        envelope = json.loads(given.body)
        return replace(given, body=json.dumps({**envelope, "data": edit(envelope["data"])}).encode())

    return change


def member(*path, value):
    """An edit that puts a value, or what a function makes of the one there, in place of a member."""

    def edit(data):
        *outer, last = path
        holder = data
        for step in outer:
            holder = holder[step]
        holder[last] = value(holder[last]) if callable(value) else value
        return data

    return edit


def without(name):
    return lambda data: {key: value for key, value in data.items() if key != name}


def of_result(change):
    """An edit of the videos of a task that has succeeded."""

    def edit(data):
        result = {"videos": [change(video) for video in data.get("task_result", {}).get("videos", ())]}
        return {**data, "task_result": result} if "task_result" in data else data

    return edit


QUERY, IDENTIFY, TTS = f"{CREATE}/", "/kling/v1/videos/identify-face", "/kling/v1/audio/tts"
WRONG_ANSWERS = {
    "always submitted": ("query", QUERY, "GET", member("task_status", value="submitted"), "/data/task_status"),
    "another time of creation": ("query", QUERY, "GET", member("created_at", value=NOW_MS), "/data/created_at"),
    "times in seconds": ("query", QUERY, "GET", member("updated_at", value=lambda ms: ms // 1000), "/data/updated_at"),
    "no updates": ("query", QUERY, "GET", lambda data: {**data, "updated_at": data["created_at"]}, "/data/updated_at"),
    "another task": ("query", QUERY, "GET", member("task_id", value="1"), "/data/task_id"),
    "never a reason": ("query", QUERY, "GET", member("task_status_msg", value=""), "/data/task_status_msg"),
    "a result at once": (
        "query",
        QUERY,
        "GET",
        lambda data: {"task_result": {"videos": [{"id": "1", "url": "https://a.example/", "duration": "1"}]}, **data},
        "/data/task_result",
    ),
    "never a result": ("query", QUERY, "GET", without("task_result"), "/data/task_result"),
    "a duration in ms": (
        "query",
        QUERY,
        "GET",
        member("task_info", "parent_video", "duration", value=lambda text: f"{text}000"),
        "/data/task_info/parent_video/duration",
    ),
    "a list turned around": ("list", CREATE, "GET", lambda data: data[::-1], "/data"),
    "a list cut short": ("list", CREATE, "GET", lambda data: data[:-1], "/data"),
    "one page for all": ("list", CREATE, "GET", lambda data: data or [OLD_TASK], "/data"),
    "no list": ("list", CREATE, "GET", lambda data: {"tasks": data}, "/data"),
    "a face too few": (
        "identify",
        IDENTIFY,
        "POST",
        member("face_data", value=lambda faces: faces[1:]),
        "/data/face_data",
    ),
    "faces from the start": (
        "identify",
        IDENTIFY,
        "POST",
        member("face_data", value=lambda faces: [{**face, "start_time": 0} for face in faces]),
        "/data/face_data",
    ),
    "face ids as numbers": (
        "identify",
        IDENTIFY,
        "POST",
        member("face_data", value=lambda faces: [{**face, "face_id": int(face["face_id"])} for face in faces]),
        "/data/face_data/-/face_id",
    ),
    "no session": ("identify", IDENTIFY, "POST", without("session_id"), "/data/session_id"),
    "a length in ms": (
        "tts",
        TTS,
        "POST",
        member("task_result", "audios", 0, "duration", value=2300),
        "/data/task_result/audios/-/duration",
    ),
    "a voice that is said to last longer": (
        "tts",
        TTS,
        "POST",
        member("task_result", "audios", 0, "duration", value=lambda text: f"{float(text) + 0.1:.3f}"),
        "/data/task_result/audios/-/duration",
    ),
    "a length in whole seconds": (
        "tts",
        TTS,
        "POST",
        member("task_result", "audios", 0, "duration", value=lambda text: text.partition(".")[0]),
        "/data/task_result/audios/-/duration",
    ),
    "no audio": ("tts", TTS, "POST", without("task_result"), "/data/task_result"),
    "the time of the machine": ("tts", TTS, "POST", member("created_at", value=NOW_MS + 1), "/data/created_at"),
    "one id for all tasks": ("create", CREATE, "POST", member("task_id", value="1"), "/data/task_id"),
    "done at once": ("create", CREATE, "POST", member("task_status", value="succeed"), "/data/task_status"),
    "one session for all videos": ("identify", IDENTIFY, "POST", member("session_id", value="1"), "/data/session_id"),
    "one audio for all texts": (
        "tts",
        TTS,
        "POST",
        member("task_result", "audios", 0, "id", value="1"),
        "/data/task_result/audios/-/id",
    ),
    "an audio that is not there": (
        "tts",
        TTS,
        "POST",
        member("task_result", "audios", 0, "url", value=lambda url: f"{url}x"),
        "/data/task_result/audios/-/url",
    ),
    "a result of 5 s": (
        "query",
        QUERY,
        "GET",
        of_result(lambda video: {**video, "duration": "5"}),
        "/data/task_result/videos/-/duration",
    ),
    "a result without a video": (
        "query",
        QUERY,
        "GET",
        lambda data: {**data, "task_result": {"videos": []}} if "task_result" in data else data,
        "/data/task_result/videos",
    ),
    "a result that is not there": (
        "query",
        QUERY,
        "GET",
        of_result(lambda video: {**video, "url": f"{video['url']}x"}),
        "/data/task_result/videos/-/url",
    ),
    "a result in a list that is not there": (
        "list",
        CREATE,
        "GET",
        lambda data: [of_result(lambda video: {**video, "url": f"{video['url']}x"})(task) for task in data],
        "/data/-/task_result/videos/-/url",
    ),
    "the path of a result": (
        "query",
        QUERY,
        "GET",
        of_result(lambda video: {**video, "url": urlsplit(video["url"]).path}),
        "/data/task_result/videos/-/url",
    ),
    "two results": (
        "query",
        QUERY,
        "GET",
        lambda data: (
            {**data, "task_result": {"videos": data["task_result"]["videos"] * 2}} if "task_result" in data else data
        ),
        "/data/task_result/videos",
    ),
    "a picture that is not there": (
        "identify",
        IDENTIFY,
        "POST",
        member("face_data", value=lambda faces: [{**face, "face_image": f"{face['face_image']}x"} for face in faces]),
        "/data/face_data/-/face_image",
    ),
    "another external id": (
        "create",
        CREATE,
        "POST",
        member("task_info", "external_task_id", value="none"),
        "/data/task_info/external_task_id",
    ),
}
OLD_TASK = {
    "task_id": "1",
    "task_status": "succeed",
    "task_status_msg": "",
    "task_info": {"parent_video": {"id": "1", "url": "https://files.example/a.mp4", "duration": "10"}},
    "created_at": 1,
    "updated_at": 1,
}


@pytest.mark.parametrize(("operation", "path", "method", "edit", "where"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_an_answer_that_holds_something_else_is_found(monkeypatch, operation, path, method, edit, where):
    kept = list(generate(0, 60, documented(), operation=operation, valid=True))
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.catalogue", lambda contract, operation: kept)
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.server_catalogue", lambda contract, operation: ())

    result = attacked(operation, change=told_otherwise(path, method, edit))

    assert {(finding.rule, finding.kind) for finding in result.findings} == {(f"{operation} {where}", Kind.CONTENT)}


def answered_otherwise(**changes):
    return lambda request, answer: answer(request) if "_mock" in request.path else replace(answer(request), **changes)


def in_the_envelope(status, **members):
    def change(request, answer):
        given = answer(request)
        if given.status != status or "_mock" in request.path:
            return given
        return replace(given, body=json.dumps({**json.loads(given.body), **members}).encode())

    return change


def created(request, answer):
    given = answer(request)
    return replace(given, status=201) if given.status == 200 and "_mock" not in request.path else given


def body_first(request, answer):
    """A server that looks at the body before it looks at who sent it."""
    if request.path.endswith("tts") and not request.body.endswith(b"}"):
        request = request._replace(headers={**request.headers, "authorization": "Bearer anybody"})
    return answer(request)


@pytest.mark.parametrize(
    ("change", "rule", "kind"),
    [
        (created, "", Kind.ANSWER),
        (answered_otherwise(headers={"Content-Type": "text/html"}), "tts content-type", Kind.CONTENT),
        (in_the_envelope(200, request_id="1"), "tts /request_id", Kind.CONTENT),
        (in_the_envelope(400, message=""), "tts /message", Kind.CONTENT),
        (body_first, "authorization-missing", Kind.ANSWER),
    ],
    ids=["201", "HTML", "one request id", "no message", "body before key"],
)
def test_an_answer_in_another_form_is_found(change, rule, kind):
    assert (rule, kind) in {(finding.rule, finding.kind) for finding in attacked("tts", change=change).findings}


def test_a_refusal_without_the_documented_members_is_found():
    def change(request, answer):
        given = answer(request)
        if given.status != 400 or "_mock" in request.path:
            return given
        return replace(given, body=json.dumps({**json.loads(given.body), "code": 1999}).encode())

    result = attacked("list", change=change)

    assert ("list /code", Kind.CONTENT) in {(finding.rule, finding.kind) for finding in result.findings}


def forgetful(path_ends, edit):
    """A server whose answer to a look-up is right for a task of the world, and wrong for one that was just created."""
    created = set()

    def change(request, answer):
        given = answer(request)
        if request.path.startswith("/_mock"):
            created.clear()
        elif given.status == 200 and request.method == "POST" and request.path == CREATE:
            created.add(json.loads(given.body)["data"]["task_id"])
        elif given.status == 200 and created and request.path.endswith(path_ends(created)):
            envelope = json.loads(given.body)
            return replace(given, body=json.dumps({**envelope, "data": edit(envelope["data"])}).encode())
        return given

    return change


SEQUENCES = {
    "another time of creation": (forgetful(tuple, member("created_at", value=5)), "query /data/created_at"),
    "a task without the caller's id": (
        forgetful(tuple, member("task_info", "external_task_id", value="")),
        "query /data/task_info/external_task_id",
    ),
    "a list without the newest": (forgetful(lambda created: CREATE, lambda data: []), "list /data"),
    "always the first page": (
        forgetful(lambda created: CREATE, lambda data: [{**task, "task_id": "1"} for task in data]),
        "list /data/-/task_id",
    ),
}


@pytest.fixture
def sequences_alone(monkeypatch):
    """Leave out all cases but sequences."""
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.catalogue", lambda contract, operation: ())
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.server_catalogue", lambda contract, operation: ())


@pytest.mark.parametrize(("change", "rule"), SEQUENCES.values(), ids=SEQUENCES)
def test_what_only_a_sequence_of_requests_tells_is_found(sequences_alone, change, rule):
    result = attacked("create", "query", "list", change=change)

    assert {(finding.rule, finding.kind) for finding in result.findings} == {(rule, Kind.CONTENT)}


def test_a_server_that_takes_an_external_id_twice_is_found(sequences_alone):
    def change(request, answer):
        given = answer(request)
        if "external-task-id-duplicate" in given.headers.get("X-Contract-Violations", ""):
            return answer(request._replace(body=request.body.replace(b'"external_task_id"', b'"x_unknown"')))
        return given

    result = attacked("create", "query", "list", change=change)

    assert ("external-task-id-duplicate", Kind.ACCEPTED) in {(one.rule, one.kind) for one in result.findings}


def test_a_server_that_takes_an_empty_external_id_once_is_found(sequences_alone):
    seen = set()

    def change(request, answer):
        if b'"external_task_id": ""' in request.body and request.path == CREATE:
            if seen:
                return Response(400, {"Content-Type": "application/json"}, DUPLICATE)
            seen.add(request.path)
        return answer(request)

    (finding,) = attacked("create", "query", "list", change=change).findings

    assert (finding.rule, finding.kind) == ("", Kind.REFUSED)
    assert finding.detail.startswith("sent twice with external_task_id empty; the second time it answered 400 / 1201")


DUPLICATE = b'{"code": 1201, "message": "External_task_id  already exists", "request_id": "1", "data": null}'


def test_the_mock_keeps_what_it_was_told(sequences_alone):
    assert not attacked("create", "query", "list").findings


TWO_OF_EACH = {
    "now_ms": NOW_MS,
    "sessions": {
        "session-1": {"video_ms": 10_000, "faces": {"0": [0, 10_000], "1": [2000, 7000]}},
        "session-2": {"video_ms": 30_000, "faces": {"8": [1000, 29_000], "9": [0, 4000]}},
    },
    "audios": {"audio-1": {"duration_ms": 8000}, "audio-2": {"duration_ms": 20_000}},
    "files": {
        "https://ours.example/1.mp3": {"format": "mp3", "size_bytes": 16_000, "duration_ms": 6000},
        "https://ours.example/2.wav": {"format": "wav", "size_bytes": 160_000, "duration_ms": 9000},
    },
    "videos": {
        name: {"size_bytes": 1_000_000, "duration_ms": 10_000, "faces": {"0": [0, 5200]}}
        for name in ("video-1", "video-2", "https://ours.example/1.mp4", "https://ours.example/2.mp4")
    },
    "voices": {"voice-1": "en", "voice-2": "zh"},
    "tasks": {
        f"task-{number}": {
            "created_ms": NOW_MS - 5000,
            "begins_ms": NOW_MS - 4000,
            "ends_ms": NOW_MS - number,
            "succeeds": True,
            "video_ms": 10_000,
            "external_task_id": f"ours-{number}",
        }
        for number in (1, 2)
    },
}
NAMED = {
    "create": ["session-1", "session-2", "audio-1", "audio-2", "1.mp3", "2.wav"],
    "list": [],
    "query": ["task-1", "task-2", "ours-1", "ours-2"],
    "identify": ["video-1", "video-2", "1.mp4", "2.mp4"],
    "tts": ["voice-1", "voice-2"],
}


@pytest.mark.parametrize("operation", NAMED)
def test_a_server_is_asked_for_the_entries_of_the_world_that_it_holds(monkeypatch, operation):
    rows = generate(0, 60, documented(), operation=operation, valid=True)
    broken = [row for row in catalogue(documented(), operation=operation) if row.breaks][::5]
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.catalogue", lambda contract, operation: (*rows, *broken))
    accepted = []

    def without_control(request, answer):
        if request.path.startswith("/_mock"):
            return Response(404, {}, b"")
        given = answer(request)
        accepted.extend([f"{request.path} {request.body}"] if given.status == 200 else [])
        return given

    with serving_with(without_control, world=TWO_OF_EACH) as url:
        options = Options(n=0, world=World.from_json(TWO_OF_EACH), operations=(operation,))
        result = fuzz_server(url, options, contract=documented())

    assert not result.findings
    assert len(accepted) >= 55
    assert {name for name in NAMED[operation] for one in accepted if name in one} == set(NAMED[operation])


FORGOTTEN = {
    "sessions of identify-face": (forgets(IDENTIFY, "session_id"), "identify", "session-unknown"),
    "faces of identify-face": (forgets(IDENTIFY, "face_data", 0, "face_id"), "identify", "face-unknown"),
    "audios of tts": (forgets(TTS, "task_result", "audios", 0, "id"), "tts", "audio-id-unknown"),
}


@pytest.mark.parametrize(("change", "source", "rule"), FORGOTTEN.values(), ids=FORGOTTEN)
def test_a_server_that_does_not_know_an_id_again_is_found(sequences_alone, change, source, rule):
    (finding,) = attacked("create", "identify", "tts", change=change).findings

    assert (finding.rule, finding.kind) == (rule, Kind.REFUSED)
    assert f"{source} answered {{" in finding.detail
    assert "create does not know it: answered 400 / 1201" in finding.detail


def naming_no_rule(change):
    def changed(request, answer):
        given = change(request, answer)
        headers = {name: value for name, value in given.headers.items() if name != "X-Contract-Violations"}
        return replace(given, headers=headers)

    return changed


def test_a_server_that_names_no_rule_is_found_to_forget(sequences_alone):
    (finding,) = attacked("create", "identify", change=naming_no_rule(forgets(IDENTIFY, "session_id"))).findings

    assert finding.kind == Kind.REFUSED


def test_an_audio_that_is_too_short_for_one_payload_is_not_taken_for_unknown(sequences_alone):
    assert not attacked("create", "tts", change=naming_no_rule(lambda request, answer: answer(request))).findings


def test_what_the_mock_answers_can_be_used_in_the_next_call(sequences_alone):
    assert not attacked("create", "identify", "tts").findings
