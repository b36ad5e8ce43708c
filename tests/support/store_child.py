"""Another process at a store: `python store_child.py URL TASK`."""

import os
import sys
import threading
from contextlib import suppress
from itertools import count

from kling_mock_server.state.stores import open_store
from kling_mock_server.state.stores.store import Table

NUMBERS = Table("numbers", 1_000_000, lambda row: row, lambda row: row)


def increment(rows):
    rows.put(NUMBERS, "n", (rows.get(NUMBERS, "n") or 0) + 1)


def increment_often(store, threads, times):
    """Increment one row from several threads, so many times in each."""
    failed = []

    def run():
        try:
            for _ in range(times):
                store.transaction("account", increment)
        except BaseException as error:
            failed.append(error)
            raise

    working = [threading.Thread(target=run) for _ in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    assert not failed


def write_on_and_on(store):
    """Tell of each row once it is kept."""
    for number in count():
        store.transaction("account", lambda rows, number=number: rows.put(NUMBERS, str(number), number))
        print(number, flush=True)


def stop_halfway(store):
    """Never finish a change."""

    def work(rows):
        rows.put(NUMBERS, "half", 1)
        rows.schedule("queue", 1)
        print("writing", flush=True)
        sys.stdin.read()

    store.transaction("account", work)


def fork(store):
    """Increment in a process that was forked, and in the one it came from."""
    store.transaction("account", increment)
    child = os.fork()
    increment_often(store, 2, 50)
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


TASKS = {
    "increment": lambda store: increment_often(store, 4, 100),
    "write": write_on_and_on,
    "halfway": stop_halfway,
    "fork": fork,
}

if __name__ == "__main__":
    with suppress(ModuleNotFoundError):
        from kling_mock_server.state.stores import redis_rows

        # Nobody in a test waits as long for a process that is gone.
        redis_rows.LOCK_MS = 1000
    opened = open_store(sys.argv[1])
    TASKS[sys.argv[2]](opened)
    opened.close()
