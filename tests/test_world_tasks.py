"""A world may hold tasks: the clock decides on their status, and an account answers for them as for its own."""

import pytest

from kling_contracts import Contract, Request, World
from support.serving import NOW_MS, PATH, Mock, payload, world

TASKS = {
    "825466120331415623": {
        "created_ms": NOW_MS - 2000,
        "begins_ms": NOW_MS,
        "ends_ms": NOW_MS + 1000,
        "succeeds": True,
        "external_task_id": "order-17",
        "video_ms": 9500,
        "video_id": "700000000000000001",
        "video_url": "https://files.example/a.mp4",
    },
    "old": {"created_ms": NOW_MS - 9000, "begins_ms": NOW_MS - 9000, "succeeds": False, "video_ms": 2000},
}
TASK = TASKS["825466120331415623"]
ONE = "825466120331415623"


@pytest.fixture
def mock():
    mock = Mock()
    mock.put_world(tasks=TASKS)
    return mock


def query(mock, name):
    return mock.ask("GET", f"{PATH}/{name}")


def test_tasks_that_are_put_are_the_tasks_that_are_got(mock):
    assert mock.control("GET", "/world")["tasks"] == TASKS


def test_a_task_that_was_created_can_be_put_back(mock):
    mock.post({**payload(), "external_task_id": "mine"})
    task_id = query(mock, "mine").data["task_id"]
    saved = mock.control("GET", "/world")
    mock.control("POST", "/reset")
    mock.control("PUT", "/world", saved)
    assert query(mock, "mine").data["task_id"] == task_id
    assert len(mock.ask("GET", PATH).data) == 3


def test_a_world_without_tasks_forgets_those_that_were_created(mock):
    mock.put_world()
    assert query(mock, ONE).status == 400
    assert "tasks" not in mock.control("GET", "/world")


@pytest.mark.parametrize(
    ("advanced_ms", "status", "since_ms"),
    [(0, "processing", 0), (999, "processing", 0), (1000, "succeed", 1000), (10**6, "succeed", 1000)],
)
def test_the_clock_decides_on_the_status(mock, advanced_ms, status, since_ms):
    mock.advance(advanced_ms)
    task = query(mock, ONE).data
    assert (task["task_status"], task["created_at"]) == (status, NOW_MS - 2000)
    assert task["updated_at"] == NOW_MS + since_ms


def test_a_task_is_submitted_until_it_begins(mock):
    mock.put_world(tasks={"a": {**TASK, "begins_ms": NOW_MS + 1}})
    assert query(mock, "a").data["task_status"] == "submitted"
    mock.advance(1)
    assert query(mock, "a").data["task_status"] == "processing"


def test_a_task_without_an_end_never_ends_and_one_that_fails_says_why(mock):
    assert query(mock, "old").data["task_status"] == "processing"
    mock.put_world(tasks={"old": {**TASKS["old"], "ends_ms": NOW_MS, "message": "no face was found"}})
    task = query(mock, "old").data
    assert (task["task_status"], task["task_status_msg"]) == ("failed", "no face was found")
    assert "task_result" not in task


def test_a_task_is_found_by_its_external_id_which_is_taken(mock):
    assert query(mock, "order-17").data == query(mock, ONE).data
    assert mock.post({**payload(), "external_task_id": "order-17"}).broken == ["external-task-id-duplicate"]


def test_the_newest_comes_first_however_they_are_listed(mock):
    mock.put_world(tasks=dict(reversed(TASKS.items())))
    assert [task["task_id"] for task in mock.ask("GET", PATH).data] == [ONE, "old"]
    created = mock.post(payload()).data["task_id"]
    assert [task["task_id"] for task in mock.ask("GET", f"{PATH}?pageSize=2").data] == [created, ONE]
    assert [task["task_id"] for task in mock.ask("GET", f"{PATH}?pageNum=2&pageSize=2").data] == ["old"]


@pytest.mark.parametrize("task_id", [ONE, "old", "9" * 40])
def test_the_result_can_be_downloaded_and_used_again(mock, task_id):
    mock.put_world(tasks={task_id: {**TASK, "ends_ms": NOW_MS}})
    (video,) = query(mock, task_id).data["task_result"]["videos"]
    assert mock.ask("GET", video["url"]).body[4:8] == b"ftyp"
    found = mock.ask("POST", "/kling/v1/videos/identify-face", {"video_id": video["id"]})
    assert found.status == 200, found.body


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_task_of_a_world_takes_a_slot_while_it_runs(limit):
    mock = Mock(concurrency=limit)
    mock.put_world(tasks=TASKS)
    assert mock.post(payload()).status == (200 if limit == 3 else 429)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"begins_ms": NOW_MS - 2001}, f"/tasks/a/begins_ms: {NOW_MS - 2001} is before created_ms, {NOW_MS - 2000}"),
        ({"ends_ms": NOW_MS - 1}, f"/tasks/a/ends_ms: {NOW_MS - 1} is before begins_ms, {NOW_MS}"),
        ({"status": "succeed"}, "/tasks/a/status"),
        ({"video_ms": None}, "/tasks/a/video_ms"),
    ],
)
def test_a_mistake_in_a_task_is_told_with_its_place(change, told):
    with pytest.raises(ValueError, match=told):
        World.from_json(world(tasks={"a": {**TASK, **change}}))


def test_two_tasks_cannot_have_one_external_id():
    with pytest.raises(ValueError, match="/tasks/b/external_task_id: 'order-17' is that of task a, too"):
        World.from_json(world(tasks={"a": TASK, "b": TASK}))


@pytest.mark.parametrize(("name", "broken"), [(ONE, ()), ("order-17", ()), ("old", ()), ("order-1", ("task-unknown",))])
def test_the_contract_judges_a_query_by_the_tasks_of_a_world(name, broken):
    request = Request("GET", f"{PATH}/{name}", {"authorization": "Bearer key"})
    assert Contract.load().report(request, World.from_json(world(tasks=TASKS))).broken == broken


def test_without_tasks_in_the_world_a_query_is_not_verified():
    request = Request("GET", f"{PATH}/{ONE}", {"authorization": "Bearer key"})
    report = Contract.load().report(request, World.from_json(world()))
    assert report.broken == ()
    assert [one.rule.id for one in report.unverified] == ["task-unknown"]
