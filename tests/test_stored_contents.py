"""What a store holds: no secrets, and no more than so much."""

import base64
import json
import os
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest

from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.assets import renderer
from kling_mock_server.core import inbox
from kling_mock_server.state import journal, tables
from kling_mock_server.state.ids import Ids, enter_process
from kling_mock_server.state.stores.store import MemoryStore
from support.receivers import receiving
from support.replicas import (
    SECRET,
    TTS,
    account_key,
    database_of,
    ends,
    until,
)
from support.serving import (
    NOW_MS,
    PATH,
    PATIENCE_S,
    documented,
    payload,
    world,
)
from support.workflow import ORIGIN, said

pytest_plugins = ["support.replica_fixtures"]
pytestmark = pytest.mark.usefixtures("unrendered")


# What is written down


def contents(url, directory):
    """Return all that a store holds, as bytes."""
    if url.startswith("sqlite"):
        return b"".join(path.read_bytes() for path in Path(directory).iterdir())
    from redis import Redis

    readers = {b"string": "GET", b"hash": "HGETALL", b"zset": "ZRANGE"}
    with Redis.from_url(url) as client:
        kept = []
        for name in client.keys("*"):
            kind = client.type(name)
            bounds = (0, -1) if kind == b"zset" else ()
            kept += [name, repr(client.execute_command(readers[kind], name, *bounds)).encode()]
        return b"\n".join(kept)


def windows(text, size=24):
    return [text[start : start + size] for start in range(0, len(text) - size, size // 2)]


def test_neither_tokens_nor_secrets_nor_audio_are_written_down(lasting_url, tmp_path, key, mock_on, client_at):
    signing_key, issuer = "a-signing-secret-of-32-characters", "an-access-key"
    options = {"store": lasting_url, "webhook_secrets": (SECRET,), "pace": "fast"}
    token = jwt.encode({"iss": issuer, "exp": 2**40, "nbf": 0}, signing_key, algorithm="HS256")
    small = base64.b64encode(os.urandom(600)).decode()
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        for bearer, server_options in ((key, {}), (token, {"secret": signing_key})):
            server = stack.enter_context(LiveServer(contract=documented(), **options, **server_options))
            client = client_at(server.url, bearer)
            audio = client.http.post(TTS, json=said("A text that makes an audio of a few seconds, or more. " * 2))
            sound = client.download(audio.json()["data"]["task_result"]["audios"][0]["url"])
            voice = base64.b64encode(sound).decode()
            task_id = client.created(**{**payload(audio_id="", sound_file=voice), "callback_url": receiver.url})
            until(lambda task_id=task_id: ends(receiver, [task_id]), "the callbacks")
            for text in (small, voice[:-1], f"data:audio/wav;base64,{small}", small[:101], f"#{small}"):
                assert client.create(**payload(audio_id="", sound_file=text)).status_code == 400
            assert client.create(**payload(sound_file=voice)).status_code == 400
            client.create(sound_file=voice)
            client.http.post(PATH, content=voice[:9000].encode())
            for header in (f"Basic {key}", f"Bearer  {key}", key, f"Bearer {token}x", f"bearer {token}"):
                client_at(server.url, "x").http.post(PATH, json=payload(), headers={"Authorization": header})
        written = contents(lasting_url, tmp_path)

    assert account_key(key).encode() in written
    for secret in (key, token, token.rpartition(".")[2], issuer, signing_key, SECRET, SECRET[6:]):
        assert secret.encode() not in written
    kept = [window for text in (voice[:2000], voice[-2000:], small) for window in windows(text)]
    assert [window for window in kept if window.encode() in written] == []
    assert sound[1000:1040] not in written
    assert sound[1000:1040].hex().encode() not in written


# Bounds


TABLES = [table for module in (tables, inbox) for table in vars(module).values() if isinstance(table, tables.Table)]


@pytest.fixture
def few(monkeypatch):
    """So many rows are kept of everything."""
    most = 4
    monkeypatch.setattr(journal, "MAX_ENTRIES", most)
    with ExitStack() as stack:
        for table in TABLES:
            stack.callback(object.__setattr__, table, "max_rows", table.max_rows)
            object.__setattr__(table, "max_rows", min(table.max_rows, most))
        yield most


def test_every_table_is_bounded_and_keeps_the_newest(few, store_url, mock_on, key):
    mock = mock_on(store_url)
    numbers = range(2 * few)
    session_ids = [mock.identify(token=key).data["session_id"] for _ in numbers]
    audio_ids = [mock.speak(token=key).data["task_result"]["audios"][0]["id"] for _ in numbers]
    held = mock.control("GET", "/world", token=key)
    assert list(held["sessions"]) == session_ids[-few:]
    assert list(held["audios"]) == audio_ids[-few:]

    mock.control("PUT", "/world", world(), key)
    mock.control("PUT", "/limits", {"concurrency": 100}, key)
    task_ids = [mock.create(key, f"order-{number}", "http://127.0.0.1:9/").data["task_id"] for number in numbers]
    for number in numbers:
        mock.ask("POST", f"/_mock/inbox/{key}", {"number": number}, token="")

    assert [task["task_id"] for task in mock.list(key).data] == task_ids[: -few - 1 : -1]
    assert mock.query("order-0", key).status == 400
    assert mock.create(key, "order-0").status == 200
    assert [post["body"]["number"] for post in mock.control("GET", f"/inbox/{key}")] == list(numbers[-few:])
    assert len(mock.journal(key)["entries"]) == few
    assert mock.journal(key)["dropped"] > 0
    store = mock.responder.accounts.store
    counts = {table.name: len(store.view(account_key(key), table)) for table in TABLES}
    assert {name for name, count in counts.items() if count > few} == set()
    assert counts["running"] == counts["tasks"] == few


def test_what_the_journal_keeps_of_a_request_is_bounded(store_url, mock_on, key):
    mock = mock_on(store_url)
    mock.ask("POST", f"/{'x' * 200_000}", {}, key)
    mock.create(key, **{"note" * 1000: "x"})
    mock.create(key, callback_url=f"http://127.0.0.1:9/{'x' * 16_000}")
    assert mock.responder.resources.callback_worker.wait_until_idle(account_key(key), PATIENCE_S)
    entries = mock.journal(key)["entries"]
    # The callback may be sent before its creation is journalled.
    assert sorted(entry["operation"] for entry in entries) == ["", "callback", "create", "create"]
    assert max(len(json.dumps(entry)) for entry in entries) < 3 * journal.MAX_BODY_BYTES


def test_of_many_accounts_a_store_that_lasts_keeps_all_and_memory_the_last(monkeypatch, store_url, mock_on, key):
    monkeypatch.setattr("kling_mock_server.state.accounts.MAX_ACCOUNTS", 3)
    mock = mock_on(store_url)
    task_ids = [mock.create(f"{key}-{number}").data["task_id"] for number in range(6)]
    found = [mock.query(task_id, f"{key}-{number}").status for number, task_id in reversed([*enumerate(task_ids)])]
    assert found == ([200] * 3 + [400] * 3 if store_url == "" else [200] * 6)


def test_all_that_redis_holds_of_an_account_ends(redis_url, mock_on, key):
    from redis import Redis

    url = database_of(redis_url)
    mock = mock_on(url, pace="fast")
    mock.identify(token=key)
    mock.speak(token=key)
    mock.control("PUT", "/limits", {"concurrency": 9}, key)
    task_id = mock.create(key, "order", f"{ORIGIN}/callback").data["task_id"]
    mock.ask("POST", f"/_mock/inbox/{key}", {}, token="")
    until(lambda: mock.query(task_id, key).data["task_status"] == "succeed")
    assert mock.responder.resources.callback_worker.wait_until_idle(account_key(key), PATIENCE_S)
    with Redis.from_url(url) as client:
        endless = [name for name in client.keys("*") if client.ttl(name) < 0]
    assert {*endless} - {b"klingkit:schedule"} == {b"klingkit:format", b"klingkit:secret"}


class _Shared(MemoryStore):
    shared = True


def test_a_flood_of_tasks_leaves_only_so_many_videos_to_be_rendered(monkeypatch):
    monkeypatch.setattr(renderer, "_can_render", lambda: True)
    monkeypatch.setattr(renderer, "MAX_PLANNED", 8)
    store, go, gathered = _Shared(), threading.Event(), []

    class Account:
        key = "account"

    Account.state = SimpleNamespace(store=store)

    def gather(number):
        go.wait(PATIENCE_S)
        gathered.append(number)

    with closing(renderer.Renderer()) as rendering:
        for number in range(100):
            rendering.plan(Account, str(number), lambda number=number: gather(number))
        go.set()
        until(lambda: 99 in gathered, "the last one")
        assert len(gathered) <= 2 * 8


def test_processes_that_were_forked_make_ids_of_their_own(monkeypatch):
    drawn = iter(range(1, 100))
    monkeypatch.setattr("kling_mock_server.state.ids.urandom", lambda size: next(drawn).to_bytes(size, "big"))
    monkeypatch.setattr("kling_mock_server.state.ids.real_ms", lambda: NOW_MS)
    ids = Ids()
    before = [ids.next() for _ in range(3)]
    enter_process()
    after = [ids.next() for _ in range(3)]
    assert len({*before, *after}) == 6
    assert [ids.made(made) for made in (*before, *after)] == [False] * 3 + [True] * 3


def test_no_two_makers_of_ids_in_one_process_make_the_same():
    makers = [Ids() for _ in range(200)]
    firsts = [maker.next() for maker in makers]
    assert [sum(maker.made(first) for maker in makers) for first in firsts] == [1] * 200
