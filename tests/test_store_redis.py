"""A store in a server: changes that wait, keys that end, and keys that are lost."""

import threading
import time
from contextlib import closing

import pytest

from kling_mock_server.state.stores import open_store, redis_rows
from kling_mock_server.state.stores.store import MemoryStore, StoreDownError
from support import store_child
from support.redis_server import redis_server
from support.serving import PATIENCE_S
from support.stores import (
    DAY_MS,
    DUE,
    FEW,
    LOG,
    MANY,
    NOW_MS,
    NUMBERS,
    OTHERS,
    QUEUED,
    Row,
    in_queues,
    items,
    keys,
    put,
    schedule,
    stand,
)

pytest_plugins = ["support.store_fixtures"]


def test_a_change_that_took_too_long_begins_again(two_stores, monkeypatch):
    from kling_mock_server.state.stores import redis_rows

    one, two = two_stores
    monkeypatch.setattr(redis_rows, "LOCK_MS", 50)
    calls = []

    def work(rows):
        number = rows.get(NUMBERS, "n") or 0
        calls.append(number)
        if len(calls) == 1:
            # Waits until the time of the first is up. The next one has as long as it takes.
            two.transaction("account", store_child.increment)
            monkeypatch.setattr(redis_rows, "LOCK_MS", PATIENCE_S * 1000)
        rows.put(NUMBERS, "n", number + 1)

    one.transaction("account", work)

    assert calls == [0, 1]
    assert one.view("account", NUMBERS)["n"] == 2


def test_a_change_that_took_too_long_and_stumbled_begins_again(two_stores, monkeypatch):
    from kling_mock_server.state.stores import redis_rows

    one, two = two_stores
    monkeypatch.setattr(redis_rows, "LOCK_MS", 50)
    calls = []

    def work(rows):
        calls.append(rows.get(NUMBERS, "n"))
        if len(calls) == 1:
            two.transaction("account", store_child.increment)
            monkeypatch.setattr(redis_rows, "LOCK_MS", PATIENCE_S * 1000)
            raise LookupError

    one.transaction("account", work)

    assert calls == [None, 1]


def test_a_change_that_had_to_wait_is_done_once(two_stores, redis):
    one, two = two_stores
    calls = []

    def work(rows):
        calls.append(1)
        store_child.increment(rows)

    waiting = threading.Thread(target=two.transaction, args=("account", work))

    def hold(rows):
        before = redis.asked("set")
        waiting.start()
        deadline = time.monotonic() + PATIENCE_S
        while redis.asked("set") < before + 3 and time.monotonic() < deadline:
            time.sleep(0.001)

    one.transaction("account", hold)
    waiting.join()

    assert calls == [1]


def test_a_change_that_loses_its_connection_before_it_writes_begins_again(two_stores, redis, monkeypatch):
    # It waits for the end of its own lock.
    monkeypatch.setattr(redis_rows, "LOCK_MS", 1000)
    store, _ = two_stores
    calls = []

    def work(rows):
        calls.append(1)
        if len(calls) == 1:
            redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        rows.put(NUMBERS, "n", (rows.get(NUMBERS, "n") or 0) + 1)

    store.transaction("account", store_child.increment)
    store.transaction("account", work)

    assert len(calls) == 2
    assert store.view("account", NUMBERS)["n"] == 2


def test_a_change_that_loses_its_connection_as_it_is_written_is_not_repeated(two_stores, redis):
    store, _ = two_stores
    calls = []

    def work(rows):
        calls.append(1)
        rows.put(NUMBERS, "n", (rows.get(NUMBERS, "n") or 0) + 1)
        redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    with pytest.raises(StoreDownError):
        store.transaction("account", work)
    assert len(calls) == 1


def test_a_server_that_is_gone_is_down_and_found_again():
    with redis_server() as server, closing(open_store(server.url)) as store:
        put(store, MANY, "a")
        server.stop()
        for attempt in (
            lambda: put(store, MANY, "b"),
            lambda: store.view("account", MANY).get("a"),
            lambda: store.newest("account", MANY, 0, 1),
            store.next_scheduled_ms,
            lambda: store.due(0),
        ):
            with pytest.raises(StoreDownError) as caught:
                attempt()
            assert "\n" not in str(caught.value)

        server.start()

        # It has forgotten everything, and that is all that happened.
        put(store, MANY, "c")
        assert keys(store, MANY) == ["c"]


def ends_ms(redis):
    """Return in how many ms each key of the account ends."""
    return {key: redis.ask("PTTL", key) for key in redis.ask("KEYS", "klingkit:{account}:*")}


def test_all_of_an_account_ends_35_days_after_it_was_used(two_stores, redis, monkeypatch):
    from kling_mock_server.state.stores import redis_rows

    store, _ = two_stores
    real_ms = redis_rows.real_ms
    put(store, MANY, "a", "b")
    put(store, OTHERS, "a")
    schedule(store, NOW_MS)
    left = ends_ms(redis)
    assert len(left) == 5
    assert all(34 * DAY_MS < one <= 35 * DAY_MS for one in left.values())

    # Refreshed, once the day is over: all of it, whatever is used.
    monkeypatch.setattr(redis_rows, "real_ms", lambda: real_ms() + 2 * DAY_MS)
    store.transaction("account", lambda rows: rows.get(MANY, "a"))
    left = ends_ms(redis)
    assert len(left) == 5
    assert all(36 * DAY_MS < one <= 37 * DAY_MS for one in left.values())
    assert max(left.values()) - min(left.values()) < 5000


def test_a_table_that_was_emptied_and_filled_again_ends_with_its_account(two_stores, redis):
    store, _ = two_stores
    put(store, MANY, "a")

    def refill(rows):
        rows.delete(MANY, "a")
        rows.put(MANY, "b", Row(0))
        rows.clear(OTHERS)
        rows.put(OTHERS, "c", Row(0))

    store.transaction("account", refill)
    store.transaction("account", lambda rows: rows.delete(MANY, "b"))
    put(store, MANY, "d")

    assert len(ends_ms(redis)) == 5
    assert min(ends_ms(redis).values()) > 34 * DAY_MS


def test_an_account_that_ended_is_woken_no_longer_once_it_says_so(two_stores, redis):
    store, _ = two_stores
    schedule(store, 5)
    for key in redis.ask("KEYS", "klingkit:{account}:*"):
        redis.ask("DEL", key)
    assert store.due(5) == [DUE]

    schedule(store, None)

    assert store.due(5) == []


@pytest.fixture
def evicted(redis):
    """A store whose account has rows in two tables, and the accounts that were lost."""
    redis.ask("FLUSHALL")
    with closing(open_store(redis.url)) as store:
        put(store, MANY, "a", "b")
        stand(store, ("a", "left", 1), ("b", "left", 2))
        put(store, LOG, "a", "b", "c")
        lost = []
        store.on_lost = lost.append
        yield store, lost


LOOKS = {
    "rows:many": lambda store: store.view("account", MANY).get("a"),
    "order:many": lambda store: store.newest("account", MANY, 0, 5),
    "rows:queued": lambda store: list(store.view("account", QUEUED)),
    "order:queued": lambda store: list(store.view("account", QUEUED)),
    "places:queued": in_queues,
    "meta": lambda store: store.view("account", MANY).get("c"),
}


@pytest.mark.parametrize("key", LOOKS)
def test_an_account_of_which_a_key_was_evicted_is_lost_as_a_whole_once_it_is_looked_at(key, evicted, redis):
    store, lost = evicted
    redis.ask("DEL", f"klingkit:{{account}}:{key}")

    assert not LOOKS[key](store)

    assert lost == ["account"]
    assert redis.ask("KEYS", "klingkit:{account}:*") == []
    put(store, MANY, "c")
    assert keys(store, MANY) == ["c"]
    assert lost == ["account"]


CHANGES = {
    "rows:many": lambda rows: rows.put(MANY, "a", Row(5)),
    "order:many": lambda rows: rows.items(MANY),
    "rows:queued": lambda rows: rows.get(QUEUED, "a"),
    "order:queued": lambda rows: [rows.put(QUEUED, str(number), Row(0)) for number in range(5)],
    "places:queued": lambda rows: rows.first(QUEUED, "left"),
    "order:log": lambda rows: rows.put(LOG, "d", Row(0)),
    "meta": lambda rows: rows.put(MANY, "a", Row(5)),
}


@pytest.mark.parametrize("key", CHANGES)
def test_a_change_of_an_account_of_which_a_key_was_evicted_is_done_on_a_fresh_one(key, evicted, redis):
    store, lost = evicted
    redis.ask("DEL", f"klingkit:{{account}}:{key}")

    changed = store.transaction("account", CHANGES[key])

    fresh = MemoryStore()
    assert changed == fresh.transaction("account", CHANGES[key])
    assert items(store, MANY) == items(fresh, MANY)
    assert lost == ["account"]


def test_a_key_that_is_not_evicted_is_not_lost(evicted):
    store, lost = evicted

    for look in LOOKS.values():
        look(store)
    assert store.view("account", MANY).get("c") is None
    assert store.newest("account", MANY, 1, 5) == [Row(0)]

    assert lost == []


def test_a_server_that_has_forgotten_the_scripts_is_told_them_again(two_stores, redis):
    store, _ = two_stores
    put(store, MANY, "a")
    redis.ask("SCRIPT", "FLUSH")

    put(store, MANY, "b")
    assert store.read("account", [(MANY, "a"), (MANY, "b")]) == [Row(0), Row(0)]


def test_a_change_that_finds_the_servers_memory_full_writes_nothing():
    with redis_server("--maxmemory-policy", "noeviction") as full, closing(open_store(full.url)) as store:
        put(store, FEW, "a", "b", "c")

        def work(rows):
            full.ask("CONFIG", "SET", "maxmemory", "1")
            rows.clear(FEW)
            rows.put(FEW, "d", Row(1))

        with pytest.raises(StoreDownError, match="not allowed when used memory"):
            store.transaction("account", work)
        assert list(store.view("account", FEW)) == ["a", "b", "c"]
        assert store.read("account", [(FEW, "a"), (FEW, "d")]) == [Row(0), None]


def test_a_change_of_more_rows_than_one_command_may_have_is_written_at_once(two_stores):
    one, two = two_stores
    numbers = [str(number) for number in range(4100)]
    one.transaction("account", lambda rows: [rows.put(NUMBERS, number, 0) for number in numbers])
    assert list(two.view("account", NUMBERS)) == numbers

    one.transaction("account", lambda rows: [rows.delete(NUMBERS, number) for number in numbers[1:]])
    assert list(two.view("account", NUMBERS)) == ["0"]


def test_databases_of_one_server_do_not_meet(redis):
    redis.ask("FLUSHALL")
    with closing(open_store(f"{redis.url}?db=1")) as one, closing(open_store(f"{redis.url}?db=2")) as two:
        put(one, MANY, "a")

        assert keys(two, MANY) == []


@pytest.mark.parametrize("option", ["protocol=3", "decode_responses=true", "max_connections=1"])
def test_options_of_the_url_do_no_harm(redis, option):
    redis.ask("FLUSHALL")
    with closing(open_store(f"{redis.url}?{option}")) as store:
        put(store, FEW, *"abcd")
        schedule(store, 5)

        assert (keys(store, FEW), store.due(5)) == (["b", "c", "d"], [DUE])
