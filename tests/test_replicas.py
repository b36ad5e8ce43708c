"""Several processes on one store behave as one mock."""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from standardwebhooks import Webhook

from kling_contracts.media import video
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.state.stores.store import StoreDownError
from support.receivers import receiving
from support.replicas import EACH_CHANGE, HOUR_MS, SECRET, told_in_order, until
from support.serving import (
    NOW_MS,
    PATIENCE_S,
    documented,
    running,
    world,
)
from support.workflow import LIST

pytest_plugins = ["support.replica_fixtures"]
pytestmark = pytest.mark.usefixtures("unrendered")


# Two processes


def at_once(calls):
    """Make calls in threads of their own, all at the same time; return what they return."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait(PATIENCE_S)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_a_result_rendered_on_one_is_downloaded_from_the_other(lasting_url, key, client_at):
    pytest.importorskip("av")
    with running("--store", lasting_url) as served, running("--store", lasting_url) as other_served:
        one, other = (client_at(each.url, key) for each in (served, other_served))
        task_id = one.created()
        task = until(lambda: (found := other.query(task_id))["task_status"] == "succeed" and found)
        [result] = task["task_result"]["videos"]
        content = other.download(result["url"])
        assert video.measure(content).width == 640
        assert one.download(result["url"]) == content


def test_a_task_made_on_one_is_known_to_the_other(pair):
    one, other = pair
    one.control("PUT", "/world", world())
    task_id = one.created(external_task_id="order")
    assert other.query(task_id) == other.query("order") == one.query(task_id)
    second_id = other.created()
    assert [task["task_id"] for task in one.list()] == [second_id, task_id]
    assert one.list() == other.list()
    asked = Counter(entry["operation"] for entry in other.control("GET", "/journal")["entries"])
    assert asked == {"create": 2, "query": 3, "list": 9}


def test_a_clock_advanced_on_one_is_advanced_on_the_other(pair):
    one, other = pair
    one.control("PUT", "/world", world())
    task_id = one.created()
    other.control("POST", "/clock", {"advance_ms": HOUR_MS})
    assert one.control("GET", "/clock") == {"now_ms": NOW_MS + HOUR_MS, "standing": True, "advanced_ms": HOUR_MS}
    assert one.query(task_id)["task_status"] == "succeed"
    at_once([lambda client=client: client.control("POST", "/clock", {"advance_ms": 1}) for client in pair * 4])
    assert one.control("GET", "/clock")["advanced_ms"] == HOUR_MS + 8


def most_at_once(tasks):
    """Return how many of these tasks, which have all ended, ran at the same time by what they say themselves."""
    changes = [(task["created_at"], 1) for task in tasks] + [(task["updated_at"], -1) for task in tasks]
    # What ends at an instant has made room for what begins at it.
    return max(itertools.accumulate(change for _, change in sorted(changes)))


def test_a_limit_holds_for_both_together(pair):
    pair[0].control("PUT", "/limits", {"concurrency": 3})
    created, refused, seen, deadline = [], [], [], time.monotonic() + PATIENCE_S

    def load(client):
        while len(created) < 24 and time.monotonic() < deadline:
            answer = client.create()
            assert answer.json()["code"] in (0, 1303), answer.text
            (created if answer.status_code == 200 else refused).append(answer.json())
            seen.append(client.control("GET", "/limits")["running"])

    at_once([lambda client=client: load(client) for client in pair * 2])

    assert max(seen) <= 3
    assert refused
    until(lambda: all(task["task_status"] == "succeed" for task in pair[1].list()))
    tasks = pair[1].list()
    assert {task["task_id"] for task in tasks} == {one["data"]["task_id"] for one in created}
    assert most_at_once(tasks) <= 3


def test_of_those_who_use_an_external_id_at_once_one_wins(pair):
    for name in (f"order-{number}" for number in range(8)):
        answers = at_once(
            [lambda client=client, name=name: client.create(external_task_id=name) for client in pair * 2]
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        refused = {answer.headers["X-Contract-Violations"] for answer in answers if answer.status_code == 400}
        assert refused == {"external-task-id-duplicate"}
        [won] = [answer.json()["data"]["task_id"] for answer in answers if answer.status_code == 200]
        assert [client.query(name)["task_id"] for client in pair] == [won, won]


def test_callbacks_of_tasks_made_on_either_are_delivered_once(pair):
    with receiving() as receiver:

        def create(client):
            return [client.created(callback_url=receiver.url) for _ in range(25)]

        task_ids = list(itertools.chain(*at_once([lambda client=client: create(client) for client in pair])))
        until(lambda: pair[0].attempts() == 3 * len(task_ids), "the journal of all callbacks")
    told = Counter((one.json["task_id"], one.status) for one in receiver.received)
    assert told == Counter((task_id, status) for task_id in task_ids for status in EACH_CHANGE)
    assert told_in_order(receiver, task_ids)
    assert len({one.message_id for one in receiver.received}) == len(told)
    assert Webhook(SECRET).verify(receiver.received[-1].body, receiver.received[-1].headers)


def test_an_inbox_is_the_same_on_both(pair, replicas, key):
    task_ids = [
        client.created(callback_url=f"{url}/_mock/inbox/{key}") for client, url in zip(pair, replicas, strict=True)
    ]
    posts = until(lambda: len(found := pair[0].control("GET", f"/inbox/{key}")) == 6 and found, "six posts")
    assert pair[1].control("GET", f"/inbox/{key}") == posts
    assert {post["body"]["task_id"] for post in posts} == set(task_ids)


def test_a_step_that_takes_one_request_takes_it_on_one_of_both(pair):
    task_id = pair[0].created()
    pair[0].control("PUT", "/scenario", {"name": "once", "steps": [{"call": "query", "refuse": 1302}]})
    answers = at_once([lambda client=client: client.http.get(f"{LIST}/{task_id}") for client in pair * 6])
    assert Counter(answer.json()["code"] for answer in answers) == {0: 11, 1302: 1}
    assert pair[1].control("GET", "/scenario")["progress"] == [[1, 1]]


# A block ends


def test_a_live_server_that_has_ended_sends_nothing_any_more(lasting_url, key, client_at):
    before = set(threading.enumerate())
    with receiving() as receiver:
        with LiveServer(contract=documented(), store=lasting_url, pace="manual") as server:
            client = client_at(server.url, key)
            client.created(callback_url=receiver.url)
            receiver.wait_for(1)
        left = [thread.name for thread in set(threading.enumerate()) - before]
        assert [name for name in left if name.startswith(("klingkit callback worker", "klingkit callbacks"))] == []
    with pytest.raises(StoreDownError):
        server.responder.accounts.store.due(0)
