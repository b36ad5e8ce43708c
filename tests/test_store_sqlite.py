"""A store in a file: what it forgets, and what happens to the file."""

import os
import sqlite3
import threading
from contextlib import closing

import pytest

from kling_mock_server.state.stores import open_store, sqlite_file
from kling_mock_server.state.stores.file_watch import FileWatch
from kling_mock_server.state.stores.sqlite import SqliteStore
from kling_mock_server.state.stores.store import (
    StoreBusyError,
    StoreDownError,
    Table,
)
from support.serving import PATIENCE_S
from support.stores import DAY_MS, MANY, NOW_MS, keys, put, row_from_json, row_json, schedule

pytest_plugins = ["support.store_fixtures"]


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


@pytest.mark.parametrize(("later_ms", "left"), [(0, 1), (1, 0)])
def test_an_account_is_kept_for_35_days_to_the_millisecond(path, later_ms, left):
    now_ms = NOW_MS
    with closing(SqliteStore(str(path), now_ms=lambda: now_ms)) as store:
        put(store, MANY, "a", account="idle")
        now_ms += 35 * DAY_MS + later_ms
        put(store, MANY, "a", account="busy")

        assert len(store.view("idle", MANY)) == left


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


def test_a_file_that_grows_between_the_looks_of_two_threads_is_not_overwritten(path, monkeypatch):
    path.write_bytes(b"x")
    watch, look = FileWatch(str(path)), os.stat

    def look_and_let_others_go_on(name, **options):
        found = look(name, **options)
        path.write_bytes(b"x" * 100)
        watch.accept(look(name))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", look_and_let_others_go_on)
        watch.written()


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


@pytest.mark.parametrize("hands_back", [True, False])
def test_a_row_costs_a_full_table_the_same_however_many_rows_it_holds(tmp_path, monkeypatch, hands_back):
    connect, steps = sqlite3.connect, []

    def counting(*args, **options):
        connection = connect(*args, **options)
        connection.set_progress_handler(lambda: steps.append(1), 1)
        return connection

    def cost(size):
        table = Table("full", size, row_json, row_from_json, hands_back=hands_back)
        with closing(SqliteStore(str(tmp_path / f"{size}.db"))) as store:
            put(store, table, *map(str, range(size)))
            put(store, MANY, *map(str, range(size)))
            steps.clear()
            put(store, table, "one more")
            return len(steps)

    monkeypatch.setattr(sqlite3, "connect", counting)
    assert cost(500) < 1.2 * cost(20)
