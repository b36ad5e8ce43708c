import dataclasses
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from kling_mock_server.state.stores import open_store, sqlite_file
from kling_mock_server.state.stores import sqlite as store_sqlite
from kling_mock_server.state.stores import text as store_text
from kling_mock_server.state.stores.sqlite import SqliteStore
from kling_mock_server.state.stores.store import (
    SECRET_BYTES,
    MemoryStore,
    QueuePlace,
    StoreBusyError,
    StoreDownError,
    Table,
)
from support import store_child
from support.redis_server import PROGRAMS, redis_server
from support.serving import PATIENCE_S, environment

DAY_MS = 24 * 3_600_000
NOW_MS = 1_750_000_000_000


class Row(NamedTuple):
    number: int
    text: str = ""
    data: bytes = b""


def row_json(row):
    return [row.number, row.text, row.data.hex()]


def row_from_json(value):
    number, text, data = value
    return Row(number, text, bytes.fromhex(data))


MANY = Table("many", 1000, row_json, row_from_json)
OTHERS = Table("others", 1000, row_json, row_from_json)
FEW = Table("few", 3, row_json, row_from_json, hands_back=True)
QUEUED = Table("queued", 4, row_json, row_from_json, lambda row: QueuePlace(row.text, row.number), hands_back=True)
NUMBERS = store_child.NUMBERS
DUE = "account", "queue"


class Place:
    """Where stores lie that see the same rows."""

    def __init__(self, url, server=None):
        self.url = url
        self.server = server
        self._opened = []

    def open(self):
        store = open_store(self.url)
        self._opened.append(store)
        return store

    def close(self):
        while self._opened:
            self._opened.pop().close()

    def run(self, task):
        """Start another process at the same place."""
        command = [sys.executable, store_child.__file__, self.url, task]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())


@pytest.fixture(scope="session")
def servers():
    """Return a function that starts a server of a program, once."""
    with ExitStack() as stack:
        yield cache(lambda program: stack.enter_context(redis_server(program=program)))


@pytest.fixture
def redis(servers):
    return servers(PROGRAMS[0])


def place_of(kind, request):
    if kind == "memory":
        return Place("memory:")
    if kind == "sqlite":
        path = request.getfixturevalue("tmp_path") / "kept.db"
        return Place(f"sqlite:///{path}")
    server = request.getfixturevalue("servers")(kind)
    server.ask("FLUSHALL")
    return Place(server.url, server)


@pytest.fixture(params=["memory", "sqlite", *PROGRAMS])
def store(request):
    place = place_of(request.param, request)
    yield place.open()
    place.close()


@pytest.fixture(params=["sqlite", *PROGRAMS])
def lasting(request):
    """A place whose rows outlive the store that wrote them."""
    place = place_of(request.param, request)
    yield place
    place.close()


@pytest.fixture
def impatient(monkeypatch, lasting):
    """The same, but nobody waits for long."""
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.05)
    monkeypatch.setattr(store_sqlite, "BUSY_S", 0.05)
    if lasting.server:
        from kling_mock_server.state.stores import redis as store_redis

        monkeypatch.setattr(store_redis, "BUSY_S", 0.05)
    return lasting


def put(store, table, *keys, account="account"):
    """Put rows numbered from 0 in one change; returns those that made room."""

    def work(rows):
        return [gone for number, key in enumerate(keys) for gone in rows.put(table, key, Row(number))]

    return store.transaction(account, work)


def items(store, table, account="account"):
    return store.transaction(account, lambda rows: rows.items(table))


def keys(store, table, account="account"):
    return [key for key, _ in items(store, table, account)]


def schedule(store, at_ms, account="account", queue="queue"):
    store.transaction(account, lambda rows: rows.schedule(queue, at_ms))


# What a change does


def test_a_row_comes_back_as_it_was_put(store):
    row = Row(-(2**70), 'ein "Satz"\n一句话 😀 \ud800 \x00', bytes(range(256)))

    store.transaction("account", lambda rows: rows.put(MANY, "key", row))

    found = store.transaction("account", lambda rows: rows.get(MANY, "key"))
    assert found == row
    assert type(found) is Row


def test_rows_that_are_read_together_are_those_that_each_would_be(store):
    put(store, MANY, "a", "b")
    put(store, OTHERS, "b")

    asked = [(MANY, "b"), (OTHERS, "b"), (OTHERS, "a"), (MANY, "ümlaut"), (MANY, "a"), (NUMBERS, "b")]
    assert store.read("account", asked) == [Row(1), Row(0), None, None, Row(0), None]
    assert store.read("another", asked) == [None] * len(asked)


def test_a_change_that_says_which_rows_it_needs_does_what_it_does_without(store):
    put(store, FEW, "old", "a", "b")

    def work(rows):
        found = rows.get(FEW, "a"), rows.get(FEW, "new")
        return *found, rows.put(FEW, "new", Row(7)), rows.put(FEW, "a", Row(8)), rows.get(FEW, "new")

    done = store.transaction("account", work, [(FEW, "a"), (FEW, "new")])

    assert done == (Row(1), None, [Row(0)], [], Row(7))
    assert items(store, FEW) == [("a", Row(8)), ("b", Row(2)), ("new", Row(7))]


def test_rows_that_nobody_wants_make_room_unread(store):
    unwanted = dataclasses.replace(FEW, hands_back=False)

    assert put(store, unwanted, "a", "b", "c", "d") == []
    assert (keys(store, FEW), store.dropped("account", FEW)) == (["b", "c", "d"], 1)


def test_a_change_returns_what_its_work_returns(store):
    assert store.transaction("account", lambda rows: ("anything", 1)) == ("anything", 1)


def test_a_row_that_is_not_there_is_none(store):
    assert store.transaction("account", lambda rows: rows.get(MANY, "key")) is None


def test_rows_come_in_the_order_in_which_they_were_added(store):
    put(store, MANY, "c", "a")
    put(store, MANY, "b")

    assert keys(store, MANY) == ["c", "a", "b"]


def test_a_row_is_replaced_in_its_place(store):
    put(store, MANY, "a", "b", "c")

    store.transaction("account", lambda rows: rows.put(MANY, "a", Row(7)))

    assert items(store, MANY) == [("a", Row(7)), ("b", Row(1)), ("c", Row(2))]


def test_a_row_that_was_deleted_comes_back_as_the_newest(store):
    put(store, MANY, "a", "b")

    def work(rows):
        rows.delete(MANY, "a")
        rows.put(MANY, "a", Row(7))
        return rows.items(MANY)

    assert store.transaction("account", work) == [("b", Row(1)), ("a", Row(7))]
    assert items(store, MANY) == [("b", Row(1)), ("a", Row(7))]


def test_deleting_what_is_not_there_does_nothing(store):
    put(store, MANY, "a")

    store.transaction("account", lambda rows: rows.delete(MANY, "b"))

    assert keys(store, MANY) == ["a"]


def test_a_change_reads_what_it_wrote(store):
    put(store, MANY, "a", "b", "c")

    def work(rows):
        rows.put(MANY, "d", Row(3))
        rows.put(MANY, "b", Row(9))
        rows.delete(MANY, "a")
        return rows.get(MANY, "a"), rows.get(MANY, "b"), rows.get(MANY, "d"), rows.items(MANY)

    expected = [("b", Row(9)), ("c", Row(2)), ("d", Row(3))]
    assert store.transaction("account", work) == (None, Row(9), Row(3), expected)
    assert items(store, MANY) == expected


def test_a_cleared_table_is_empty_at_once_and_can_be_filled_again(store):
    put(store, MANY, "a", "b")

    def work(rows):
        rows.clear(MANY)
        emptied = rows.get(MANY, "a"), rows.items(MANY)
        rows.put(MANY, "b", Row(5))
        return emptied

    assert store.transaction("account", work) == (None, [])
    assert items(store, MANY) == [("b", Row(5))]


def test_tables_do_not_meet(store):
    put(store, MANY, "a", "b")
    put(store, OTHERS, "a")

    store.transaction("account", lambda rows: rows.clear(OTHERS))

    assert keys(store, MANY) == ["a", "b"]


def test_accounts_do_not_meet(store):
    put(store, MANY, "a", account="one")
    put(store, MANY, "b", account="two")

    assert keys(store, MANY, "one") == ["a"]
    assert keys(store, MANY, "two") == ["b"]
    assert keys(store, MANY, "three") == []


ODD_NAMES = ["", " ", "}", "{x}", "a}b", "*", "a:rows:many", "名前", "\x00", "\ud800", "%7D", "x" * 9000, "'; --"]


def test_any_text_is_the_name_of_an_account(store):
    for number, name in enumerate(ODD_NAMES):
        put(store, MANY, f"key {number}", account=name)
        schedule(store, number, account=name)

    assert [keys(store, MANY, name) for name in ODD_NAMES] == [[f"key {number}"] for number in range(len(ODD_NAMES))]
    assert {account for account, _ in store.due(len(ODD_NAMES))} == set(ODD_NAMES)


def test_any_text_is_the_key_of_a_row(store):
    put(store, MANY, *ODD_NAMES)

    assert keys(store, MANY) == ODD_NAMES
    assert list(store.view("account", MANY)) == ODD_NAMES
    assert [store.view("account", MANY)[name].number for name in ODD_NAMES] == list(range(len(ODD_NAMES)))


# Queues


def stand(store, *rows):
    """Put rows of keys, queues and numbers."""

    def work(transaction):
        for key, queue, number in rows:
            transaction.put(QUEUED, key, Row(number, queue))

    store.transaction("account", work)


def in_queues(store, account="account"):
    """Return the first row of each queue."""

    def work(rows):
        return {queue: rows.first(QUEUED, queue) for queue in rows.queues(QUEUED)}

    return store.transaction(account, work)


def test_the_first_of_a_queue_is_the_row_of_the_least_number(store):
    stand(store, ("a", "left", 5), ("b", "left", -3), ("c", "right", 2**62), ("d", "right", 2**60))

    assert in_queues(store) == {"left": Row(-3, "left"), "right": Row(2**60, "right")}


def test_of_rows_of_one_number_the_first_is_that_of_the_least_key(store):
    stand(store, ("b", "left", 5), ("é", "left", 5), ("a", "left", 5), ("aa", "left", 5))
    store.transaction("account", lambda rows: rows.delete(QUEUED, "b"))

    assert store.transaction("account", lambda rows: rows.first(QUEUED, "left")) == Row(5, "left")
    store.transaction("account", lambda rows: [rows.delete(QUEUED, key) for key in ("a", "aa")])
    assert in_queues(store) == {"left": Row(5, "left")}


def test_a_row_that_is_replaced_stands_where_it_belongs_now(store):
    stand(store, ("a", "left", 1), ("b", "left", 2))

    stand(store, ("a", "right", 3))
    assert in_queues(store) == {"left": Row(2, "left"), "right": Row(3, "right")}

    stand(store, ("a", "left", 4))
    assert in_queues(store) == {"left": Row(2, "left")}


def test_a_row_that_is_gone_stands_in_no_queue(store):
    stand(store, ("a", "one", 1), ("b", "two", 1), ("c", "three", 1), ("d", "four", 1))

    stand(store, ("e", "five", 1))
    assert set(in_queues(store)) == {"two", "three", "four", "five"}
    store.transaction("account", lambda rows: rows.delete(QUEUED, "c"))
    assert set(in_queues(store)) == {"two", "four", "five"}
    store.transaction("account", lambda rows: rows.clear(QUEUED))
    assert in_queues(store) == {}


def test_a_change_sees_the_queues_as_it_made_them(store):
    stand(store, ("a", "left", 1), ("b", "left", 2))

    def work(rows):
        rows.delete(QUEUED, "a")
        rows.put(QUEUED, "c", Row(3, "right"))
        seen = [rows.queues(QUEUED), rows.first(QUEUED, "left")]
        rows.delete(QUEUED, "b")
        return [*seen, rows.queues(QUEUED), rows.first(QUEUED, "left")]

    assert store.transaction("account", work) == [["left", "right"], Row(2, "left"), ["right"], None]


def test_queues_of_an_account_are_scheduled_by_themselves(store):
    schedule(store, NOW_MS, queue="left")
    schedule(store, NOW_MS + 1, queue="right")

    assert store.due(NOW_MS + 1) == [("account", "left"), ("account", "right")]
    schedule(store, None, queue="left")
    assert (store.due(NOW_MS + 1), store.next_scheduled_ms()) == ([("account", "right")], NOW_MS + 1)


# Room


def test_the_oldest_row_makes_room_and_is_returned(store):
    assert put(store, FEW, "a", "b", "c") == []
    assert put(store, FEW, "d") == [Row(0)]
    assert keys(store, FEW) == ["b", "c", "d"]


def test_a_row_without_a_name_makes_room_like_any_other(store):
    put(store, FEW, "", "b", "c")

    assert put(store, FEW, "d") == [Row(0)]
    assert keys(store, FEW) == ["b", "c", "d"]


def test_replacing_a_row_of_a_full_table_makes_no_room(store):
    put(store, FEW, "a", "b", "c")

    assert put(store, FEW, "b") == []
    assert store.dropped("account", FEW) == 0


def test_rows_of_the_same_change_make_room_too(store):
    assert put(store, FEW, "a", "b", "c", "d", "e") == [Row(0), Row(1)]
    assert keys(store, FEW) == ["c", "d", "e"]


def test_a_deleted_row_leaves_room(store):
    put(store, FEW, "a", "b", "c")

    def work(rows):
        rows.delete(FEW, "b")
        return rows.put(FEW, "d", Row(3)) + rows.put(FEW, "e", Row(4))

    assert store.transaction("account", work) == [Row(0)]
    assert keys(store, FEW) == ["c", "d", "e"]


def test_a_row_that_was_moved_to_the_end_makes_room_last(store):
    put(store, FEW, "a", "b", "c")

    def work(rows):
        rows.delete(FEW, "a")
        rows.put(FEW, "a", Row(7))
        return rows.put(FEW, "d", Row(3)) + rows.put(FEW, "e", Row(4)) + rows.put(FEW, "f", Row(5))

    assert store.transaction("account", work) == [Row(1), Row(2), Row(7)]


def test_what_made_room_is_counted_until_the_table_is_cleared(store):
    put(store, FEW, *"abcde")
    put(store, FEW, "f")
    assert store.dropped("account", FEW) == 3

    store.transaction("account", lambda rows: rows.clear(FEW))
    assert store.dropped("account", FEW) == 0


def test_what_was_deleted_has_not_made_room(store):
    put(store, FEW, "a")
    store.transaction("account", lambda rows: rows.delete(FEW, "a"))

    assert store.dropped("account", FEW) == 0


def test_a_change_that_clears_counts_anew(store):
    put(store, FEW, *"abcde")

    def work(rows):
        rows.clear(FEW)
        for key in "wxyz":
            rows.put(FEW, key, Row(0))

    store.transaction("account", work)

    assert store.dropped("account", FEW) == 1
    assert keys(store, FEW) == ["x", "y", "z"]


def test_a_table_that_may_hold_fewer_rows_than_before_is_cut(store):
    put(store, MANY, "a", "b", "c", "d", "e")
    smaller = Table("many", 2, row_json, row_from_json, hands_back=True)

    assert put(store, smaller, "f") == [Row(0), Row(1), Row(2), Row(3)]
    assert keys(store, smaller) == ["e", "f"]
    assert store.dropped("account", smaller) == 4


# All or nothing


def test_work_that_raises_before_it_writes_changes_nothing(store):
    put(store, MANY, "a")

    def work(rows):
        rows.get(MANY, "a")
        raise LookupError("of the caller")

    with pytest.raises(LookupError, match="of the caller"):
        store.transaction("account", work)
    assert keys(store, MANY) == ["a"]
    assert put(store, MANY, "b") == []


def test_work_that_raises_after_it_wrote_changes_nothing_where_rows_last(lasting):
    store = lasting.open()
    put(store, FEW, "a", "b", "c")
    schedule(store, 5)

    def work(rows):
        rows.put(FEW, "d", Row(3))
        rows.delete(FEW, "c")
        rows.clear(MANY)
        rows.schedule("queue", None)
        raise LookupError

    with pytest.raises(LookupError):
        store.transaction("account", work)
    assert keys(store, FEW) == ["a", "b", "c"]
    assert store.dropped("account", FEW) == 0
    assert store.next_scheduled_ms() == 5


def test_a_change_shows_to_others_once_it_is_done(lasting):
    store, other = lasting.open(), lasting.open()
    seen = []

    def work(rows):
        rows.put(MANY, "a", Row(0))
        rows.put(MANY, "b", Row(1))
        seen.extend(other.view("account", MANY))

    store.transaction("account", work)

    assert seen == []
    assert list(other.view("account", MANY)) == ["a", "b"]


# Looking


def test_a_view_is_a_mapping(store):
    put(store, MANY, "b", "a")

    view = store.view("account", MANY)

    assert (len(view), list(view), "a" in view, "x" in view) == (2, ["b", "a"], True, False)
    assert (view["a"], view.get("b"), view.get("x"), view.get("x", 5)) == (Row(1), Row(0), None, 5)
    assert dict(view) == dict(view.items()) == {"b": Row(0), "a": Row(1)}
    assert list(view.values()) == [Row(0), Row(1)]
    names = view.keys()
    assert "a" in names
    with pytest.raises(KeyError):
        view["x"]


def test_a_view_is_always_as_the_table_is(store):
    view = store.view("account", MANY)
    assert (len(view), list(view), view.get("a")) == (0, [], None)

    put(store, MANY, "a")
    assert (len(view), list(view), view.get("a")) == (1, ["a"], Row(0))

    store.transaction("account", lambda rows: rows.clear(MANY))
    assert (len(view), list(view), "a" in view) == (0, [], False)


def test_looking_makes_no_account_and_schedules_none(store):
    assert "a" not in store.view("nobody", MANY)
    assert store.newest("nobody", MANY, 0, 10) == []
    assert store.dropped("nobody", MANY) == 0
    assert store.next_scheduled_ms() is None


def test_a_view_can_be_walked_through_while_the_table_changes(store):
    view, stop = store.view("account", FEW), threading.Event()

    def keep_changing():
        number = 0
        while not stop.is_set():
            number += 1
            put(store, FEW, str(number))

    writer = threading.Thread(target=keep_changing)
    writer.start()
    try:
        for _ in range(100):
            assert len(list(view)) <= FEW.max_rows
            assert len(view.items()) <= FEW.max_rows
            assert all(isinstance(row, Row) for row in view.values())
    finally:
        stop.set()
        writer.join()


def test_the_newest_rows_come_first_and_in_pages(store):
    put(store, MANY, *"abcde")

    def numbers(skip, count):
        return [row.number for row in store.newest("account", MANY, skip, count)]

    assert numbers(0, 2) == [4, 3]
    assert numbers(2, 2) == [2, 1]
    assert numbers(4, 2) == [0]
    assert numbers(5, 2) == []
    assert numbers(0, 0) == []
    assert numbers(2**70, 2**70) == []
    assert numbers(0, 2**70) == [4, 3, 2, 1, 0]


# Waking


def test_an_account_is_due_from_the_time_on_that_it_named(store):
    schedule(store, NOW_MS)

    assert store.due(NOW_MS - 1) == []
    assert store.due(NOW_MS) == [DUE]
    assert store.due(NOW_MS + 1) == [DUE]


def test_the_earliest_time_is_the_next(store):
    for account, at_ms in (("b", NOW_MS + 5), ("a", NOW_MS), ("c", NOW_MS + 9)):
        schedule(store, at_ms, account)

    assert store.next_scheduled_ms() == NOW_MS
    assert store.due(NOW_MS + 5) == [("a", "queue"), ("b", "queue")]


def test_an_account_can_name_another_time_or_none(store):
    schedule(store, NOW_MS)
    schedule(store, NOW_MS + 5)
    assert (store.next_scheduled_ms(), store.due(NOW_MS)) == (NOW_MS + 5, [])

    schedule(store, None)
    assert (store.next_scheduled_ms(), store.due(NOW_MS + 9)) == (None, [])


def test_a_change_that_says_nothing_leaves_the_time_as_it_is(store):
    schedule(store, NOW_MS)

    put(store, MANY, "a")

    assert store.next_scheduled_ms() == NOW_MS


@pytest.mark.parametrize("at_ms", [0, -5, 2**70])
def test_any_time_will_do(store, at_ms):
    schedule(store, at_ms)

    assert store.due(2**71) == [DUE]
    assert store.due(at_ms - 1) == [] or at_ms > 2**60


# Many at once


def test_threads_that_increment_a_row_lose_nothing(store):
    store_child.increment_often(store, 8, 200)

    assert store.view("account", NUMBERS)["n"] == 1600


def test_processes_that_increment_a_row_and_start_at_once_lose_nothing(lasting):
    children = [lasting.run("increment") for _ in range(3)]

    ended = [(child.communicate(timeout=PATIENCE_S * 3), child.returncode)[1] for child in children]

    assert ended == [0, 0, 0]
    assert lasting.open().view("account", NUMBERS)["n"] == 1200


def test_two_stores_at_one_place_behave_as_one(lasting):
    one, two = lasting.open(), lasting.open()
    put(one, FEW, "a", "b")
    assert put(two, FEW, "c", "d") == [Row(0)]

    schedule(one, NOW_MS)
    schedule(two, None)

    assert keys(one, FEW) == ["b", "c", "d"]
    assert one.dropped("account", FEW) == 1
    assert (one.next_scheduled_ms(), two.next_scheduled_ms()) == (None, None)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_store_can_be_used_on_both_sides_of_a_fork(lasting):
    with lasting.run("fork") as child:
        child.communicate(timeout=PATIENCE_S * 3)

    assert child.returncode == 0
    assert lasting.open().view("account", NUMBERS)["n"] == 201


def test_who_waits_too_long_for_others_is_told(impatient):
    one, two = impatient.open(), impatient.open()

    def work(rows):
        rows.put(MANY, "a", Row(0))
        with pytest.raises(StoreBusyError) as caught:
            put(two, MANY, "b")
        return str(caught.value)

    assert "\n" not in one.transaction("account", work)
    put(two, MANY, "c")
    assert keys(one, MANY) == ["a", "c"]


def test_who_waits_too_long_for_another_thread_is_told(impatient):
    store, is_writing, may_end = impatient.open(), threading.Event(), threading.Event()

    def work(rows):
        is_writing.set()
        assert may_end.wait(PATIENCE_S)

    writer = threading.Thread(target=store.transaction, args=("account", work))
    writer.start()
    try:
        assert is_writing.wait(PATIENCE_S)
        with pytest.raises(StoreBusyError):
            put(store, MANY, "a")
    finally:
        may_end.set()
        writer.join()
    put(store, MANY, "b")
    assert keys(store, MANY) == ["b"]


# What lasts


def test_everything_is_there_when_the_place_is_opened_again(lasting):
    store = lasting.open()
    put(store, FEW, *"cabd")
    put(store, MANY, "x")
    schedule(store, NOW_MS)
    lasting.close()

    store = lasting.open()

    assert items(store, FEW) == [("a", Row(1)), ("b", Row(2)), ("d", Row(3))]
    assert keys(store, MANY) == ["x"]
    assert store.dropped("account", FEW) == 1
    assert (store.next_scheduled_ms(), store.due(NOW_MS)) == (NOW_MS, [DUE])
    assert put(store, FEW, "e") == [Row(1)]


def test_a_process_that_is_killed_loses_no_row_it_told_of(lasting):
    with lasting.run("write") as child:
        told = [int(child.stdout.readline()) for _ in range(150)]
        child.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        told += [int(line) for line in child.stdout if line.endswith("\n")]

    store = lasting.open()
    kept = store.view("account", NUMBERS)
    assert [kept.get(str(number)) for number in told] == told
    # Whole, and one can go on from there.
    assert len(kept) == len(list(kept)) <= len(told) + 1
    store.transaction("account", store_child.increment)
    assert kept["n"] == 1


def test_a_process_that_is_killed_in_a_change_leaves_nothing_of_it_and_stops_nobody(lasting):
    with lasting.run("halfway") as child:
        assert child.stdout.readline() == "writing\n"
        child.kill()

    store = lasting.open()
    store.transaction("account", store_child.increment)
    assert keys(store, NUMBERS) == ["n"]
    assert store.next_scheduled_ms() is None


def test_a_store_that_lasts_forgets_nobody_on_demand(lasting):
    store = lasting.open()
    put(store, MANY, "a")

    store.forget("account")

    assert keys(store, MANY) == ["a"]


def test_memory_forgets_an_account_on_demand():
    store = open_store("")
    view = store.view("account", MANY)
    put(store, MANY, "a")
    schedule(store, 5)

    store.forget("account")

    assert (len(view), store.next_scheduled_ms()) == (0, None)


# SQLite alone


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept.db"


def test_an_account_that_nobody_used_for_35_days_is_forgotten(path):
    def at(day):
        return closing(SqliteStore(str(path), now_ms=lambda: NOW_MS + day * DAY_MS))

    with at(0) as store:
        # More rows than are deleted at a time.
        put(store, NUMBERS_AS_ROWS, *map(str, range(12_000)), account="idle")
        schedule(store, 5, account="idle")
        put(store, MANY, "a", account="busy")
    with at(20) as store:
        put(store, MANY, "b", account="busy")
    with at(34) as store:
        assert len(store.view("idle", NUMBERS_AS_ROWS)) == 12_000

    with at(36) as store:
        assert (len(store.view("idle", NUMBERS_AS_ROWS)), store.next_scheduled_ms()) == (0, None)
        put(store, NUMBERS_AS_ROWS, "x", account="idle")
    with at(37) as store:
        assert keys(store, NUMBERS_AS_ROWS, "idle") == ["x"]
        assert keys(store, MANY, "busy") == ["a", "b"]


NUMBERS_AS_ROWS = Table("rows", 100_000, row_json, row_from_json, hands_back=True)


def test_a_store_that_stays_open_forgets_too(path):
    now_ms = NOW_MS
    with closing(SqliteStore(str(path), now_ms=lambda: now_ms)) as store:
        put(store, MANY, "a", account="idle")
        now_ms += 36 * DAY_MS
        put(store, MANY, "a", account="busy")

        assert len(store.view("idle", MANY)) == 0
        assert len(store.view("busy", MANY)) == 1


def test_reading_keeps_an_account_in_use(path):
    now_ms = NOW_MS
    with closing(SqliteStore(str(path), now_ms=lambda: now_ms)) as store:
        put(store, MANY, "a")
        for _ in range(3):
            now_ms += 20 * DAY_MS
            assert keys(store, MANY) == ["a"]


def test_a_file_that_was_closed_says_so(path):
    store = SqliteStore(str(path))
    put(store, MANY, "a")
    store.close()

    with pytest.raises(StoreDownError, match="closed"):
        put(store, MANY, "b")
    with pytest.raises(StoreDownError, match="closed"):
        store.view("account", MANY).get("a")


def test_a_new_file_can_be_opened_by_many_at_once(path):
    together, failed = threading.Barrier(8), []

    def run(number):
        together.wait(PATIENCE_S)
        try:
            with closing(SqliteStore(str(path))) as store:
                put(store, MANY, str(number))
        except BaseException as error:
            failed.append(error)

    openers = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()

    assert failed == []
    with closing(SqliteStore(str(path))) as store:
        assert sorted(keys(store, MANY)) == list("01234567")


def test_a_relative_file_stays_where_it_was_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(open_store("sqlite:///kept.db")) as store:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        put(store, MANY, "a")

    assert list(elsewhere.iterdir()) == []
    with closing(open_store(f"sqlite:///{tmp_path}/kept.db")) as store:
        assert keys(store, MANY) == ["a"]


def test_a_file_that_another_program_holds_is_busy(path, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.05)
    with closing(SqliteStore(str(path))) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreBusyError) as caught:
            put(store, MANY, "a")

        assert "locked" in str(caught.value)
        other.execute("ROLLBACK")
        put(store, MANY, "b")
        assert keys(store, MANY) == ["b"]


def delete(path):
    path.unlink()


def replace(path):
    path.rename(path.with_name("old.db"))
    open_store(f"sqlite:///{path}").close()


def overwrite_with_another_store(path):
    other = path.with_name("other.db")
    with closing(SqliteStore(str(other))) as store:
        put(store, NUMBERS_AS_ROWS, *map(str, range(1000)))
    with path.open("r+b") as file:
        file.write(other.read_bytes())


def overwrite_with_zeros(path):
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))


def cut(path):
    with path.open("r+b") as file:
        file.truncate(4096)


SAID = {
    delete: "kept.db was deleted while the mock ran",
    replace: "kept.db was replaced by another while the mock ran",
    overwrite_with_another_store: "kept.db was overwritten",
    overwrite_with_zeros: "kept.db was overwritten",
    cut: "kept.db was overwritten while the mock ran",
}


@pytest.mark.parametrize("harm", SAID, ids=lambda harm: harm.__name__)
def test_a_file_that_is_harmed_while_it_is_used_is_noticed(harm, path, caplog):
    with closing(SqliteStore(str(path))) as store:
        put(store, MANY, "a")
        # All is in the file, as it is after some hundred changes.
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert keys(store, MANY) == ["a"]

        harm(path)

        for use in (lambda: keys(store, MANY), lambda: store.view("account", MANY).get("a"), lambda: store.due(0)):
            with pytest.raises(StoreDownError, match=SAID[harm]):
                use()
    assert caplog.text.count(SAID[harm]) == 1


def test_a_file_that_is_put_back_is_used_on(path):
    with closing(SqliteStore(str(path))) as store:
        put(store, MANY, "a")
        path.rename(path.with_name("away.db"))
        with pytest.raises(StoreDownError, match="put it back, or start the mock anew"):
            keys(store, MANY)
        path.with_name("away.db").rename(path)

        assert keys(store, MANY) == ["a"]


def test_a_file_is_not_opened_anew_where_nobody_wrote_it(path, monkeypatch):
    with closing(SqliteStore(str(path))) as store:
        put(store, MANY, "a")
        monkeypatch.setattr(sqlite_file, "_connected", None)

        put(store, MANY, "b")
        assert keys(store, MANY) == ["a", "b"]


def damaged_database(path):
    with closing(SqliteStore(str(path))) as store:
        put(store, MANY, *map(str, range(500)))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def test_a_damaged_file_is_down_not_a_crash(path):
    damaged_database(path)
    with pytest.raises((StoreDownError, ValueError)) as caught, closing(SqliteStore(str(path))) as store:
        put(store, MANY, "a")

    assert "malformed" in str(caught.value)


# Redis alone


@pytest.fixture
def replicas(redis):
    redis.ask("FLUSHALL")
    place = Place(redis.url, redis)
    yield place.open(), place.open()
    place.close()


def test_a_change_that_took_too_long_begins_again(replicas, monkeypatch):
    from kling_mock_server.state.stores import redis_rows

    one, two = replicas
    monkeypatch.setattr(redis_rows, "LOCK_MS", 50)
    calls = []

    def work(rows):
        number = rows.get(NUMBERS, "n") or 0
        calls.append(number)
        if len(calls) == 1:
            # Waits until the time of the first is up.
            two.transaction("account", store_child.increment)
        rows.put(NUMBERS, "n", number + 1)

    one.transaction("account", work)

    assert calls == [0, 1]
    assert one.view("account", NUMBERS)["n"] == 2


def test_a_change_that_took_too_long_and_stumbled_begins_again(replicas, monkeypatch):
    from kling_mock_server.state.stores import redis_rows

    one, two = replicas
    monkeypatch.setattr(redis_rows, "LOCK_MS", 50)
    calls = []

    def work(rows):
        calls.append(rows.get(NUMBERS, "n"))
        if len(calls) == 1:
            two.transaction("account", store_child.increment)
            raise LookupError

    one.transaction("account", work)

    assert calls == [None, 1]


def test_a_change_that_had_to_wait_is_done_once(replicas, redis):
    one, two = replicas
    calls = []

    def work(rows):
        calls.append(1)
        store_child.increment(rows)

    waiting = threading.Thread(target=two.transaction, args=("account", work))

    def hold(rows):
        before = asked(redis, "set")
        waiting.start()
        deadline = time.monotonic() + PATIENCE_S
        while asked(redis, "set") < before + 3 and time.monotonic() < deadline:
            time.sleep(0.001)

    one.transaction("account", hold)
    waiting.join()

    assert calls == [1]


def asked(redis, command):
    """Return how often the server was asked to carry out a command."""
    line = redis.ask("INFO", "commandstats").get(f"cmdstat_{command}", {})
    return line.get("calls", 0)


def test_a_change_that_loses_its_connection_before_it_writes_begins_again(replicas, redis):
    store, _ = replicas
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


def test_a_change_that_loses_its_connection_as_it_is_written_is_not_repeated(replicas, redis):
    store, _ = replicas
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


def test_all_of_an_account_ends_35_days_after_it_was_used(replicas, redis, monkeypatch):
    from kling_mock_server.state.stores import redis_rows

    store, _ = replicas
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


def test_a_table_that_was_emptied_and_filled_again_ends_with_its_account(replicas, redis):
    store, _ = replicas
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


def test_an_account_that_ended_is_woken_no_longer_once_it_says_so(replicas, redis):
    store, _ = replicas
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


# Opening


def refusal(url):
    """Return why a store cannot be opened: one line."""
    with pytest.raises(ValueError, match="store") as caught:
        open_store(url).close()
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("url", ["", "memory:"])
def test_without_a_url_a_store_is_in_memory(url):
    assert isinstance(open_store(url), MemoryStore)


@pytest.mark.parametrize("url", ["kept.db", "memory", "postgres://u:hunter2@host/db", "redis:", "hunter2"])
def test_another_kind_of_store_is_refused_with_those_there_are(url):
    said = refusal(url)

    assert "sqlite:///" in said
    assert "redis://" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite:kept.db", "sqlite://kept.db", "sqlite:///:memory:"]
)
def test_a_sqlite_url_that_names_no_file_is_refused_with_how_it_is_written(url):
    assert "sqlite:////absolute/path.db" in refusal(url)


def test_a_file_in_no_directory_is_refused(tmp_path):
    said = refusal(f"sqlite:///{tmp_path}/none/kept.db")

    assert f"{tmp_path}/none/kept.db" in said
    assert "directory that exists" in said


def test_a_directory_is_refused(tmp_path):
    assert "directory that exists" in refusal(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_text("Dear diary, " * 100, encoding="utf-8")

    assert "not a database" in refusal(f"sqlite:///{path}")
    assert path.read_text(encoding="utf-8") == "Dear diary, " * 100


def test_the_database_of_another_program_is_refused_and_left_alone(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    content = path.read_bytes()

    assert "another program" in refusal(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_the_secret_outlives_the_store_and_is_shared(lasting):
    first = lasting.open()
    secret = first.secret()
    assert len(secret) == SECRET_BYTES
    assert lasting.open().secret() == secret
    first.close()
    assert lasting.open().secret() == secret


def test_every_memory_has_a_secret_of_its_own():
    assert MemoryStore().secret() != MemoryStore().secret()


def test_a_server_that_lost_everything_is_told_the_secret_again(redis, monkeypatch):
    place = Place(redis.url, redis)
    store = place.open()
    secret = store.secret()
    redis.ask("FLUSHALL")
    monkeypatch.setattr("kling_mock_server.state.stores.redis._SECRET_KEPT_S", 0)
    store._ask_at = 0
    assert store.secret() == secret
    assert place.open().secret() == secret
    place.close()


@pytest.mark.parametrize("written", [1, 99], ids=["older", "newer"])
def test_a_file_of_another_format_is_refused_and_left_as_it_is(path, written):
    open_store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {written}")
    content = path.read_bytes()

    said = refusal(f"sqlite:///{path}")

    assert (
        f"written by another version of klingkit, in format {written} and not {store_text.FORMAT}; name another file"
        in said
    )
    assert "\n" not in said
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(path):
    path.touch()

    with closing(open_store(f"sqlite:///{path}")) as store:
        put(store, MANY, "a")
        assert keys(store, MANY) == ["a"]


def test_without_redis_py_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    for module in ("state.stores.redis_link", "state.stores.redis_rows", "state.stores.redis"):
        monkeypatch.delitem(sys.modules, f"kling_mock_server.{module}", raising=False)

    assert "pip install redis" in refusal("redis://localhost")


NO_SERVER = [
    "redis://:hunter2@127.0.0.1:1/0",
    "redis://somebody:hunter2@127.0.0.1:1/0",
    "redis://127.0.0.1:1/0?password=hunter2",
    "rediss://:hunter2@127.0.0.1:1",
    "valkey://:hunter2@127.0.0.1:1",
    "unix://:hunter2@/no/such/socket",
    "unix:///no/such/socket?password=hunter2",
    # Not as a URL would have it.
    "redis://:hunter2/x@127.0.0.1:1/0",
    "redis://:hunter2?x@127.0.0.1:1/0",
    "redis://:hunter2#x@127.0.0.1:1/0",
    "redis://:x/hunter2@127.0.0.1:1/0",
    "redis://:12/hunter2@127.0.0.1:1/0",
    "redis://:hunter2",
    "redis://[hunter2",
    "redis://127.0.0.1:1/0?hunter2=1",
    "redis://127.0.0.1:1/0?socket_timeout=hunter2",
]


@pytest.mark.parametrize("url", NO_SERVER)
def test_a_server_that_cannot_be_reached_is_refused_and_no_password_told(url):
    pytest.importorskip("redis")

    said = refusal(url)

    assert "running server" in said
    assert url.partition("://")[0] in said
    assert "hunter2" not in said


def test_a_server_that_cannot_be_reached_is_named():
    pytest.importorskip("redis")

    assert "redis://127.0.0.1:1/3" in refusal("redis://:secret@127.0.0.1:1/3")


def test_a_wrong_password_is_refused():
    with redis_server("--requirepass", "right") as server:
        said = refusal(server.url.replace("unix://", "unix://:hunter2@"))

    assert "WRONGPASS" in said or "password" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("options", [("--cluster-enabled", "yes"), ("--replicaof", "127.0.0.1 1")])
def test_a_cluster_and_a_replica_are_refused(options):
    with redis_server(*options) as server:
        assert "neither replica nor cluster" in refusal(server.url)


def warnings_of(url, caplog):
    with caplog.at_level("WARNING"), closing(open_store(url)):
        return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_evicts_keys_is_warned_of(policy, caplog):
    with redis_server("--maxmemory-policy", policy) as server:
        [said] = warnings_of(server.url, caplog)
    assert f"may lose accounts: the server's maxmemory-policy is {policy}" in said
    assert "redis-cli CONFIG SET maxmemory-policy noeviction" in said


def test_a_server_that_keeps_its_keys_is_not_warned_of(redis, caplog):
    redis.ask("FLUSHALL")
    assert warnings_of(redis.url, caplog) == []


def test_a_server_that_does_not_tell_whether_it_evicts_keys_is_warned_of(caplog):
    with redis_server("--rename-command", "INFO", "") as server:
        [said] = warnings_of(server.url, caplog)
    assert "maxmemory-policy is not told" in said


def test_a_server_in_use_by_another_version_is_refused(redis):
    redis.ask("FLUSHALL")
    redis.ask("SET", "klingkit:format", "1")

    said = f"another version of klingkit, in format 1 and not {store_text.FORMAT}; name another database"
    assert said in refusal(redis.url)


# Against memory, as a model

MODEL_EXAMPLES = min(settings.default.max_examples // 3, 1000)

ACCOUNTS = st.sampled_from(["one", "two"])
TABLES = st.sampled_from([FEW, MANY, QUEUED])
QUEUES = st.sampled_from(["", "a", "b", "a b"])
KEYS = st.sampled_from(["", "a", "b", "c", "d", "}é\ud800"])
ROWS = st.builds(Row, st.integers(-(2**62), 2**62), st.sampled_from(["", "a", "b", "a b"]), st.binary(max_size=5))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), TABLES, KEYS, ROWS),
        st.tuples(st.just("put"), TABLES, KEYS, ROWS),
        st.tuples(st.sampled_from(["get", "delete"]), TABLES, KEYS),
        st.tuples(st.sampled_from(["items", "clear"]), TABLES),
        st.tuples(st.just("schedule"), QUEUES, st.none() | st.integers(0, 5)),
        st.tuples(st.just("first"), st.just(QUEUED), QUEUES),
        st.tuples(st.just("queues"), st.just(QUEUED)),
    ),
    max_size=8,
)


class AsInMemory(RuleBasedStateMachine):
    """Does the same to a store and to one in memory, and looks at both."""

    def __init__(self, place):
        super().__init__()
        self.place = place
        self.model, self.store = MemoryStore(), place.open()

    @rule(account=ACCOUNTS, steps=STEPS)
    def transaction(self, account, steps):
        assert self.store.transaction(account, taking(steps)) == self.model.transaction(account, taking(steps))

    @rule(account=ACCOUNTS, steps=STEPS)
    def fail(self, account, steps):
        def work(rows):
            taking(steps)(rows)
            raise LookupError

        with pytest.raises(LookupError):
            self.store.transaction(account, work)

    @rule()
    def open_again(self):
        self.place.close()
        self.store = self.place.open()

    @invariant()
    def looks_the_same(self):
        assert seen(self.store) == seen(self.model)

    def teardown(self):
        self.place.close()


def taking(steps):
    return lambda rows: [getattr(rows, name)(*arguments) for name, *arguments in steps]


def seen(store):
    tables = [(account, table) for account in ("one", "two") for table in (FEW, MANY, QUEUED)]
    return (
        [list(store.view(*at).items()) for at in tables],
        [len(store.view(*at)) for at in tables],
        [store.newest(*at, 1, 2) for at in tables],
        [store.dropped(*at) for at in tables],
        [in_queues(store, account) for account in ("one", "two")],
        [sorted(store.due(now_ms)) for now_ms in (0, 2, 5)],
        store.next_scheduled_ms(),
    )


def test_a_file_behaves_as_memory_does(tmp_path):
    files = (tmp_path / f"{number}.db" for number in range(1_000_000))

    run_state_machine_as_test(
        lambda: AsInMemory(Place(f"sqlite:///{next(files)}")),
        settings=settings(max_examples=MODEL_EXAMPLES, stateful_step_count=12, suppress_health_check=list(HealthCheck)),
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_server_behaves_as_memory_does(program, servers):
    server = servers(program)

    def fresh():
        server.ask("FLUSHALL")
        return AsInMemory(Place(server.url))

    run_state_machine_as_test(
        fresh,
        settings=settings(max_examples=MODEL_EXAMPLES, stateful_step_count=12, suppress_health_check=list(HealthCheck)),
    )


def test_the_text_of_a_row_is_ascii_json():
    text = store_text.text_of(MANY, Row(1, "é\ud800"))

    assert text.isascii()
    assert json.loads(text) == [1, "é\ud800", ""]
