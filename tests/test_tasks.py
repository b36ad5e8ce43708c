"""Tasks: their way by the clock, how they are found and listed, how many run at once, what is sent about them."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Contract, DocumentError, Request
from kling_contracts.documents.loading import COMPANIONS
from kling_contracts.facts.task import Task
from kling_contracts.judging.request_rules import Routes
from kling_mock_server.adapters.handle import Handle
from kling_mock_server.core.operations import FILES, OPERATIONS
from kling_mock_server.core.responder import Responder
from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.outgoing.callback_worker import CallbackWorker
from kling_mock_server.outgoing.webhooks import Attempt, Targets
from kling_mock_server.protocol.envelope import encode
from kling_mock_server.protocol.file_urls import EXTENSIONS
from kling_mock_server.protocol.task_json import created_json
from kling_mock_server.state import tables, tasks
from kling_mock_server.state.tables import MAX_TASKS
from kling_mock_server.state.tasks import RefusedTask, Tasks
from support.contract_folder import OVERLAY, changed, copy_of_documents
from support.serving import NOW_MS, SESSION, Mock, documented, new_app, payload, world
from support.workflow import CREATE, DAY_MS, IDENTIFY, ORIGIN, VIDEO_URL, Caller, must_fit, said, task_path, validator

BEGINS_MS = 5_000
ENDS_MS = 150_000


@pytest.fixture
def mock():
    """A mock whose clocks stand still until they are advanced."""
    return Caller(pace="manual")


def created(mock, token="key", **changes):
    """Create a task; returns its id."""
    answer = mock.create(token, **changes)
    assert answer.status == 200, answer.body
    return answer.data["task_id"]


def test_the_helper_refuses_what_is_not_declared(mock):
    request, answer = Request("POST", CREATE), mock.create()
    must_fit(request, answer)
    for change in ({"extra": 1}, {"data": {**answer.data, "extra": 1}}, {"code": 1}, {"data": {}}):
        altered = type(answer)(answer.status, answer.headers, json.dumps({**answer.json, **change}).encode())
        with pytest.raises(jsonschema_rs.ValidationError):
            must_fit(request, altered)


# By the clock.


@pytest.mark.parametrize(
    ("advance_ms", "status", "updated_ms"),
    [
        (0, "submitted", 0),
        (BEGINS_MS - 1, "submitted", 0),
        (BEGINS_MS, "processing", BEGINS_MS),
        (ENDS_MS - 1, "processing", BEGINS_MS),
        (ENDS_MS, "succeed", ENDS_MS),
        (30 * DAY_MS, "succeed", ENDS_MS),
    ],
)
def test_a_task_goes_its_way_by_the_clock(mock, advance_ms, status, updated_ms):
    mock.put_world()
    task_id = created(mock)
    mock.advance(advance_ms)
    data = mock.query(task_id).data
    assert (data["task_status"], data["created_at"], data["updated_at"]) == (status, NOW_MS, NOW_MS + updated_ms)


@pytest.mark.parametrize(
    ("advance_ms", "status"), [(99, "submitted"), (100, "processing"), (299, "processing"), (300, "succeed")]
)
def test_at_the_fast_pace_it_takes_a_fraction_of_a_second(advance_ms, status):
    mock = Caller()
    mock.put_world()
    task_id = created(mock)
    mock.advance(advance_ms)
    assert mock.status(task_id) == status


def test_at_the_manual_pace_a_fresh_clock_stands_still(mock):
    first = mock.control("GET", "/clock")
    assert first["standing"] is True
    assert mock.control("GET", "/clock") == first


def test_at_the_manual_pace_it_stands_still_whatever_world_is_put(mock):
    mock.control("PUT", "/world", {"sessions": {}})
    assert mock.control("GET", "/clock")["standing"] is True
    mock.control("POST", "/reset")
    assert mock.control("GET", "/clock")["standing"] is True


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_at_any_other_pace_a_fresh_clock_follows_real_time(pace):
    assert Caller(pace=pace).control("GET", "/clock")["standing"] is False


def test_an_unknown_pace_is_an_error_that_names_those_there_are():
    with pytest.raises(ValueError, match="fast, real, manual"):
        Caller(pace="leisurely")


def test_a_task_that_has_begun_ends_at_the_same_time_however_the_clock_gets_there(mock):
    mock.put_world()
    task_id = created(mock)
    for _ in range(150):
        mock.advance(1000)
    assert mock.query(task_id).data["updated_at"] == NOW_MS + ENDS_MS


@given(steps=st.lists(st.integers(0, 100_000), max_size=8))
def test_a_status_never_goes_back(steps):
    mock = Caller(pace="manual")
    task_id = created(mock)
    order = ["submitted", "processing", "succeed"]
    seen = [mock.query(task_id).data]
    for step in steps:
        mock.advance(step)
        seen.append(mock.query(task_id).data)
    assert [order.index(data["task_status"]) for data in seen] == sorted(order.index(d["task_status"]) for d in seen)
    assert [data["updated_at"] for data in seen] == sorted(data["updated_at"] for data in seen)
    # Time adds up: what was advanced in steps is what was advanced.
    assert seen[-1]["task_status"] == order[(sum(steps) >= BEGINS_MS) + (sum(steps) >= ENDS_MS)]


def test_a_clock_may_be_advanced_beyond_all_time(mock):
    task_id = created(mock, callback_url="http://127.0.0.1:9/")
    for _ in range(1100):
        mock.advance(2**53)
    assert mock.status(task_id) == "succeed"
    assert mock.create().status == 400


# What is told of it.


def test_a_task_that_runs_has_no_result_yet(mock):
    mock.put_world()
    task_id = created(mock, external_task_id="order-1")
    mock.advance(BEGINS_MS)
    data = mock.query(task_id).data
    assert data == {
        "task_id": task_id,
        "task_status": "processing",
        "task_status_msg": "",
        "task_info": {"parent_video": data["task_info"]["parent_video"], "external_task_id": "order-1"},
        "created_at": NOW_MS,
        "updated_at": NOW_MS + BEGINS_MS,
    }


def test_a_task_that_has_succeeded_tells_all_that_the_vendor_documents(mock):
    mock.put_world()
    task_id = created(mock)
    mock.advance(ENDS_MS)
    data = mock.query(task_id).data
    (video,) = data["task_result"]["videos"]
    assert video.keys() == {"id", "url", "duration"}
    assert video["duration"] == data["task_info"]["parent_video"]["duration"] == "10"
    assert data["final_unit_deduction"] == "1"


@pytest.mark.parametrize(
    ("video_ms", "units", "duration"),
    [
        (2000, "0.5", "2"),
        (5000, "0.5", "5"),
        (5001, "1", "5.001"),
        (10_000, "1", "10"),
        (12_340, "1.5", "12.34"),
        (60_000, "6", "60"),
    ],
)
def test_every_started_five_seconds_of_video_cost_half_a_unit(mock, video_ms, units, duration):
    mock.put_world(sessions={SESSION: {"video_ms": video_ms, "faces": {"-1": [0, video_ms]}}})
    task_id = created(mock, sound_end_time=2000, sound_insert_time=0)
    mock.advance(ENDS_MS)
    data = mock.query(task_id).data
    assert (data["final_unit_deduction"], data["task_info"]["parent_video"]["duration"]) == (units, duration)


def test_a_video_that_was_given_by_its_url_is_told_by_its_url(mock):
    session = mock.identify(f"{VIDEO_URL}#duration=10000&face=0-10000").data["session_id"]
    answer = mock.post({**payload(face_id="0"), "session_id": session})
    parent = mock.query(answer.data["task_id"]).data["task_info"]["parent_video"]
    assert (parent["url"], parent["duration"]) == (VIDEO_URL, "10")


def test_a_video_that_was_given_by_its_id_is_told_by_its_id(mock):
    session = mock.identify(video_id="some-id#duration=10000&face=0-10000").data["session_id"]
    answer = mock.post({**payload(face_id="0"), "session_id": session})
    parent = mock.query(answer.data["task_id"]).data["task_info"]["parent_video"]
    assert parent["id"].startswith("some-id")
    assert mock.download(parent["url"]).status == 200


def test_a_failed_task_tells_why_and_costs_nothing(mock):
    mock.control("PUT", "/scenario", {"name": "failed-task"})
    task_id = created(mock)
    mock.advance(ENDS_MS)
    answer = mock.query(task_id)
    assert (answer.status, answer.code) == (200, 0)
    assert answer.data["task_status"] == "failed"
    assert answer.data["task_status_msg"] == "Failure to pass the risk control system"
    assert answer.data["final_unit_deduction"] == "0"
    assert "task_result" not in answer.data


# Found.


@pytest.mark.parametrize("external_id", ["order-1", "订单 1", "a b", "..", "%2F", "a+b", "é", "0", "\n", "x" * 10_000])
def test_a_task_is_found_by_both_of_its_ids(mock, external_id):
    task_id = created(mock, external_task_id=external_id)
    assert mock.query(external_id).data == mock.query(task_id).data
    assert mock.query(task_id).data["task_info"]["external_task_id"] == external_id


def test_an_id_that_looks_like_anothers_external_id_wins(mock):
    first = created(mock)
    second = created(mock, external_task_id=first)
    assert mock.query(first).data["task_id"] == first
    assert mock.query(second).data["task_info"]["external_task_id"] == first


@pytest.mark.parametrize("name", ["1", "0", "-1", "task", "9" * 18, "9" * 5000, "{task_id}", "\0", "null", " "])
def test_an_unknown_task_is_answered_as_observed_upstream(mock, name):
    created(mock)
    answer = mock.query(name)
    assert (answer.status, answer.code, answer.broken) == (400, 1201, ["task-unknown"])


def test_the_id_of_a_result_is_no_task(mock):
    assert mock.query(str(int(created(mock)) + 1)).status == 400


def test_a_task_is_the_accounts_own(mock):
    task_id = created(mock, "a", external_task_id="mine")
    assert [mock.query(name, "b").status for name in (task_id, "mine")] == [400, 400]


def test_an_external_id_that_only_the_world_knows_is_no_task(mock):
    mock.put_world(external_task_ids=["theirs"])
    assert mock.query("theirs").status == 400


def test_a_world_that_is_put_forgets_tasks(mock):
    task_id = created(mock, external_task_id="mine")
    mock.put_world()
    assert [mock.query(name).status for name in (task_id, "mine")] == [400, 400]
    assert mock.list().data == []


@pytest.mark.parametrize("prefix", ["/kling", ""])
def test_both_prefixes_lead_to_the_same_tasks(mock, prefix):
    task_id = created(mock)
    assert mock.ask("GET", prefix + task_path(task_id).removeprefix("/kling")).data["task_id"] == task_id


# Listed.


def ids_of(answer):
    return [data["task_id"] for data in answer.data]


def test_a_list_without_tasks_is_an_empty_array(mock):
    assert mock.list().data == []


def test_tasks_are_listed_the_newest_first(mock):
    ids = [created(mock) for _ in range(5)]
    assert ids_of(mock.list()) == ids[::-1]


def test_a_listed_task_is_told_like_a_queried_one(mock):
    created(mock, external_task_id="mine")
    mock.advance(BEGINS_MS)
    created(mock)
    mock.advance(ENDS_MS - BEGINS_MS)
    assert mock.list().data == [mock.query(task_id).data for task_id in ids_of(mock.list())]
    assert [data["task_status"] for data in mock.list().data] == ["processing", "succeed"]


def test_30_tasks_are_a_page_where_nobody_says_otherwise(mock):
    ids = [created(mock) for _ in range(31)][::-1]
    assert ids_of(mock.list()) == ids[:30]
    assert ids_of(mock.list(pageNum=2)) == ids[30:]


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 500])
def test_pages_are_the_list_in_pieces(mock, size):
    ids = [created(mock) for _ in range(7)][::-1]
    pages = [ids_of(mock.list(pageNum=number, pageSize=size)) for number in range(1, 9)]
    assert [task_id for page in pages for task_id in page] == ids
    assert [len(page) for page in pages] == sorted((len(page) for page in pages), reverse=True)


def test_beyond_the_last_task_pages_are_empty(mock):
    created(mock)
    assert mock.list(pageNum=1000, pageSize=500).data == []


@pytest.mark.parametrize("query", ["pageNum=0", "pageSize=501", "pageNum=x", "pageNum=1&pageSize="])
def test_a_page_that_there_cannot_be_is_refused(mock, query):
    answer = mock.ask("GET", CREATE, query=query)
    assert (answer.status, answer.code) == (400, 1201)


def test_a_list_is_the_accounts_own(mock):
    created(mock, "a")
    assert mock.list("b").data == []


# At once.


def limited(mock, concurrency, token="key"):
    return mock.control("PUT", "/limits", {"concurrency": concurrency}, token)


def test_without_a_limit_any_number_runs(mock):
    assert [mock.create().status for _ in range(50)] == [200] * 50


@pytest.mark.parametrize("concurrency", [0, 1, 3])
def test_one_task_too_many_is_refused_as_observed_upstream(mock, concurrency):
    limited(mock, concurrency)
    answers = [mock.create() for _ in range(concurrency + 1)]
    assert [answer.status for answer in answers] == [200] * concurrency + [429]
    assert (answers[-1].code, answers[-1].message) == (1303, "parallel task over resource pack limit")
    assert answers[-1].broken == ["tasks-in-parallel"]
    assert len(mock.list().data) == concurrency


@pytest.mark.parametrize(("advance_ms", "status"), [(0, 429), (BEGINS_MS, 429), (ENDS_MS - 1, 429), (ENDS_MS, 200)])
def test_a_slot_is_taken_from_submitted_to_the_end(mock, advance_ms, status):
    limited(mock, 1)
    created(mock)
    mock.advance(advance_ms)
    assert mock.create().status == status


def test_a_failed_task_gives_its_slot_back(mock):
    mock.control("PUT", "/scenario", {"name": "failed-task"})
    limited(mock, 1)
    created(mock)
    mock.advance(ENDS_MS)
    assert mock.create().status == 200


def test_a_task_that_never_ends_keeps_its_slot(mock):
    mock.control("PUT", "/scenario", {"name": "stuck-task"})
    limited(mock, 1)
    created(mock)
    mock.advance(30 * DAY_MS)
    assert mock.control("GET", "/limits")["running"] == 1


def test_other_calls_take_no_slot(mock):
    limited(mock, 0)
    assert [mock.identify().status, mock.speak().status, mock.list().status] == [200, 200, 200]
    assert mock.query("1").status == 400


def test_a_limit_counts_the_tasks_that_run_already(mock):
    created(mock)
    created(mock)
    mock.advance(ENDS_MS)
    created(mock)
    limited(mock, 2)
    assert [mock.create().status for _ in range(2)] == [200, 429]


def test_a_limit_that_is_lifted_limits_nothing(mock):
    limited(mock, 1)
    created(mock)
    assert limited(mock, None) == {"concurrency": None, "running": 1}
    assert mock.create().status == 200
    assert limited(mock, 2) == {"concurrency": 2, "running": 2}
    assert mock.create().status == 429


def test_a_limit_is_the_accounts_own(mock):
    limited(mock, 0, "a")
    assert [mock.create("a").status, mock.create("b").status] == [429, 200]


def test_a_limit_can_be_there_from_the_beginning():
    mock = Caller(concurrency=1, pace="manual")
    assert [mock.create().status for _ in range(2)] == [200, 429]


def test_a_reset_goes_back_to_the_limit_of_the_beginning():
    mock = Caller(concurrency=1, pace="manual")
    limited(mock, None)
    mock.control("POST", "/reset")
    assert mock.control("GET", "/limits") == {"concurrency": 1, "running": 0}


def test_a_world_that_is_put_keeps_the_limit_and_frees_the_slots(mock):
    limited(mock, 1)
    created(mock)
    mock.put_world()
    assert mock.control("GET", "/limits") == {"concurrency": 1, "running": 0}


def test_a_task_that_is_refused_for_want_of_a_slot_takes_no_external_id(mock):
    limited(mock, 0)
    assert mock.create(external_task_id="mine").status == 429
    limited(mock, 1)
    assert mock.create(external_task_id="mine").status == 200


def test_a_wrong_request_is_told_what_is_wrong_before_anything_is_said_of_slots(mock):
    limited(mock, 0)
    assert mock.create(sound_end_time=1).broken[0] == "clip-too-short"


def at_once(count, work):
    """Run `work(number)` in so many threads that begin together; returns what they returned."""
    together, results = threading.Barrier(count), [None] * count

    def run(number):
        together.wait(20)
        results[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_of_many_requests_at_once_as_many_are_accepted_as_there_are_slots(mock):
    limited(mock, 5)
    statuses = at_once(20, lambda _: mock.create().status)
    assert sorted(statuses) == [200] * 5 + [429] * 15
    assert mock.control("GET", "/limits") == {"concurrency": 5, "running": 5}


def test_of_many_requests_at_once_with_one_external_id_exactly_one_is_accepted(mock):
    answers = at_once(20, lambda _: mock.create(external_task_id="mine"))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 19
    (accepted,) = [answer for answer in answers if answer.status == 200]
    assert mock.query("mine").data["task_id"] == accepted.data["task_id"]
    assert {tuple(answer.broken) for answer in answers if answer.status == 400} == {("external-task-id-duplicate",)}


def test_a_world_that_changes_under_a_request_is_no_error_of_the_server(mock):
    def work(number):
        if number % 4:
            return [mock.create(external_task_id="mine").status for _ in range(30)]
        for _ in range(30):
            mock.control("PUT", "/world", {**world(), "sessions": {}} if number % 8 else world())
        return []

    statuses = {status for answers in at_once(8, work) for status in answers}
    assert statuses <= {200, 400}


@given(st.text(), st.integers(0, 2**52))
def test_the_answer_to_a_creation_is_written_as_it_would_be_encoded(external_task_id, created_ms):
    task = Task("1", external_task_id, created_ms, 0, None, True, "", "", "", 1, "")
    created = created_json(task)
    assert created.text == encode(dict(created))


def test_an_external_id_that_is_taken_and_given_back_all_the_time_is_refused(mock, monkeypatch):
    def never(self, *task, **limits):
        return RefusedTask("facts.task")

    monkeypatch.setattr(Tasks, "create", never)
    answer = mock.create(external_task_id="mine")
    assert (answer.status, answer.broken) == (400, ["external-task-id-duplicate"])


# Bounds.


def test_an_account_keeps_so_many_tasks_and_forgets_the_oldest_with_all_that_hangs_on_it(monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", replace(tables.TASKS, max_rows=3))
    mock = Caller(pace="manual")
    first = created(mock, external_task_id="first", callback_url="http://127.0.0.1:9/")
    for _ in range(3):
        created(mock)
    assert mock.query(first).status == 400
    assert mock.create(external_task_id="first").status == 200
    assert len(mock.list().data) == 3
    # Its callback is gone, too: nobody stumbles over it.
    handle_of(mock).clock.advance(ENDS_MS)
    assert handle_of(mock).wait_for_callbacks()
    assert [entry for entry in mock.journal()["entries"] if entry["operation"] == "callback"] == []


def handle_of(mock, token="key"):
    return Handle(mock.responder, ORIGIN, token)


def test_thousands_of_tasks_are_kept():
    assert MAX_TASKS >= 1000


def test_without_upstreams_state_the_newer_task_keeps_the_external_id_when_the_older_is_forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", replace(tables.TASKS, max_rows=2))
    mock = Caller(upstream_state=False, pace="manual")
    for _ in range(2):
        newer = created(mock, external_task_id="mine")
    created(mock)
    assert mock.query("mine").data["task_id"] == newer


# What is sent about it.


class Receiver:
    """Stands where callbacks are sent; keeps what it was sent."""

    def __init__(self, status=200):
        self.status = status
        self.bodies = []

    def __call__(self, url, body, *_):
        self.bodies.append(json.loads(body))
        return Attempt(self.status, "")


@contextmanager
def calling_back(receiver):
    responder = new_app(pace="manual").responder
    worker = CallbackWorker(
        responder.accounts, CallbackSender(Targets(), post=receiver, price=documented().prices["create"])
    )
    resources = responder.resources._replace(callback_worker=worker)
    mock = Caller(Responder(responder.contract, responder.accounts, resources=resources))
    try:
        yield mock, handle_of(mock)
    finally:
        worker.close()


CALLBACK_URL = "http://127.0.0.1:9/callback"


def test_every_callback_fits_the_schema_that_the_document_declares():
    (callback,) = documented().document["paths"][CREATE]["post"]["callbacks"].values()
    (item,) = callback.values()
    declared = validator(item["post"]["requestBody"]["content"]["application/json"]["schema"])
    receiver = Receiver()
    with calling_back(receiver) as (mock, handle):
        for scenario in (None, "failed-task"):
            handle.play(scenario)
            created(mock, callback_url=CALLBACK_URL)
            handle.clock.advance(ENDS_MS)
            assert handle.wait_for_callbacks()
    assert [body["task_status"] for body in receiver.bodies] == [
        "submitted",
        "processing",
        "succeed",
        "submitted",
        "processing",
        "failed",
    ]
    for body in receiver.bodies:
        declared.validate(body)


def test_a_callback_tells_what_a_query_told_at_that_time():
    receiver = Receiver()
    told = []
    with calling_back(receiver) as (mock, handle):
        mock.put_world()
        task_id = created(mock, callback_url=CALLBACK_URL, external_task_id="mine")
        for advance_ms in (0, BEGINS_MS, ENDS_MS - BEGINS_MS):
            handle.clock.advance(advance_ms)
            told.append(mock.query(task_id).data)
            assert handle.wait_for_callbacks()
    assert receiver.bodies == told


@pytest.mark.parametrize("callback_url", ["", None])
def test_without_a_url_nobody_is_called(callback_url):
    receiver = Receiver()
    with calling_back(receiver) as (mock, handle):
        body = {name: value for name, value in {**payload(), "callback_url": callback_url}.items() if value is not None}
        assert mock.post(body).status == 200
        handle.clock.advance(ENDS_MS)
        assert handle.wait_for_callbacks()
    assert receiver.bodies == []


# The operations of the document are the ones that the mock can do.


def test_every_operation_has_its_work():
    assert set(OPERATIONS) == {operation.name for operation in documented().operations}


def test_every_kind_of_file_is_that_of_one_operation():
    assert sorted(kind for entry in OPERATIONS.values() for kind in entry.files) == sorted(EXTENSIONS)
    assert FILES.keys() == EXTENSIONS.keys()


@pytest.mark.parametrize(
    ("method", "path", "body", "operation"),
    [
        ("POST", CREATE, payload(), "create"),
        ("GET", CREATE, b"", "list"),
        ("GET", task_path("1"), b"", "query"),
        ("POST", IDENTIFY, {"video_url": VIDEO_URL}, "identify"),
        ("POST", "/kling/v1/audio/tts", said(), "tts"),
        ("POST", f"{ORIGIN}/nowhere", b"", ""),
        ("DELETE", CREATE, b"", ""),
    ],
)
def test_the_journal_names_the_operation(mock, method, path, body, operation):
    mock.ask(method, path, body)
    assert mock.journal()["entries"][-1]["operation"] == operation


def test_a_request_without_a_key_is_an_operation_all_the_same(mock):
    mock.ask("GET", task_path("1"), token="")
    assert mock.control("GET", "/journal", token="")["entries"][-1]["operation"] == "query"


@pytest.mark.parametrize(
    ("price", "members"),
    [
        ("x-price: {units: '0.7', per_ms: 4000}", {"final_unit_deduction": "2.1"}),
        ("x-price: {units: '3'}", {"final_unit_deduction": "3"}),
        ("x-apifox-price: unknown", {}),
    ],
)
def test_what_a_task_costs_is_what_the_documents_say_and_nothing_where_they_do_not(tmp_path, price, members):
    folder = copy_of_documents(tmp_path)
    changed(folder, OVERLAY, "x-price: {units: '0.5', per_ms: 5000, evidence: observed}", price)
    mock = Mock(contract=Contract.load(folder=folder), pace="manual")
    task_id = mock.post(payload()).data["task_id"]
    mock.advance(ENDS_MS)

    data = mock.ask("GET", task_path(task_id)).data
    assert {name: data[name] for name in data if name == "final_unit_deduction"} == members


def test_the_limit_on_tasks_refuses_by_the_rule_of_the_documents(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, COMPANIONS, "{id: tasks-in-parallel, code: 1303,", "{id: too-many, code: 1302,")
    mock = Mock(contract=Contract.load(folder=folder), concurrency=0)

    answer = mock.post(payload())

    assert (answer.status, answer.code, answer.broken) == (429, 1302, ["too-many"])


# Contracts of one's own.


def with_unknown_operation(**changes):
    """The contract with `tts` under another name."""
    (tts,) = (operation for operation in documented().operations if operation.name == "tts")
    others = [operation for operation in documented().operations if operation is not tts]
    operations = (*others, tts._replace(name="speak", **changes))
    rules = documented().request_rules._replace(routes=Routes(operations))
    return replace(documented(), operations=operations, request_rules=rules)


def test_an_operation_that_the_mock_does_not_know_is_answered_with_the_documents_example():
    contract = with_unknown_operation()
    answer = Mock(contract=contract).ask("POST", "/kling/v1/audio/tts", said())
    assert (answer.status, answer.data) == (200, contract.by_name["speak"].answer_example["data"])


def test_an_operation_that_the_mock_neither_knows_nor_has_an_example_of_is_refused_by_name():
    with pytest.raises(DocumentError) as refused:
        Mock(contract=with_unknown_operation(answer_example=None))

    assert str(refused.value) == (
        "the mock cannot answer the operation 'speak': it is none of create, query, list, identify, tts, and the "
        "document has no example of a good answer to it (content, application/json, example)"
    )


def test_a_contract_without_a_rule_on_it_lets_an_unknown_task_pass_with_nothing_to_tell(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, "companions.openapi.yaml", "rule: has(facts.task)", "rule: has(facts.task) || !has(facts.task)")
    answer = Mock(contract=Contract.load(folder=folder)).ask("GET", task_path("unknown"))
    assert (answer.status, "data" in answer.json) == (200, False)


def test_messages_name_the_id_as_observed_upstream(mock):
    assert mock.query("order-7").message == "Task not found by id/external id: order-7"
    mock.create(external_task_id="order-8")
    answer = mock.create(external_task_id="order-8")
    assert (answer.status, answer.code, answer.message) == (400, 1201, "External_task_id order-8 already exists")


def test_a_message_repeats_an_id_of_any_kind_cut(mock):
    assert mock.query("{limit}" * 100).message == f"Task not found by id/external id: {('{limit}' * 100)[:256]}"
