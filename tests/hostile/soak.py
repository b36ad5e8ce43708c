"""Many connections, many tasks and sudden ends: `make soak`, or `python -m hostile.soak`; minutes."""

import asyncio
import http.client
import json
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import NamedTuple

from hostile.callbacks import every_store
from hostile.requests import memory_mb
from kling_contracts import Contract
from kling_contracts.facts.task import Task
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.stores import open_store
from support.serving import PATH, PATIENCE_S, payload, raw_request, running
from support.workflow import LIST

MAX_DELAY_MS = 100
MAX_TASK_KB = 0.7
MAX_GROWTH = 1.2
"""Of time, file and memory, from one part of a run to the next, once an account is full."""


class Line(NamedTuple):
    """One row of the table: what was tried, what came of it, and whether that is good."""

    what: str
    found: str
    is_good: bool


def idle_connections(idle=2000, half_sent=500, max_delay_ms=MAX_DELAY_MS):
    """Measure healthy requests beside connections that wait and bodies that never end; the slowest is judged."""
    _raise_limit()
    with running("--fetch", "none") as served, ExitStack() as stack:
        alone = _delays_ms(served.port)
        for number in range(idle + half_sent):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=20))
            if number < idle:
                line.sendall(_get())
                _read(line)
            else:
                line.sendall(raw_request(b"{", length=1000))
        beside = _delays_ms(served.port)
    found = (
        f"a healthy request takes {median(beside):.1f} ms (median of {len(beside)}), {beside[-1]:.0f} ms at most; "
        f"{beside[-3]:.0f} ms but for the slowest two; without them {median(alone):.1f} and {alone[-1]:.0f} ms"
    )
    return Line(f"{idle} idle connections, {half_sent} half-sent bodies", found, beside[-1] < max_delay_ms)


def _delays_ms(port):
    """Return how long each of 200 healthy requests takes, the fastest first."""
    return sorted(_healthy_s(port) * 1000 for _ in range(200))


def active_clients(clients=1000, requests=10):
    """Let many clients create tasks at once, each over one connection."""
    _raise_limit()
    with running("--fetch", "none") as served:
        began = time.perf_counter()
        good = asyncio.run(_everyone(served.port, clients, requests))
        took_s = time.perf_counter() - began
    found = f"{good} of {clients * requests} answered 200 in {took_s:.1f} s"
    return Line(f"{clients} clients, {requests} tasks each", found, good == clients * requests)


async def _everyone(port, clients, requests):
    return sum(await asyncio.gather(*(_client(port, requests) for _ in range(clients))))


async def _client(port, requests):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    good, body = 0, json.dumps(payload()).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer key\r\nContent-Type: application/json\r\n"
    for _ in range(requests):
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        good += answer.startswith(b"HTTP/1.1 200")
    writer.close()
    return good


def killed(url, rounds=3, seconds=2.0, clients=4):
    """Kill a mock while clients create tasks; whatever was acknowledged must be there afterwards."""
    acknowledged = []
    for _ in range(rounds):
        with running("--fetch", "none", "--store", url) as served:
            threads = [
                threading.Thread(target=_create_until_it_ends, args=(served.port, acknowledged)) for _ in range(clients)
            ]
            for thread in threads:
                thread.start()
            _wait_for_more(acknowledged)
            time.sleep(seconds)
            served.process.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join(20)
    with running("--fetch", "none", "--store", url) as served:
        lost = sum(_status(served.port, task_id) != 200 for task_id in acknowledged)
    found = f"{len(acknowledged)} acknowledged, {lost} lost"
    return Line(
        f"kill -9, {rounds} times, {'SQLite' if url.startswith('sqlite') else 'Redis'}",
        found,
        bool(acknowledged) and not lost,
    )


def _wait_for_more(acknowledged):
    before, ends = len(acknowledged), time.monotonic() + PATIENCE_S
    while len(acknowledged) == before and time.monotonic() < ends:
        time.sleep(0.01)


def _create_until_it_ends(port, acknowledged):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        while True:
            try:
                connection.request("POST", PATH, json.dumps(payload()), {"Authorization": "Bearer key"})
                answer = json.load(connection.getresponse())
            except (OSError, http.client.HTTPException, ValueError):
                return
            if answer["code"] == 0:
                acknowledged.append(answer["data"]["task_id"])


def _status(port, task_id):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", f"{LIST}/{task_id}", headers={"Authorization": "Bearer key"})
        return connection.getresponse().status


def held_tasks(accounts=1000, tasks=1000, overflow=20_000):
    """Hold many tasks in memory, then fill one account beyond what it keeps."""
    with closing(open_store("memory:")) as store:
        everyone = _accounts(store, accounts)
        before_mb = memory_mb("self")
        for number in range(accounts * tasks):
            _create(everyone[number % accounts], number)
        each_kb = (memory_mb("self") - before_mb) * 1024 / (accounts * tasks)
        full = everyone[0]
        grown = []
        for part in range(3):
            for number in range(overflow):
                _create(full, 10**7 + part * overflow + number)
            grown.append(memory_mb("self"))
        flat_mb = grown[2] - grown[1]
    what = f"{accounts * tasks:,} tasks of {accounts} accounts in memory"
    found = f"{each_kb:.2f} kB a task; {flat_mb:+.1f} MB for {overflow:,} more in a full account"
    return Line(what, found, each_kb <= MAX_TASK_KB and flat_mb < max(2.0, overflow * MAX_TASK_KB / 10 / 1024))


def stored_tasks(count=200_000):
    """Create tasks of one account in a SQLite file: once it is full, nothing grows."""
    parts = []
    with tempfile.TemporaryDirectory() as folder, closing(open_store(f"sqlite:///{folder}/soak.db")) as store:
        (account,) = _accounts(store, 1)
        for part in range(4):
            began = time.process_time()
            for number in range(count // 4):
                _create(account, part * count + number)
            size_mb = sum(path.stat().st_size for path in Path(folder).iterdir()) / 2**20
            parts.append((size_mb, memory_mb("self"), (time.process_time() - began) / (count // 4) * 1e6))
    ratios = [last / first for first, last in zip(parts[1], parts[3], strict=True)]
    names = ("file {:.1f} → {:.1f} MB", "memory {:.1f} → {:.1f} MB", "{:.0f} → {:.0f} µs of CPU a task")
    found = ", ".join(
        name.format(*pair) for name, pair in zip(names, zip(parts[1], parts[3], strict=True), strict=True)
    )
    return Line(f"{count:,} tasks on SQLite, second to last quarter", found, max(ratios) <= MAX_GROWTH)


def _accounts(store, count):
    contract = Contract.load()
    accounts = Accounts(contract, InitialState(contract.operation.example_world), store=store)
    everyone = [accounts.of_token(f"soak-{number}") for number in range(count)]
    for account in everyone:
        account.state.read()
    return everyone


def _create(account, number):
    now_ms, task_id = 1_750_000_000_000 + number, str(10**17 + 2 * number)
    task = Task(
        task_id, f"order-{number}", now_ms, now_ms, now_ms, True, "", "1", "", 5000, "1", "http://127.0.0.1:8080"
    )
    account.tasks.create(task)


def _raise_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _get():
    return f"GET {LIST} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer key\r\n\r\n".encode()


def _read(line):
    assert line.recv(65536).startswith(b"HTTP/1.1 200")


def _healthy_s(port):
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(_get())
        _read(line)
    return time.perf_counter() - began


def main():
    is_good = True
    print("| what | found | |\n| --- | --- | --- |")
    with ExitStack() as stack:
        lasting = [url for url in every_store(stack) if not url.startswith("memory")]
        runs = [
            idle_connections,
            active_clients,
            *(lambda url=url: killed(url) for url in lasting),
            stored_tasks,
            held_tasks,
        ]
        for run in runs:
            line = run()
            is_good &= line.is_good
            print(f"| {line.what} | {line.found} | {'good' if line.is_good else 'BAD'} |", flush=True)
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
