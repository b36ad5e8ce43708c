"""Every store: looking, waking, many at once, what lasts, and all as in memory."""

import itertools
import json
import signal
import sys
import threading

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from kling_mock_server.state.stores import open_store
from kling_mock_server.state.stores import text as store_text
from kling_mock_server.state.stores.store import MemoryStore, StoreBusyError
from support import store_child
from support.redis_server import PROGRAMS
from support.serving import PATIENCE_S
from support.stores import (
    DUE,
    FEW,
    LOG,
    MANY,
    NOW_MS,
    NUMBERS,
    QUEUED,
    Place,
    Row,
    in_queues,
    items,
    keys,
    put,
    schedule,
)

pytest_plugins = ["support.store_fixtures"]


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


# Against memory, as a model


MODEL_EXAMPLES = min(settings.default.max_examples // 3, 1000)

ACCOUNTS = st.sampled_from(["one", "two"])
TABLES = st.sampled_from([FEW, MANY, QUEUED])
QUEUES = st.sampled_from(["", "a", "b", "a b"])
KEYS = st.sampled_from(["", "a", "b", "c", "d", "}é\ud800"])
ROWS = st.builds(Row, st.integers(-(2**62), 2**62), st.sampled_from(["", "a", "b", "a b"]), st.binary(max_size=5))
PLACES = st.lists(st.tuples(TABLES, KEYS), max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), ROWS),
        st.tuples(st.sampled_from(["items", "clear"]), st.just(LOG)),
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
        self.model, self.store, self.other = MemoryStore(), place.open(), place.open()
        self.keys = map(str, itertools.count())

    @rule(account=ACCOUNTS, steps=STEPS, rows=PLACES)
    def transaction(self, account, steps, rows):
        self._change(self.store, account, steps, rows)

    @rule(account=ACCOUNTS, read=PLACES, meanwhile=st.just([]) | STEPS, steps=STEPS, rows=PLACES)
    def read_and_change(self, account, read, meanwhile, steps, rows):
        assert self.store.read(account, read) == self.model.read(account, read)
        self._change(self.other, account, meanwhile, rows)
        self._change(self.store, account, steps, [*read, *rows])

    def _change(self, store, account, steps, rows):
        # A row of a log has a key of its own.
        steps = [("put", LOG, next(self.keys), step[1]) if step[0] == "add" else step for step in steps]
        assert store.transaction(account, taking(steps), rows) == self.model.transaction(account, taking(steps))

    @rule(account=ACCOUNTS, steps=STEPS)
    def fail(self, account, steps):
        def work(rows):
            taking([step for step in steps if step[0] != "add"])(rows)
            raise LookupError

        with pytest.raises(LookupError):
            self.store.transaction(account, work)

    @rule()
    def open_again(self):
        self.place.close()
        self.store, self.other = self.place.open(), self.place.open()

    @invariant()
    def looks_the_same(self):
        assert seen(self.store) == seen(self.model)

    def teardown(self):
        self.place.close()


def taking(steps):
    return lambda rows: [getattr(rows, name)(*arguments) for name, *arguments in steps]


def seen(store):
    tables = [(account, table) for account in ("one", "two") for table in (FEW, MANY, QUEUED, LOG)]
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
