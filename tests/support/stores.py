"""Tables, places and changes for the tests of stores."""

import subprocess
import sys
from typing import NamedTuple

from kling_mock_server.state.stores import open_store
from kling_mock_server.state.stores.store import QueuePlace, Table
from support import store_child
from support.serving import environment

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
LOG = Table("log", 3, row_json, row_from_json, is_log=True)
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
