"""A mock after a restart, and while its store is away: nothing that was acknowledged is lost."""

import itertools
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from kling_mock_server.cli.main import cli
from kling_mock_server.outgoing import callback_worker
from kling_mock_server.state.stores.store import StoreDownError
from support.receivers import HANG, receiving
from support.replicas import HASTY, HOUR_MS, account_key, database_of, ends, redis_on_tcp, serve, told_in_order, until
from support.serving import (
    PATH,
    PATIENCE_S,
    world,
)
from support.workflow import LIST

pytest_plugins = ["support.replica_fixtures"]
pytestmark = pytest.mark.usefixtures("unrendered")


# After a restart


def create_on_and_on(client, name, acknowledged):
    """Create tasks until the mock is gone; note the id of each that it has acknowledged by its external id."""
    for number in itertools.count():
        try:
            answer = client.create(external_task_id=f"{name}-{number}")
        except httpx.TransportError:
            return
        if answer.status_code == 200:
            acknowledged[f"{name}-{number}"] = answer.json()["data"]["task_id"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_task_that_was_acknowledged_is_lost(lasting_url, how, key, client_at):
    acknowledged = {}
    with ThreadPoolExecutor(4) as threads, serve(lasting_url) as served:
        client = client_at(served.url, key)
        loads = [threads.submit(create_on_and_on, client, name, acknowledged) for name in "abcd"]
        until(lambda: len(acknowledged) >= 20, "20 tasks")
        served.process.send_signal(how)
        for load in loads:
            load.result()
        assert served.ended() == (0 if how == signal.SIGTERM else -how)
        assert "Traceback" not in served.output

    with serve(lasting_url) as served:
        client = client_at(served.url, key)
        listed = Counter(task["task_info"]["external_task_id"] for task in client.list())
        assert set(listed.values()) == {1}
        assert listed.keys() >= acknowledged.keys()
        for external_id, task_id in acknowledged.items():
            assert client.query(external_id)["task_id"] == client.query(task_id)["task_id"] == task_id


def test_what_is_to_be_sent_when_a_mock_is_killed_is_sent_after_a_restart(lasting_url, key, client_at):
    with receiving(*[503] * 1000) as receiver:
        with serve(lasting_url, code=HASTY) as served:
            client = client_at(served.url, key)
            # Of which the clock stands still: nothing is tried again by itself.
            client.control("PUT", "/world", world())
            task_ids = [client.created(callback_url=receiver.url) for _ in range(5)]
            until(lambda: client.attempts() >= len(task_ids), "the first attempts")
            served.process.kill()
            served.ended()
        receiver.answer()
        with serve(lasting_url, code=HASTY) as served:
            client_at(served.url, key).control("POST", "/clock", {"advance_ms": HOUR_MS})
            until(lambda: ends(receiver, task_ids), "the callbacks")
    assert told_in_order(receiver, task_ids)


def test_what_is_being_sent_when_a_mock_is_killed_is_sent_once_its_lease_is_over(tmp_path, key, client_at):
    store = f"sqlite:///{tmp_path}/mock.db"
    with receiving(HANG) as receiver:
        with serve(store, code=HASTY) as served:
            client = client_at(served.url, key)
            task_ids = [client.created(callback_url=receiver.url) for _ in range(3)]
            receiver.wait_for(1)
            served.process.kill()
            served.ended()
        receiver.release()
        with serve(store, code=HASTY):
            until(lambda: ends(receiver, task_ids), "the callbacks")
    assert told_in_order(receiver, task_ids)


# When the store goes away


def test_while_redis_is_away_a_mock_says_so_and_goes_on_once_it_is_back(key, client_at):
    codes = set()

    def load(client, done):
        while not done.is_set():
            answer = client.create()
            codes.add((answer.status_code, answer.json()["code"]))

    with redis_on_tcp() as (server, url), ThreadPoolExecutor(4) as threads, serve(f"{url}/0") as served:
        client, done = client_at(served.url, key), threading.Event()
        loads = [threads.submit(load, client, done) for _ in range(4)]
        until(lambda: (200, 0) in codes)
        server.stop()
        until(lambda: (503, 5001) in codes)
        answers = [
            client.create(),
            client.http.get(LIST),
            client.http.get("/_mock/journal"),
            client.http.get("/_mock/files/a/results/1.mp4"),
            client.http.post(PATH, content=b"{" * 9_000_000),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (503, 5001)
            assert "Redis" in answer.json()["message"]
            assert "\n" not in answer.json()["message"]
        assert client.http.get("/_mock/health").status_code == 200
        server.start()
        until(lambda: client.create().status_code == 200)
        done.set()
        for running_load in loads:
            running_load.result()
        with receiving() as receiver:
            task_id = client.created(callback_url=receiver.url)
            until(lambda: ends(receiver, [task_id]), "the callbacks")
    # While it came back, it had forgotten what a request had just seen.
    assert codes <= {(200, 0), (503, 5001), (400, 1201)}
    assert "Traceback" not in served.output


def test_a_redis_that_hangs_is_told_and_over_once_it_answers(key, mock_on):
    with redis_on_tcp() as (server, url):
        mock = mock_on(f"{url}/0?socket_timeout=0.2")
        # A busy machine may be as slow as that, too.
        task_id = until(lambda: (made := mock.create(key)).status == 200 and made).data["task_id"]
        process = server.ask("INFO", "server")["process_id"]
        os.kill(process, signal.SIGSTOP)
        answers = mock.create(key), mock.query(task_id, key)
        os.kill(process, signal.SIGCONT)
        assert [(answer.status, answer.code) for answer in answers] == [(503, 5001)] * 2
        assert until(lambda: (found := mock.query(task_id, key)).status == 200 and found).data["task_id"] == task_id
        until(lambda: mock.create(key).status == 200)


@pytest.mark.parametrize(
    "evicted", ["rows:sessions", "rows:state", "rows:tasks", "order:tasks", "order:audios", "meta"]
)
def test_an_account_of_which_the_server_evicted_a_key_begins_anew_with_a_note(evicted, redis_url, key, mock_on, caplog):
    from redis import Redis

    url = database_of(redis_url)
    mock = mock_on(url)
    assert mock.create(key).code == 0
    with Redis.from_url(url) as server:
        assert server.delete(f"klingkit:{{{account_key(key)}}}:{evicted}") == 1

    assert [mock.create(key).code, mock.list(key).code, mock.create(key).code] == [0, 0, 0]
    mock.control("GET", "/world", token=key)
    [note] = [entry for entry in mock.journal(key)["entries"] if entry["operation"] == "note"]
    assert note["notes"][0]["message"].startswith("the store has lost a part of this account, which begins anew")
    assert caplog.text.count("maxmemory-policy to noeviction") == 1


def test_a_file_that_is_deleted_is_told_in_every_answer_and_the_log(tmp_path, key, mock_on, caplog):
    mock = mock_on(f"sqlite:///{tmp_path}/mock.db")
    assert mock.create(key).code == 0
    Path(tmp_path, "mock.db").unlink()

    for answer in (mock.create(key), mock.list(key)):
        assert (answer.status, answer.code) == (503, 5001)
        assert "the store's file mock.db was deleted while the mock ran" in answer.message
    assert "mock.db was deleted while the mock ran" in caplog.text


def test_a_disk_that_is_full_is_told_and_over_once_there_is_room(tmp_path, key, client_at):
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("needs a system on which another process can be given a limit")
    with serve(f"sqlite:///{tmp_path}/mock.db") as served, receiving() as receiver:
        client = client_at(served.url, key)
        client.created(external_task_id="before")

        def let_files_grow_to(size):
            resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        let_files_grow_to(1)
        answer = client.create()
        assert (answer.status_code, answer.json()["code"]) == (503, 5001)
        assert "store's file" in answer.json()["message"]
        let_files_grow_to(resource.RLIM_INFINITY)
        task_id = client.created(callback_url=receiver.url)
        until(lambda: ends(receiver, [task_id]), "the callbacks")
        assert client.query("before")["task_status"] == "succeed"
    assert "Traceback" not in served.output


@pytest.mark.parametrize("path", ["world", "journal", "tasks", "clock", "limits", "scenario", "rules"])
def test_what_is_in_a_full_redis_can_be_looked_at(full, path):
    mock, key = full
    answer = mock.ask("GET", f"/_mock/{path}", token=key)
    assert answer.status == 200, answer.message
    if path == "world":
        assert [task["external_task_id"] for task in answer.data["tasks"].values()] == ["before"]


@pytest.fixture
def full(key, mock_on, monkeypatch):
    from kling_mock_server.state.stores import redis as store_redis

    # The secret of file URLs is looked up again each time.
    monkeypatch.setattr(store_redis, "_SECRET_KEPT_S", 0)
    with redis_on_tcp() as (server, url):
        mock = mock_on(f"{url}/0")
        assert mock.create(key, external_task_id="before").status == 200
        assert mock.ask("GET", "/_mock/tasks", token=key).status == 200
        server.ask("CONFIG", "SET", "maxmemory", "1")
        assert mock.create(key).status == 503
        yield mock, key


def test_where_nothing_can_be_written_callbacks_are_not_tried_on_and_on(key, monkeypatch, mock_on):
    monkeypatch.setattr(callback_worker, "STORE_DOWN_S", PATIENCE_S)
    mock = mock_on("")
    store, calls, tried = mock.responder.accounts.store, [], threading.Event()
    mock.create(key, callback_url="http://127.0.0.1:9/")
    deliver = mock.responder.resources.callback_worker
    assert deliver.wait_until_idle(account_key(key), PATIENCE_S)
    mock.advance(HOUR_MS, key)

    def refuse(account, work, rows=()):
        calls.append(account)
        tried.set()
        raise StoreDownError("it is read-only")

    monkeypatch.setattr(store, "due", lambda now_ms: [(account_key(key), "127.0.0.1:9")])
    monkeypatch.setattr(store, "transaction", refuse)
    deliver.nudge()
    assert tried.wait(PATIENCE_S)
    assert not deliver.wait_until_idle(account_key(key), 0.2)
    assert len(calls) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["create", "identify", "speak", "list", "limits", "clock", "scenario", "journal"])
def test_an_account_that_is_forgotten_in_the_middle_of_a_call_is_no_error(call, when, key, monkeypatch, mock_on):
    mock = mock_on("")
    store = mock.responder.accounts.store
    change = store.transaction

    def change_and_forget(account, work, rows=()):
        if when == "before":
            store.forget(account)
        result = change(account, work, rows)
        if when == "after":
            store.forget(account)
        return result

    monkeypatch.setattr(store, "transaction", change_and_forget)
    calls = {
        "create": lambda: mock.create(key, external_task_id="order"),
        "identify": lambda: mock.identify(token=key),
        "speak": lambda: mock.speak(token=key),
        "list": lambda: mock.list(key),
        "limits": lambda: mock.ask("PUT", "/_mock/limits", {"concurrency": 1}, key),
        "clock": lambda: mock.ask("POST", "/_mock/clock", {"advance_ms": 1}, key),
        "scenario": lambda: mock.ask("PUT", "/_mock/scenario", {"name": "rate-limited"}, key),
        "journal": lambda: mock.ask("GET", "/_mock/journal", token=key),
    }
    answer = calls[call]()
    # What was judged by a session that is gone by now is judged anew.
    assert answer.status == 200 or answer.broken[0] == "session-unknown"


UNUSABLE = [
    ("sqlite:////proc/mock.db", "can be written to"),
    ("sqlite:////no/such/directory/mock.db", "directory that exists"),
    ("sqlite://mock.db", "sqlite:///relative.db"),
    ("sqlite:///{path}", "name another file"),
    ("mock.db", "sqlite:///FILE"),
    ("postgres://user:hunter2@host/db", "redis://HOST"),
    ("redis://:hunter2@127.0.0.1:1/0", "refused; name a running server"),
    ("redis://127.0.0.1:1/0?timeout_of=hunter2", "malformed"),
    ("redis://no-such-host.invalid/0", "name a running server"),
]


@pytest.mark.parametrize(("store", "remedy"), UNUSABLE)
def test_a_store_that_cannot_be_used_is_an_error_of_one_line_that_says_what_to_do(store, remedy, tmp_path):
    if store.startswith("redis"):
        pytest.importorskip("redis")
    path = tmp_path / "diary.txt"
    path.write_text("Dear diary, " * 100)
    result = CliRunner().invoke(cli, ["serve", "--port", "0", "--store", store.format(path=path)])
    told = result.stderr.splitlines()
    assert result.exit_code == 2
    assert [line for line in told if line.startswith("Error: ")] == told[-1:]
    assert remedy in told[-1]
    assert "hunter2" not in result.stderr
