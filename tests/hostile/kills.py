"""Processes at one store that are killed and stopped while they send: `make soak`, or `python -m hostile.kills [URL…]`.

Nothing that was acknowledged may be lost. The callbacks of a task arrive in order, all of them, and none twice beyond
those that were being sent when a process was killed or stopped.
"""

import http.client
import json
import random
import signal
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple

from hostile import short_leases
from hostile.callbacks import every_store
from kling_mock_server.outgoing.callback_worker import LANE_THREADS
from support.receivers import receiving
from support.serving import PATH, PATIENCE_S, payload, running
from support.workflow import LIST

STATUSES = ("submitted", "processing", "succeed")
_COMMAND = [sys.executable, str(Path(short_leases.__file__))]
_STOP_S = (0.1, 2.5 * short_leases.LEASE_MS / 1000)
"""How long a process is stopped, in seconds: shorter and longer than its leases."""

_RUN_S = (0.0, 0.4)
"""How long nothing happens to any process afterwards, in seconds."""


class KillPlan(NamedTuple):
    """How long processes are killed and stopped, and by how many accounts tasks are created meanwhile."""

    seconds: float = 60.0
    processes: int = 3
    accounts: int = 12
    killed: float = 0.15
    """The share of the processes that are killed; others are stopped for a while."""
    gap_s: float = 0.05
    """Time between one task and the next, in seconds."""


ALONE = KillPlan(processes=1, killed=0.0)
"""For the store in memory: it ends with its process."""


class KillOutcome(NamedTuple):
    """What came of it."""

    acknowledged: int
    lost: int
    """Acknowledged tasks that no process knows at the end."""
    unfinished: int
    """Acknowledged tasks whose last callback never came."""
    disordered: list[list[str]]
    """The statuses of tasks whose callbacks arrived in another order, or one once more after a later one."""
    twice: int
    kills: int
    stops: int

    @property
    def is_good(self):
        in_flight = LANE_THREADS * (self.kills + self.stops)
        broken = self.lost or self.unfinished or self.disordered or self.twice > in_flight
        return self.acknowledged > 0 and not broken

    def line(self):
        """Return the outcome in one line."""
        return (
            f"{self.kills} kills, {self.stops} stops: {self.acknowledged} tasks acknowledged, {self.lost} lost, "
            f"{self.unfinished} unfinished, {len(self.disordered)} out of order, {self.twice} callbacks sent twice"
        )


def run(url, plan, seed=0):
    """Kill and stop processes at a store, create tasks meanwhile, and return the `KillOutcome`."""
    with receiving() as receiver, ExitStack() as stack:
        mocks = stack.enter_context(_Mocks(url, plan.processes))
        tasks, is_over = {}, threading.Event()
        creator = threading.Thread(target=_create, args=(mocks, receiver.url, plan, seed, tasks, is_over))
        creator.start()
        try:
            kills, stops = _disturb(mocks, plan, random.Random(seed))
        finally:
            is_over.set()
            creator.join()
        _wait_for_the_last(receiver, tasks)
        lost = sum(_status(mocks.ports[0], token, task_id) != 200 for task_id, token in tasks.items())
        return _outcome(receiver.received, tasks, lost, kills, stops)


class _Mocks:
    """Processes at one store, each in the place of one that was killed."""

    def __init__(self, url, count):
        self._url = url
        self._stacks = [ExitStack() for _ in range(count)]
        self._served = [None] * count
        self.ports = [0] * count

    def __enter__(self):
        for number in range(len(self.ports)):
            self._start(number)
        return self

    def __exit__(self, *_):
        for stack in self._stacks:
            stack.close()

    def _start(self, number):
        options = ("--fetch", "none", "--pace", "fast", "--store", self._url)
        self._served[number] = self._stacks[number].enter_context(running(*options, command=_COMMAND))
        self.ports[number] = self._served[number].port

    def kill(self, number):
        # SIGKILL, and another in its place.
        self._stacks[number].close()
        self._start(number)

    def stop(self, number, seconds):
        process = self._served[number].process
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)


def _disturb(mocks, plan, chance):
    """Kill and stop processes; return how many of each."""
    kills = stops = 0
    ends = time.monotonic() + plan.seconds
    while time.monotonic() < ends:
        number = chance.randrange(plan.processes)
        if chance.random() < plan.killed:
            mocks.kill(number)
            kills += 1
        else:
            mocks.stop(number, chance.uniform(*_STOP_S))
            stops += 1
        time.sleep(chance.uniform(*_RUN_S))
    return kills, stops


def _create(mocks, url, plan, seed, tasks, is_over):
    """Create tasks at any process until it is over; note the token of each that was acknowledged."""
    chance, body = random.Random(seed), json.dumps(payload() | {"callback_url": url})
    while not is_over.wait(plan.gap_s):
        port, token = chance.choice(mocks.ports), f"killed-{chance.randrange(plan.accounts)}"
        # What a process that was killed did not answer may be there or not.
        with suppress(OSError, http.client.HTTPException, ValueError), closing(_connection(port)) as connection:
            connection.request("POST", PATH, body, _headers(token))
            answer = json.load(connection.getresponse())
            if answer["code"] == 0:
                tasks[answer["data"]["task_id"]] = token


def _wait_for_the_last(receiver, tasks):
    ends = time.monotonic() + 3 * PATIENCE_S
    while time.monotonic() < ends and tasks.keys() - _ended(receiver.received):
        time.sleep(0.05)


def _ended(received):
    return {one.json["task_id"] for one in list(received) if one.status == STATUSES[-1]}


def _status(port, token, task_id):
    with closing(_connection(port)) as connection:
        connection.request("GET", f"{LIST}/{task_id}", headers=_headers(token))
        return connection.getresponse().status


def _connection(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)


def _headers(token):
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def _outcome(received, tasks, lost, kills, stops):
    told = {}
    # A process that is killed while it sends may leave half a body.
    for one in received:
        if one.status:
            told.setdefault(one.json["task_id"], []).append(one.status)
    disordered = [statuses for statuses in told.values() if statuses != sorted(statuses, key=STATUSES.index)]
    twice = sum(len(statuses) - len(set(statuses)) for statuses in told.values())
    unfinished = len(tasks.keys() - _ended(received))
    return KillOutcome(len(tasks), lost, unfinished, disordered, twice, kills, stops)


def main(*urls):
    with ExitStack() as stack:
        outcomes = [_told(url) for url in urls or every_store(stack)]
    sys.exit(not all(outcome.is_good for outcome in outcomes))


def _told(url):
    outcome = run(url, ALONE if url.startswith("memory") else KillPlan())
    print(f"{url}: {outcome.line()}", *outcome.disordered[:3], flush=True)
    return outcome


if __name__ == "__main__":
    main(*sys.argv[1:])
