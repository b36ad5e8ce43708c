"""`POST /_mock/check`: a payload judged against the caller's world, and nothing kept of it."""

import pytest

from support.serving import Mock, payload


@pytest.fixture
def mock():
    return Mock(fetch="none")


def broken(report):
    return [violation["rule"] for violation in report["violations"]]


def test_a_right_payload_is_valid(mock):
    report = mock.control("POST", "/check", payload())
    assert report["valid"]
    assert (report["violations"], report["unverified"], report["notes"]) == ([], [], [])


@pytest.mark.parametrize(("end_ms", "rules"), [(2000, []), (1999, ["clip-too-short", "face-overlap-too-short"])])
def test_the_report_names_every_broken_rule_with_what_was_found_and_wanted(mock, end_ms, rules):
    report = mock.control("POST", "/check", payload(sound_end_time=end_ms))
    assert broken(report) == rules
    assert [(v["found"], v["wanted"]) for v in report["violations"]][:1] == [("1999", "at least 2000")][: len(rules)]


def test_the_report_has_the_times_of_every_item(mock):
    (bars,) = mock.control("POST", "/check", payload())["timelines"]
    assert [(bar["label"], bar["start_ms"], bar["end_ms"]) for bar in bars] == [
        ("video", 0, 10_000),
        ("face", 0, 10_000),
        ("inserted", 1000, 6000),
        ("overlap", 1000, 6000),
        ("audio", 0, 8000),
        ("clip", 0, 5000),
    ]


def test_it_is_judged_against_the_callers_world(mock):
    mock.put_world(token="theirs", sessions={})
    assert broken(mock.control("POST", "/check", payload(), token="theirs")) == ["session-unknown"]
    assert mock.control("POST", "/check", payload())["valid"]


def test_it_is_judged_at_the_time_of_the_callers_clock(mock):
    mock.advance(25 * 60 * 60 * 1000)
    assert broken(mock.control("POST", "/check", payload())) == ["session-expired"]


def test_nothing_is_stored(mock):
    mine = {**payload(), "external_task_id": "mine"}
    world = mock.control("GET", "/world")
    for _ in range(2):
        assert mock.control("POST", "/check", mine)["valid"]
    for operation, body in (("identify", {"video_id": "1"}), ("tts", {"text": "Hello", "voice_id": "oversea_male1"})):
        mock.control("POST", f"/check?operation={operation}", body)
    assert mock.control("GET", "/world") == world
    assert mock.journal() == {"dropped": 0, "entries": []}
    assert mock.control("GET", "/limits")["running"] == 0


@pytest.mark.parametrize(
    ("operation", "body", "rules"),
    [
        ("create", {}, ["session_id.required", "face_choose.required"]),
        ("identify", {}, ["video-source-missing"]),
        ("tts", {"text": ""}, ["voice_id.required", "voice_language.required", "text.minLength"]),
        ("query", {"task_id": "1"}, ["task-unknown"]),
        ("list", {"pageNum": 0}, ["pageNum.minimum"]),
    ],
)
def test_the_payload_of_any_operation_can_be_judged(mock, operation, body, rules):
    assert broken(mock.control("POST", f"/check?operation={operation}", body)) == rules


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": NaN}', b"[" * 100_000, b"\xff", b'{"a": 1, "a": 2}'],
    ids=["nothing", "half", "NaN", "deep", "not UTF-8", "a key twice"],
)
def test_what_is_not_json_breaks_the_rule_that_says_so(mock, body):
    report = mock.control("POST", "/check", body)
    assert (report["valid"], broken(report)) == (False, ["body-json"])


@pytest.mark.parametrize("body", [None, [], "text", 5, {"face_choose": 5}, {"face_choose": [1]}])
def test_any_json_has_a_report(mock, body):
    assert not mock.control("POST", "/check", body)["valid"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("operation=delete", "there is no operation 'delete'; there is create, list, query, identify, tts"),
        ("operation=", "there is no operation ''"),
        ("op=create", "'op' is no parameter of this call; it takes operation"),
    ],
)
def test_a_query_that_says_something_else_is_refused(mock, query, said):
    answer = mock.ask("POST", f"/_mock/check?{query}", payload())
    assert answer.status == 400
    assert said in answer.message


def test_a_key_is_needed(mock):
    assert mock.ask("POST", "/_mock/check", payload(), token="").status == 401
