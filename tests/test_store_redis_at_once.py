"""A change in a server that follows a reading is written without asking anew, where all that was read still holds."""

import threading

import pytest

from support import store_child
from support.stores import LOG, MANY, NUMBERS, Row, items, put

pytest_plugins = ["support.store_fixtures"]


def counting(store, rows, meanwhile=lambda: None):
    """Read rows, let something happen, then count one up; returns the numbers that the change has found."""
    found = []

    def work(tables):
        found.append(tables.get(NUMBERS, "n"))
        store_child.increment(tables)

    store.read("account", rows)
    meanwhile()
    store.transaction("account", work, rows)
    return found


@pytest.mark.parametrize("rows", [[(NUMBERS, "n")], [(NUMBERS, "n"), (NUMBERS, "m")]])
def test_a_change_of_what_was_read_is_one_exchange_more(rows, two_stores, redis):
    store, _ = two_stores
    store.transaction("account", store_child.increment)
    before = redis.asked("evalsha")

    assert counting(store, rows) == [1]

    assert redis.asked("evalsha") == before + 2


def test_a_change_of_what_another_has_changed_meanwhile_begins_again(two_stores):
    store, other = two_stores
    store.transaction("account", store_child.increment)

    found = counting(store, [(NUMBERS, "n")], lambda: other.transaction("account", store_child.increment))

    assert found == [1, 2]
    assert other.view("account", NUMBERS)["n"] == 3


def test_a_row_that_was_not_read_is_taken_for_new_only_if_it_is(two_stores):
    store, _ = two_stores
    store.transaction("account", store_child.increment)
    store.read("account", [(MANY, "a")])
    found = []

    def work(rows):
        found.append(rows.get(NUMBERS, "n"))
        rows.put(NUMBERS, "n", 5)

    store.transaction("account", work, [(MANY, "a"), (NUMBERS, "n")])

    assert found == [None, 1]
    assert list(store.view("account", NUMBERS).items()) == [("n", 5)]


def test_a_change_of_what_was_read_waits_for_the_one_that_has_locked_the_account(two_stores):
    store, other = two_stores
    store.transaction("account", store_child.increment)
    waiting = []

    def hold(rows):
        store.read("account", [(NUMBERS, "n")])
        change = store.transaction, ("account", store_child.increment, [(NUMBERS, "n")])
        waiting.append(threading.Thread(target=change[0], args=change[1]))
        waiting[0].start()
        store_child.increment(rows)

    other.transaction("account", hold)
    waiting[0].join()

    assert other.view("account", NUMBERS)["n"] == 3


def test_a_change_on_a_connection_that_has_long_been_idle_asks_before_it_writes(two_stores, redis, monkeypatch):
    from kling_mock_server.state.stores import redis_link

    store, _ = two_stores
    store.transaction("account", store_child.increment)
    monkeypatch.setattr(redis_link, "_PROVEN_S", 0)

    def cut():
        redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    assert counting(store, [(NUMBERS, "n")], cut) == [1]
    assert store.view("account", NUMBERS)["n"] == 2


def test_a_key_that_is_evicted_between_reading_and_writing_is_noticed(two_stores, redis):
    store, _ = two_stores
    lost = []
    store.on_lost = lost.append
    put(store, MANY, "a")
    put(store, LOG, "a", "b", "c")
    store.read("account", [(MANY, "a")])
    redis.ask("DEL", "klingkit:{account}:rows:log")

    store.transaction("account", lambda rows: rows.put(LOG, "d", Row(5)), [(MANY, "a"), (LOG, "d")])

    assert lost == ["account"]
    assert items(store, LOG) == [("d", Row(5))]
