"""A change of an account: what it reads and writes, all of it or nothing."""

import dataclasses

import pytest

from kling_mock_server.state.stores.store import Table
from support.stores import (
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
    row_from_json,
    row_json,
    schedule,
    stand,
)

pytest_plugins = ["support.store_fixtures"]


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


def test_the_newest_row_of_a_log_takes_the_place_of_the_oldest(store):
    put(store, LOG, "a", "b")
    put(store, LOG, "c", "d", "e")

    assert items(store, LOG) == [("c", Row(0)), ("d", Row(1)), ("e", Row(2))]
    assert store.newest("account", LOG, 1, 5) == [Row(1), Row(0)]
    assert (len(store.view("account", LOG)), store.dropped("account", LOG)) == (3, 2)


def test_a_log_that_was_cleared_begins_anew(store):
    put(store, LOG, "a", "b", "c", "d")
    put(store, LOG, "e", account="other")

    def work(rows):
        rows.clear(LOG)
        rows.put(LOG, "f", Row(5))
        return rows.items(LOG)

    assert store.transaction("account", work) == [("f", Row(5))]
    assert (keys(store, LOG), store.dropped("account", LOG)) == (["f"], 0)
    assert keys(store, LOG, "other") == ["e"]


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
