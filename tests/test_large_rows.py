"""An account is bounded by bytes: thousands of usual tasks, or as many large ones as fit into a budget."""

import pytest

from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Face, Session
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.large_rows import FACE_BYTES, MAX_LARGE_BYTES, USUAL_BYTES
from kling_mock_server.state.stores import open_store
from kling_mock_server.state.stores.store import MemoryStore, Table
from kling_mock_server.state.tables import LARGE_SESSIONS, LARGE_TASKS, MAX_TASKS, SESSIONS, Message, Outbox
from support.redis_server import redis_server
from support.serving import documented

STATUSES = ("submitted", "processing", "succeed")


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request, tmp_path):
    if request.param == "redis":
        with redis_server() as server:
            store = open_store(server.url)
            yield store
            store.close()
    else:
        store = open_store("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/kept.db")
        yield store
        store.close()


def account_on(store):
    return Accounts(documented(), InitialState(documented().operation.example_world), store=store).of_token("key")


def create(account, number, external_id="", url=""):
    task_id = str(10**17 + 2 * number)
    task = Task(task_id, external_id, 1, 2, 3, True, "", "", "", 5000, "")
    messages = tuple(Message(status, 2**50, f"msg_{status}") for status in STATUSES)
    account.tasks.create(task, Outbox(task_id, url, messages, 0, 2**50) if url else None)
    return task_id


def test_an_account_holds_ten_thousand_usual_tasks_with_callbacks():
    account = account_on(open_store("memory:"))
    url = "http://127.0.0.1:8000/callbacks/".ljust(USUAL_BYTES - 100, "x")
    tasks = [create(account, number, f"order-{number}", url) for number in range(MAX_TASKS)]
    assert len(account.tasks) == MAX_TASKS == 10_000
    assert account.tasks.outbox(tasks[0]).url == url


def test_the_oldest_large_task_makes_room_with_all_that_hangs_on_it(store, monkeypatch):
    monkeypatch.setattr("kling_mock_server.state.large_rows.MAX_LARGE_BYTES", 3 * 4000)
    account = account_on(store)
    usual = create(account, 0, "usual")
    large = [create(account, number, f"{number}".ljust(3900, "x"), "http://a/".ljust(100, "x")) for number in (1, 2, 3)]
    assert [bool(account.tasks.find(task_id)) for task_id in (usual, *large)] == [True] * 4
    create(account, 4, "y" * 4000)
    assert [bool(account.tasks.find(task_id)) for task_id in (usual, *large)] == [True, False, True, True]
    assert account.tasks.outbox(large[0]) is None
    assert account.tasks.find("1".ljust(3900, "x")) is None
    assert len(account.state.view(LARGE_TASKS)) == 3


def test_ids_of_the_most_characters_fill_the_budget_and_no_more():
    account = account_on(open_store("memory:"))
    for number in range(600):
        create(account, number, f"{number}".ljust(16_384, "声"))
    assert len(account.tasks) == MAX_LARGE_BYTES // (4 * 16_384)


@pytest.mark.parametrize("skip", [0, 1500])
def test_a_page_costs_as_many_rows_as_it_has(store, skip):
    read = []
    table = Table("counted", 10_000, lambda row: row, lambda row: read.append(row) or row)
    store.transaction("account", lambda rows: [rows.put(table, str(number), number) for number in range(2000)])
    read.clear()
    page = store.newest("account", table, skip, 30)
    assert page == list(range(1999 - skip, 1969 - skip, -1))
    assert len(read) in (0, 30)


def session_of(faces, url=""):
    return Session(1000, dict.fromkeys(map(str, range(faces)), Face(0, 1000)), video_url=url)


def test_the_oldest_session_of_many_faces_makes_room(store, monkeypatch):
    monkeypatch.setattr("kling_mock_server.state.large_rows.MAX_LARGE_BYTES", 3 * FACE_BYTES * 20)
    account = account_on(store)
    for name, faces in (("usual", USUAL_BYTES // FACE_BYTES), ("1", 20), ("2", 20), ("3", 20)):
        account.put_session(name, session_of(faces))
    assert {"usual", "1", "2", "3"} <= account.state.view(SESSIONS).keys()
    account.put_session("4", session_of(20))
    assert {"usual", "2", "3", "4"} <= account.state.view(SESSIONS).keys()
    assert "1" not in account.state.view(SESSIONS)


def test_a_session_that_is_put_again_makes_room_for_itself_alone(store, monkeypatch):
    monkeypatch.setattr("kling_mock_server.state.large_rows.MAX_LARGE_BYTES", 2 * FACE_BYTES * 20)
    account = account_on(store)
    for name in ("1", "2", "1", "2", "1"):
        account.put_session(name, session_of(20))
    assert {"1", "2"} <= account.state.view(SESSIONS).keys()


def test_a_new_world_forgets_how_large_the_sessions_of_the_old_one_were(store):
    account = account_on(store)
    account.put_session("1", session_of(20))
    account.put_world_json({})
    assert len(account.state.view(LARGE_SESSIONS)) == 0


def test_the_account_longest_unused_makes_room_where_all_take_more_memory_than_they_may(monkeypatch):
    monkeypatch.setattr("kling_mock_server.state.stores.store.MAX_MEMORY_BYTES", 100_000)
    accounts = Accounts(documented(), InitialState(documented().operation.example_world))
    first, second = accounts.of_token("first"), accounts.of_token("second")
    create(first, 0)
    accounts.of_token("first")
    for number in range(1000):
        if accounts.store.is_full():
            break
        create(second, number)
    assert accounts.store.is_full()
    assert len(first.tasks) == 1
    accounts.of_token("second")
    assert len(first.tasks) == 0
    assert len(second.tasks) > 100
    assert not accounts.store.is_full()


def test_an_account_that_takes_too_much_alone_is_kept(monkeypatch):
    monkeypatch.setattr("kling_mock_server.state.stores.store.MAX_MEMORY_BYTES", 1000)
    accounts = Accounts(documented(), InitialState(documented().operation.example_world))
    create(accounts.of_token("alone"), 0)
    assert len(accounts.of_token("alone").tasks) == 1


def test_memory_that_rows_took_is_counted_back_when_they_go():
    store, table = MemoryStore(), Table("sized", 3, list, list, bytes_of=int)
    store.transaction(
        "a", lambda rows: [rows.put(table, name, size) for name, size in zip("abcd", (1, 2, 4, 8), strict=True)]
    )
    assert store.bytes_held == 2 + 4 + 8
    store.transaction("a", lambda rows: rows.put(table, "b", 16))
    assert store.bytes_held == 16 + 4 + 8
    store.transaction("a", lambda rows: rows.delete(table, "c"))
    store.transaction("a", lambda rows: rows.delete(table, "never there"))
    assert store.bytes_held == 16 + 8
    store.transaction("a", lambda rows: rows.clear(table))
    assert store.bytes_held == 0
    store.transaction("a", lambda rows: rows.put(table, "a", 32))
    store.forget("a")
    assert store.bytes_held == 0
