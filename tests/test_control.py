import time
from urllib.parse import quote

import pytest

from kling_contracts import __version__
from kling_mock_server.core.control_api import MAX_ID_LENGTH
from kling_mock_server.core.inbox import MAX_POST_LENGTH
from kling_mock_server.failures.scenarios import library
from support.serving import AUDIO, NOW_MS, SESSION, Mock, documented, new_app, payload, world

DAY_MS = 24 * 60 * 60 * 1000
MINE = {**payload(), "external_task_id": "mine"}


@pytest.fixture
def mock():
    return Mock()


FULL_WORLD = {
    "now_ms": NOW_MS,
    "sessions": {"s": {"video_ms": 5000, "created_ms": NOW_MS - 1, "faces": {"0": [0, 5000], "脸": [1, 2]}}},
    "audios": {"a": {"duration_ms": 4000, "created_ms": NOW_MS, "flagged": True}},
    "files": {
        "http://x/a.mp3": {"format": "mp3", "size_bytes": 1, "duration_ms": 3000, "decodes": False, "flagged": True},
        "http://x/b": {"format": "ogg", "size_bytes": 2, "decodes": True, "flagged": False},
    },
    "external_task_ids": ["a", "b"],
    "audio_slack_ms": 20,
}


def test_a_world_that_is_put_is_the_world_that_is_got(mock):
    assert mock.control("PUT", "/world", FULL_WORLD) == FULL_WORLD
    assert mock.control("GET", "/world") == FULL_WORLD


def test_the_world_of_a_fresh_account_can_be_put_back(mock):
    fresh = mock.control("GET", "/world")
    mock.put_world(sessions={})
    assert mock.control("PUT", "/world", fresh) == fresh
    assert mock.post(payload()).status == 200


def test_a_world_whose_clock_was_advanced_can_be_put_back(mock):
    mock.put_world()
    mock.advance(DAY_MS + 1)
    saved = mock.control("GET", "/world")
    mock.control("POST", "/reset")
    mock.control("PUT", "/world", saved)
    assert mock.post(payload()).broken == ["session-expired"]


def test_a_world_forgets_every_session_and_audio_that_it_does_not_list(mock):
    assert mock.control("PUT", "/world", {}) == {"sessions": {}, "audios": {}, "external_task_ids": []}
    assert mock.post(payload()).broken == ["session-unknown", "audio-id-unknown"]


def test_a_world_forgets_the_external_ids_of_tasks(mock):
    mock.post(MINE)
    mock.put_world()
    assert mock.post(MINE).status == 200


def test_a_world_lists_the_external_ids_of_tasks(mock):
    mock.put_world(external_task_ids=["theirs"])
    mock.post(MINE)
    assert mock.control("GET", "/world")["external_task_ids"] == ["mine", "theirs"]


def test_a_world_forgets_by_how_much_the_clock_was_advanced(mock):
    mock.advance(DAY_MS + 1)
    mock.put_world()
    assert mock.post(payload()).status == 200
    assert mock.control("GET", "/clock") == {"now_ms": NOW_MS, "standing": True, "advanced_ms": 0}


def test_with_now_ms_the_clock_stands_still(mock):
    mock.put_world()
    assert {mock.post(payload()).data["created_at"] for _ in range(3)} == {NOW_MS}


def test_without_now_ms_the_clock_follows_real_time(mock):
    mock.control("PUT", "/world", {name: value for name, value in world().items() if name != "now_ms"})
    before = time.time_ns() // 1_000_000
    created_at = mock.post(payload()).data["created_at"]
    assert before <= created_at <= time.time_ns() // 1_000_000


def test_an_integer_that_is_written_as_a_float_is_an_integer(mock):
    mock.put_world(
        now_ms=float(NOW_MS),
        sessions={SESSION: {"video_ms": 1e4, "created_ms": 1.75e12, "faces": {"-1": [0.0, 1e4]}}},
        audio_slack_ms=20.0,
    )
    assert b".0" not in mock.ask("GET", "/_mock/world").body
    assert b".0" not in mock.post(payload()).body


@pytest.mark.parametrize(
    ("put", "refusal"),
    [({}, ["clip-past-audio-end"]), ({"audio_slack_ms": 0}, []), ({"audio_slack_ms": 20}, ["clip-past-audio-end"])],
    ids=["left out", "none", "another"],
)
def test_a_world_keeps_the_slack_that_the_mock_was_started_with_unless_it_names_its_own(put, refusal):
    mock = Mock(audio_slack_ms=50)
    mock.put_world(**put)
    assert mock.post(payload(sound_start_time=3000, sound_end_time=8000)).broken == refusal


def test_a_session_is_added_to_those_there_are(mock):
    entry = {"video_ms": 6000, "faces": {"7": [0, 6000]}}
    assert mock.control("PUT", "/sessions/new", entry)["sessions"].keys() == {SESSION, "new"}
    assert mock.post({**payload(face_id="7"), "session_id": "new"}).status == 200
    assert mock.post(payload()).status == 200


def test_a_session_takes_the_place_of_its_namesake(mock):
    mock.control("PUT", f"/sessions/{SESSION}", {"video_ms": 6000, "faces": {"7": [0, 6000]}})
    assert mock.post(payload()).broken == ["face-unknown"]


def test_an_audio_is_added_to_those_there_are(mock):
    assert mock.control("PUT", "/audios/new", {"duration_ms": 5000})["audios"].keys() == {AUDIO, "new"}
    assert mock.post(payload(audio_id="new")).status == 200
    assert mock.post(payload()).status == 200


def test_an_audio_takes_the_place_of_its_namesake(mock):
    mock.control("PUT", f"/audios/{AUDIO}", {"duration_ms": 4999})
    assert mock.post(payload()).broken == ["clip-past-audio-end"]


def test_adding_an_entry_forgets_no_task(mock):
    mock.post(MINE)
    mock.control("PUT", "/audios/new", {"duration_ms": 5000})
    assert mock.post(MINE).broken == ["external-task-id-duplicate"]


@pytest.mark.parametrize("session_id", ["会话-1", "a b", "a%b", "a?b#c", "a+b", "~", ".."])
def test_any_id_can_be_put_percent_encoded(session_id):
    client = new_app().test_client()
    key = {"Authorization": "Bearer key"}
    entry = {"video_ms": 10_000, "faces": {"-1": [0, 10_000]}}
    answer = client.put(f"/_mock/sessions/{quote(session_id, safe='')}", json=entry, headers=key)
    assert session_id in answer.json["data"]["sessions"]


def test_the_clock_tells_its_time(mock):
    mock.put_world()
    assert mock.advance(10) == {"now_ms": NOW_MS + 10, "standing": True, "advanced_ms": 10}
    assert mock.advance(5) == {"now_ms": NOW_MS + 15, "standing": True, "advanced_ms": 15}
    assert mock.control("GET", "/clock") == {"now_ms": NOW_MS + 15, "standing": True, "advanced_ms": 15}


@pytest.mark.parametrize(
    ("advance_ms", "refusal"), [(DAY_MS, []), (DAY_MS + 1, ["session-expired"])], ids=["24 h", "1 ms later"]
)
def test_a_session_expires_after_24_hours_in_one_call(mock, advance_ms, refusal):
    mock.advance(advance_ms)
    assert mock.post(payload()).broken == refusal


@pytest.mark.parametrize(
    ("advance_ms", "refusal"),
    [(30 * DAY_MS, ["session-expired"]), (30 * DAY_MS + 1, ["session-expired", "audio-id-expired"])],
    ids=["30 days", "1 ms later"],
)
def test_an_audio_expires_after_30_days_in_one_call(mock, advance_ms, refusal):
    mock.advance(advance_ms)
    assert mock.post(payload()).broken == refusal


def test_what_is_put_after_the_clock_was_advanced_is_new(mock):
    mock.advance(31 * DAY_MS)
    mock.control("PUT", f"/sessions/{SESSION}", world()["sessions"][SESSION])
    mock.control("PUT", f"/audios/{AUDIO}", world()["audios"][AUDIO])
    assert mock.post(payload()).broken == []


def test_a_reset_goes_back_to_a_fresh_account(mock):
    fresh = mock.control("GET", "/world")
    mock.put_world(sessions={})
    mock.advance(1)
    mock.post(MINE)
    assert mock.control("POST", "/reset") == fresh
    assert mock.control("GET", "/world") == fresh
    assert mock.control("GET", "/clock") | {"now_ms": 0} == {"now_ms": 0, "standing": False, "advanced_ms": 0}
    assert mock.journal() == {"dropped": 0, "entries": []}
    assert mock.post(MINE).status == 200


def test_a_reset_forgets_the_external_ids_of_tasks(mock):
    mock.post(MINE)
    mock.control("POST", "/reset")
    assert mock.post(MINE).status == 200


def test_without_a_limit_the_running_tasks_are_told(mock):
    mock.put_world()
    mock.post(payload())
    assert mock.control("GET", "/limits") == {"concurrency": None, "running": 1}


@pytest.mark.parametrize("concurrency", [0, 1, 10_000, None, 2.0])
def test_a_limit_that_is_put_is_the_limit_that_is_got(mock, concurrency):
    assert mock.control("PUT", "/limits", {"concurrency": concurrency}) == {"concurrency": concurrency, "running": 0}
    assert mock.control("GET", "/limits")["concurrency"] == concurrency
    assert mock.control("GET", "/limits", token="another")["concurrency"] is None


def test_a_reset_goes_back_to_no_limit_and_no_scenario(mock):
    mock.control("PUT", "/limits", {"concurrency": 0})
    mock.control("PUT", "/scenario", {"name": "rate-limited"})
    mock.control("POST", "/reset")
    assert mock.control("GET", "/limits") == {"concurrency": None, "running": 0}
    assert mock.control("GET", "/scenario")["scenario"] is None
    assert mock.post(payload()).status == 200


def test_the_scenarios_that_come_with_the_mock_are_listed(mock):
    rows = mock.control("GET", "/scenarios", token="")
    assert [row["name"] for row in rows] == list(library())
    assert {key for row in rows for key in row} >= {"name", "about", "steps", "expects"}


def test_every_scenario_that_is_listed_can_be_played_by_its_name_or_as_it_is_listed(mock):
    for row in mock.control("GET", "/scenarios", token=""):
        played = mock.control("PUT", "/scenario", {"name": row["name"]})
        assert played == mock.control("PUT", "/scenario", row)
        assert played["scenario"]["name"] == row["name"]


RATE_LIMITED = {"name": "mine", "about": "Too fast, once.", "steps": [{"call": "create", "refuse": 1302}]}


def test_a_scenario_is_played_from_its_first_step_on(mock):
    assert mock.control("PUT", "/scenario", RATE_LIMITED)["scenario"]["name"] == "mine"
    for _ in range(2):
        mock.control("PUT", "/scenario", RATE_LIMITED)
        assert [mock.post(payload()).code for _ in range(2)] == [1302, 0]


def test_a_scenario_is_the_accounts_own(mock):
    mock.control("PUT", "/scenario", RATE_LIMITED, "a")
    assert [mock.post(payload(), token).code for token in ("b", "a")] == [0, 1302]
    assert mock.control("GET", "/scenario", token="b") == {"scenario": None, "progress": None}


def test_a_scenario_that_is_stopped_is_played_no_more(mock):
    mock.control("PUT", "/scenario", RATE_LIMITED)
    assert mock.control("DELETE", "/scenario")["scenario"] is None
    assert mock.post(payload()).code == 0


def test_how_far_a_scenario_has_come_can_be_seen(mock):
    begun = mock.control("PUT", "/scenario", RATE_LIMITED)["progress"]
    mock.post(payload())
    assert mock.control("GET", "/scenario")["progress"] != begun


def test_a_world_that_is_put_keeps_the_scenario_where_it_is(mock):
    mock.control("PUT", "/scenario", {**RATE_LIMITED, "steps": [{"call": "create", "refuse": 1302, "times": 2}]})
    codes = [mock.post(payload()).code]
    mock.put_world()
    codes += [mock.post(payload()).code for _ in range(2)]
    assert codes == [1302, 1302, 0]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="JSON"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"<html>", "<html>", id="HTML"),
        pytest.param(b'{"a": NaN}', '{"a": NaN}', id="what is not quite JSON"),
        pytest.param(b'"\\ud800"', '"\\ud800"', id="half a character"),
        pytest.param(b"[" * 50_000, "[" * 50_000, id="deep nesting"),
        pytest.param(b"1" * 5000, "1" * 5000, id="a number of 5,000 digits"),
        pytest.param(b"\xff", "\\xff", id="another encoding"),
    ],
)
def test_whatever_is_posted_to_the_inbox_can_be_read(mock, body, kept):
    mock.control("POST", "/inbox/mine", body, token="")
    assert [post["body"] for post in mock.control("GET", "/inbox/mine", token="")] == [kept]


@pytest.mark.parametrize("body", [b"x" * (MAX_POST_LENGTH + 1), b"\xff" * MAX_POST_LENGTH])
def test_of_a_long_post_the_beginning_is_kept(mock, body):
    mock.ask("POST", "/_mock/inbox/mine", body, token="", **{"webhook-id": "y" * 1025})
    (post,) = mock.control("GET", "/inbox/mine", token="")
    assert (len(post["body"]), len(post["headers"]["webhook-id"])) == (MAX_POST_LENGTH, 1024)


@pytest.mark.parametrize(("method", "path"), [("PUT", "sessions"), ("PUT", "audios"), ("POST", "inbox")])
def test_an_id_in_a_path_has_a_length_that_is_kept(mock, method, path):
    body = {"duration_ms": 1} if path == "audios" else {"video_ms": 1, "faces": {}}
    answers = [mock.ask(method, f"/_mock/{path}/{'x' * length}", body) for length in (MAX_ID_LENGTH, MAX_ID_LENGTH + 1)]
    assert [answer.status for answer in answers] == [200, 400]
    assert f"at most {MAX_ID_LENGTH}" in answers[1].message


def test_the_rules_are_those_of_the_contract(mock):
    contract = documented()
    expected = [("", rule_id) for rule_id in contract.request_rules.rules]
    for operation in contract.operations:
        expected += [(operation.name, rule.id) for rule in operation.rules]
        expected += [("create", rule_id) for rule_id in contract.account_rules if operation.name == "create"]
    rows = mock.control("GET", "/rules", token="")
    assert [(row["operation"], row["id"]) for row in rows] == expected
    assert {row["id"] for row in rows} == set(contract.every_rule)


def test_a_rule_can_be_asked_for_by_its_id(mock):
    rows = {}
    for row in mock.control("GET", "/rules", token=""):
        # An id that several operations share stands for the first one's.
        rows.setdefault(row["id"], row)
    assert {rule_id: mock.control("GET", f"/rules/{rule_id}", token="") for rule_id in rows} == rows


def test_a_row_holds_all_that_a_refusal_stands_on(mock):
    row = mock.control("GET", "/rules/clip-too-short", token="")
    assert (row["status"], row["code"]) == (400, 1201)
    assert row["quotes"][0]["text"] == "裁剪后音频不得短于2秒"


def test_an_unknown_rule_is_named(mock):
    answer = mock.ask("GET", "/_mock/rules/clip-too-sweet", token="")
    assert answer.status == 404
    assert "clip-too-sweet" in answer.message


def test_the_document_is_the_effective_one(mock):
    import openapi_spec_validator  # Takes two seconds.

    answer = mock.ask("GET", "/_mock/openapi.json", token="")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == documented().document
    openapi_spec_validator.validate(answer.json)


def test_the_document_is_that_of_the_profile():
    upstream = Mock(profile="upstream").ask("GET", "/_mock/openapi.json").json
    assert upstream != documented().document


def test_the_health_says_what_is_running(mock):
    assert mock.control("GET", "/health", token="") == {
        "status": "ok",
        "version": __version__,
        "operations": [
            "createAdvancedLipSync",
            "listAdvancedLipSync",
            "getAdvancedLipSync",
            "identifyFace",
            "createSpeech",
        ],
    }


@pytest.mark.parametrize("path", ["/_mock", "/_mock/"])
def test_the_index_lists_calls_that_there_are(mock, path):
    calls = [call.split() for call in mock.ask("GET", path, token="").data["calls"]]
    assert ["/_mock/world", "PUT"] in calls
    statuses = {(path, method): mock.ask(method, path).status for path, method in calls}
    assert 405 not in statuses.values()
    # Of those with an id in their path only the rules look it up.
    assert [call for call, status in statuses.items() if status == 404] == [("/_mock/rules/{id}", "GET")]


@pytest.mark.parametrize("path", ["/rules/", "/health/", "/clock/", "/world/"])
def test_a_slash_at_the_end_changes_nothing(mock, path):
    assert mock.ask("GET", f"/_mock{path}").status == 200


WORLD = ("PUT", "/world")
CLOCK = ("POST", "/clock")
LIMITS = ("PUT", "/limits")
SCENARIO = ("PUT", "/scenario")
MISTAKES = [
    pytest.param(WORLD, b"", "not JSON", id="no body"),
    pytest.param(WORLD, b"{", "line 1, column 2", id="half an object"),
    pytest.param(WORLD, b'{"now_ms": NaN}', "NaN", id="not a number"),
    pytest.param(WORLD, b'{"now_ms": 1, "now_ms": 2}', "now_ms", id="a key twice"),
    pytest.param(WORLD, b'{"sessions": {"\xff": {}}}', "not UTF-8", id="another encoding"),
    pytest.param(WORLD, b"[" * 100_000, "nested deeper", id="deep nesting"),
    pytest.param(WORLD, b'{"now_ms": 1' + b"0" * 5000 + b"}", "digits", id="a number of 5,000 digits"),
    pytest.param(WORLD, b'{"now_ms": 1' + b"0" * 4000 + b"}", "/now_ms: ", id="a number of 4,000 digits"),
    pytest.param(WORLD, [], "/: ", id="an array"),
    pytest.param(WORLD, {"now_ms": "soon"}, "/now_ms: ", id="a time in words"),
    pytest.param(WORLD, {"now_ms": -1}, "/now_ms: ", id="a time before 1970"),
    pytest.param(WORLD, {"now_ms": 1.5}, "/now_ms: ", id="a fraction"),
    pytest.param(WORLD, {"now_ms": None}, "/now_ms: ", id="null"),
    pytest.param(WORLD, {"now_ms": True}, "/now_ms: ", id="a boolean"),
    pytest.param(WORLD, {"session": {}}, "/session: ", id="an unknown member"),
    pytest.param(WORLD, {"sessions": []}, "/sessions: ", id="sessions as an array"),
    pytest.param(WORLD, {"sessions": {"a": {"video_ms": 1}}}, "/sessions/a/faces: ", id="no faces"),
    pytest.param(WORLD, {"sessions": {"a/b~": {}}}, "/sessions/a~1b~0/video_ms: ", id="an id that a pointer escapes"),
    pytest.param(
        WORLD,
        {"sessions": {"a": {"video_ms": 1, "faces": {"0": [1]}}}},
        "/sessions/a/faces/0: ",
        id="a face without an end",
    ),
    pytest.param(WORLD, {"audios": {"a": {"duration_ms": -1}}}, "/audios/a/duration_ms: ", id="a negative duration"),
    pytest.param(WORLD, {"files": {"u": {"size_bytes": 1}}}, "/files/u/format: ", id="a file of no format"),
    pytest.param(WORLD, {"external_task_ids": ["a", 1]}, "/external_task_ids/1: ", id="an id that is a number"),
    pytest.param(
        WORLD,
        {"external_task_ids": ["a"] * 10_000 + [1]},
        "/external_task_ids/10000: ",
        id="a number far down a huge list",
    ),
    pytest.param(WORLD, {"audio_slack_ms": -1}, "/audio_slack_ms: ", id="a negative slack"),
    pytest.param(("PUT", "/sessions/a"), {"faces": {}}, "/video_ms: ", id="a session without a video"),
    pytest.param(("PUT", "/sessions/a"), b"", "not JSON", id="a session without a body"),
    pytest.param(("PUT", "/audios/a"), {"duration_ms": True}, "/duration_ms: ", id="an audio that lasts true"),
    pytest.param(("PUT", "/audios/a"), {"duration_ms": 1, "length": 1}, "/length: ", id="an audio of a length"),
    pytest.param(CLOCK, b"", "not JSON", id="an advance without a body"),
    pytest.param(CLOCK, {}, "/advance_ms: ", id="an advance by nothing"),
    pytest.param(CLOCK, 1, "/: ", id="an advance that is only a number"),
    pytest.param(CLOCK, {"advance_ms": -1}, "/advance_ms: ", id="a step back"),
    pytest.param(CLOCK, {"advance_ms": "1"}, "/advance_ms: ", id="an advance in words"),
    pytest.param(CLOCK, {"advance_ms": 1.5}, "/advance_ms: ", id="an advance by a fraction"),
    pytest.param(CLOCK, {"advance_ms": 2**53 + 1}, "/advance_ms: ", id="an advance beyond all time"),
    pytest.param(CLOCK, {"advance_ms": 1, "advanced_ms": 1}, "/advanced_ms: ", id="an unknown member of an advance"),
    pytest.param(LIMITS, b"", "not JSON", id="a limit without a body"),
    pytest.param(LIMITS, {}, "/concurrency: ", id="a limit of nothing"),
    pytest.param(LIMITS, 1, "/: ", id="a limit that is only a number"),
    pytest.param(LIMITS, {"concurrency": -1}, "/concurrency: ", id="less than no task"),
    pytest.param(LIMITS, {"concurrency": 10_001}, "/concurrency: ", id="more tasks than are kept"),
    pytest.param(LIMITS, {"concurrency": 1.5}, "/concurrency: ", id="half a task"),
    pytest.param(LIMITS, {"concurrency": "1"}, "/concurrency: ", id="a limit in words"),
    pytest.param(LIMITS, {"concurrency": True}, "/concurrency: ", id="a limit that is true"),
    pytest.param(LIMITS, {"concurrency": 1, "rate": 1}, "/rate: ", id="an unknown limit"),
    pytest.param(SCENARIO, b"", "not JSON", id="a scenario without a body"),
    pytest.param(SCENARIO, "rate-limited", "/: ", id="only the name of a scenario"),
    pytest.param(SCENARIO, None, "/: ", id="a scenario that is null"),
    pytest.param(SCENARIO, {"name": "rate-limitd"}, "did you mean rate-limited", id="a scenario that there is not"),
    pytest.param(SCENARIO, {"name": 1}, "/name: ", id="a scenario by number"),
    pytest.param(SCENARIO, {"name": "mine", "steps": []}, "/steps: ", id="a scenario of no step"),
    pytest.param(SCENARIO, {"name": "mine", "steps": [{"call": "poll"}]}, "/steps/0/call: ", id="an unknown operation"),
]


@pytest.mark.parametrize(("call", "body", "said"), MISTAKES)
def test_a_mistake_is_a_400_that_says_where(mock, call, body, said):
    method, path = call
    answer = mock.ask(method, f"/_mock{path}", body)
    assert (answer.status, answer.code) == (400, 1200)
    assert said in answer.message


@pytest.mark.parametrize(("call", "body", "said"), MISTAKES)
def test_a_mistake_changes_nothing(mock, call, body, said):
    method, path = call
    mock.put_world()
    mock.post(MINE)
    looks = ("/world", "/clock", "/limits", "/scenario")
    before = [mock.control("GET", look) for look in looks]
    mock.ask(method, f"/_mock{path}", body)
    assert [mock.control("GET", look) for look in looks] == before


def test_every_mistake_of_a_world_is_named(mock):
    answer = mock.ask("PUT", "/_mock/world", {"now_ms": "soon", "audio": {}, "external_task_ids": [1]})
    assert sorted(line.partition(":")[0] for line in answer.message.splitlines()) == [
        "/audio",
        "/external_task_ids/0",
        "/now_ms",
    ]


def test_a_world_of_nothing_but_mistakes_is_not_answered_at_the_same_length(mock):
    answer = mock.ask("PUT", "/_mock/world", {"external_task_ids": [1] * 100_000})
    assert answer.status == 400
    assert len(answer.body) < 100_000


def test_a_huge_world_is_taken(mock):
    ids = [str(number) for number in range(10**5, 2 * 10**5)]
    mock.put_world(external_task_ids=ids)
    assert mock.control("GET", "/world")["external_task_ids"] == ids


@pytest.mark.parametrize("path", ["/nothing", "/world/x", "/sessions", "/sessions/a/b", "/audios/", "//world", "x"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_unknown_path_is_a_404_that_names_it(mock, method, path):
    answer = mock.ask(method, f"/_mock/{path}")
    assert (answer.status, answer.code) == (404, 1202)
    assert path.rstrip("/") in answer.message


def test_a_path_that_only_begins_like_the_control_surface_is_none_of_it(mock):
    assert mock.ask("GET", "/_mocking").broken == ["path"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "", "GET"),
        ("POST", "/health", "GET"),
        ("PUT", "/rules", "GET"),
        ("DELETE", "/rules/clip-too-short", "GET"),
        ("POST", "/openapi.json", "GET"),
        ("POST", "/world", "GET, PUT"),
        ("GET", "/sessions/a", "PUT"),
        ("POST", "/audios/a", "PUT"),
        ("PUT", "/clock", "GET, POST"),
        ("POST", "/limits", "GET, PUT"),
        ("POST", "/scenario", "GET, PUT, DELETE"),
        ("PUT", "/scenarios", "GET"),
        ("DELETE", "/inbox/a", "GET, POST"),
        ("GET", "/reset", "POST"),
        ("DELETE", "/journal", "GET"),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_ones(mock, method, path, allowed):
    answer = mock.ask(method, f"/_mock{path}")
    assert (answer.status, answer.code) == (405, 1202)
    assert answer.headers["Allow"] == allowed
    assert allowed in answer.message


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, 1001), ({"authorization": " "}, 1001), ({"authorization": "Basic a2V5"}, 1002)],
    ids=["none", "blank", "another scheme"],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/world"), ("PUT", "/audios/a"), ("POST", "/clock"), ("POST", "/reset")]
)
def test_a_call_without_a_key_is_told_to_send_one(mock, method, path, headers, code):
    answer = mock.ask(method, f"/_mock{path}", token="", **headers)
    assert (answer.status, answer.code) == (401, code)
    assert "send the key that your client sends" in answer.message


def test_calls_of_the_control_surface_are_not_journalled(mock):
    mock.put_world()
    mock.ask("PUT", "/_mock/world", b"")
    assert mock.journal()["entries"] == []
