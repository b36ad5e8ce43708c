"""Mocks on stores, in this process and in others, and clients of theirs."""

import itertools
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from kling_mock_server.state import journal
from support import serving
from support.ports import free_port
from support.redis_server import redis_server
from support.serving import (
    PATH,
    PATIENCE_S,
    documented,
    payload,
    running,
)
from support.workflow import LIST

BEGINS_MS, ENDS_MS = 5_000, 150_000
HOUR_MS = 3_600_000
EACH_CHANGE = ["submitted", "processing", "succeed"]
SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
IDENTIFY, TTS = (documented().by_name[name].paths[0] for name in ("identify", "tts"))


def until(find, of="it"):
    """Return what `find` returns as soon as that is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()):
        assert time.monotonic() < deadline, f"{of} never came"
        time.sleep(0.01)
    return found


@contextmanager
def redis_on_tcp():
    """Run a server that is reached as users reach theirs; yields it and its URL, without the database."""
    port = free_port()
    with redis_server("--port", str(port)) as server:
        yield server, f"redis://127.0.0.1:{port}"


UNRENDERED = """
from kling_mock_server.assets import renderer
from kling_mock_server.cli import main as cli
renderer._can_render = lambda: False
cli.main()
"""
# A lease and the gaps between attempts, in ms: nobody waits for those of a real mock.
HASTY = f"""
from kling_mock_server.outgoing import callback_attempt
from kling_mock_server.state import outbox
outbox.LEASE_MS, callback_attempt.GAPS_MS = 300, (50, 50, 100, 100)
{UNRENDERED}"""


@contextmanager
def serve(store, *options, code=UNRENDERED):
    """Run `klingkit serve` on a store, rendering nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "COMMAND", [sys.executable, "-c", code])
        with running("--store", store, *options) as served:
            yield served


class ReplicaClient:
    """An account of a mock, over HTTP."""

    def __init__(self, url, key):
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False)

    def create(self, **members):
        return self.http.post(PATH, json={**payload(), **members})

    def created(self, **members):
        """Create a task; returns its id."""
        return self._data(self.create(**members))["task_id"]

    def query(self, name):
        return self._data(self.http.get(f"{LIST}/{name}"))

    def list(self):
        """Return all tasks, the newest first."""
        pages = (self._data(self.http.get(LIST, params={"pageNum": number, "pageSize": 500})) for number in (1, 2, 3))
        return [task for page in pages for task in page]

    def control(self, method, path, body=None):
        return self._data(self.http.request(method, f"/_mock{path}", json=body))

    def download(self, url):
        return self.http.get(urlsplit(url).path).content

    def attempts(self):
        """Return how many attempts at callbacks are in the journal."""
        return sum(entry["operation"] == "callback" for entry in self.control("GET", "/journal")["entries"])

    @staticmethod
    def _data(answer):
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def ends(receiver, task_ids):
    """Return whether the end of every task was told."""
    return {one.json["task_id"] for one in receiver.received if one.status == "succeed"} >= set(task_ids)


def told_in_order(receiver, task_ids):
    """Return whether each task has told every status, the first time in order."""
    told = ([one.status for one in receiver.received if one.json["task_id"] == task_id] for task_id in task_ids)
    return all(list(dict.fromkeys(statuses)) == EACH_CHANGE for statuses in told)


_DATABASES = itertools.count(1)


def database_of(server):
    """Return the URL of the next database: a server has 16 of them, and accounts have keys of their own."""
    return f"{server}/{next(_DATABASES) % 15 + 1}"


def account_key(token):
    return journal.digest_of(token)
