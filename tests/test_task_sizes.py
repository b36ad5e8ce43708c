"""An account is bounded by bytes: thousands of usual tasks, or as many large ones as fit into a budget."""

import pytest

from kling_contracts.facts.task import Task
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.stores import open_store
from kling_mock_server.state.stores.store import Table
from kling_mock_server.state.tables import LARGE_TASKS, MAX_TASKS, Message, Outbox
from kling_mock_server.state.task_sizes import MAX_LARGE_BYTES, USUAL_BYTES
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
    monkeypatch.setattr("kling_mock_server.state.task_sizes.MAX_LARGE_BYTES", 3 * 4000)
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
