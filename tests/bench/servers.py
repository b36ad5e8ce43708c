"""Real servers in processes of their own, told apart by the CPU time that each used."""

import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.in_process import six_errors
from bench.measure import COUNTING, Figure, can_count, cost_of_run, counted
from kling_contracts import Contract

OPERATION = Contract.load().operation
PATH = OPERATION.paths[0]
BODY = json.dumps(OPERATION.example).encode()
SIX = json.dumps(six_errors()).encode()
HEADERS = {"Authorization": "Bearer bench", "Content-Type": "application/json"}

BARE = f"""
import flask, waitress.server
app = flask.Flask("bare")
app.post({PATH!r})(lambda: flask.jsonify(flask.request.get_json()))
server = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=8)
print(f"http://127.0.0.1:{{server.effective_port}}", flush=True)
server.run()
"""
COMMAND = [sys.executable, str(Path(sys.executable).with_name("klingkit"))]
SERVE = [*COMMAND, "serve", "--port", "0"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Byte code may be kept, as on any machine where a command runs more than once."""
BARE_SERVE = [sys.executable, "-c", BARE]


def figures():
    yield Figure("full pipeline / bare Flask echo, behind waitress", _throughput(), 0.9)
    yield Figure(
        "a request with six errors / bare Flask echo of the example, behind waitress", _throughput(SIX, 400), 1.6
    )
    yield Figure("cold `klingkit serve` to its first answer / bare Flask on waitress", _cold_start(), 1.15)
    yield Figure("`klingkit --help` / cold bare Flask on waitress", _command(["--help"]), 0.32)
    with tempfile.TemporaryDirectory() as folder:
        payload = Path(folder) / "payload.json"
        payload.write_bytes(BODY)
        yield Figure("`klingkit check FILE` / cold bare Flask on waitress", _command(["check", str(payload)]), 0.5)
    yield Figure("CPU that the recording proxy adds to a call", _proxy(), 1.0, "ms")
    yield Figure("delay of a healthy request beside 20 half-sent bodies", _slow_neighbours(), 50, "ms")


@contextmanager
def serving(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())[1])
        # Nobody reads the log: a full pipe would stop the server.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield process, port
    finally:
        process.kill()
        process.wait()


def cpu_of(process):
    """Return the CPU seconds that a running process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def post(connection, body=BODY, status=200):
    connection.request("POST", PATH, body, HEADERS)
    answer = connection.getresponse()
    assert answer.status == status, answer.status
    answer.read()


def _throughput(body=BODY, status=200, times=2000, rounds=7):
    with serving(SERVE) as (ours, our_port), serving(BARE_SERVE) as (bare, bare_port):
        servers = [(ours, http.client.HTTPConnection("127.0.0.1", our_port))]
        servers.append((bare, http.client.HTTPConnection("127.0.0.1", bare_port)))
        ratios = []
        for _ in range(rounds):
            used = []
            for process, connection in servers:
                start = cpu_of(process)
                sent, expected = (body, status) if process is ours else (BODY, 200)
                for _ in range(times):
                    post(connection, sent, expected)
                used.append(cpu_of(process) - start)
            ratios.append(used[0] / used[1])
        return statistics.median(ratios)


def _proxy(times=1000, rounds=3):
    """Return the CPU milliseconds of a call through the proxy: the process does nothing else."""
    with serving(BARE_SERVE) as (_, port), tempfile.TemporaryDirectory() as folder:
        recording = Path(folder, "bench.har")
        command = [*COMMAND, "proxy", "--port", "0", "--to", f"http://127.0.0.1:{port}", "--record", str(recording)]
        with serving(command) as (proxy, proxy_port):
            connection = http.client.HTTPConnection("127.0.0.1", proxy_port)
            post(connection)
            used = []
            for _ in range(rounds):
                start = cpu_of(proxy)
                for _ in range(times):
                    post(connection)
                used.append((cpu_of(proxy) - start) * 1000 / times)
            return statistics.median(used)


def _cold_start():
    return _ratio_to_bare(lambda: _to_first_answer(SERVE))


def _command(arguments):
    return _ratio_to_bare(lambda: cost_of_run([*COMMAND, *arguments], env=ENVIRONMENT))


def _ratio_to_bare(cost, rounds=9):
    """Return a cost by that of the bare server up to its first answer."""
    # The first run may write byte code. Instructions hardly differ from run to run.
    cost()
    return statistics.median(cost() / _to_first_answer(BARE_SERVE) for _ in range(1 if can_count() else rounds))


def _to_first_answer(command):
    """Return the cost of a server up to its first answer: millions of instructions, or CPU seconds without valgrind."""
    if not can_count():
        with serving(command) as (process, port):
            post(http.client.HTTPConnection("127.0.0.1", port))
            return cpu_of(process)
    with tempfile.NamedTemporaryFile("r") as log:
        with serving([*COUNTING, f"--log-file={log.name}", *command]) as (process, port):
            post(http.client.HTTPConnection("127.0.0.1", port))
            # It ends Python at once, and not callgrind.
            process.send_signal(signal.SIGUSR1)
            process.wait()
        return counted(log.read())


def _slow_neighbours():
    with serving(SERVE) as (_, port):
        alone = _milliseconds(port)
        neighbours = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for neighbour in neighbours:
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
            neighbour.sendall(head + BODY[: len(BODY) // 2])
        beside = _milliseconds(port)
        for neighbour in neighbours:
            with suppress(OSError):
                neighbour.close()
        return max(0.0, beside - alone)


def _milliseconds(port):
    samples = []
    for _ in range(20):
        start = time.perf_counter()
        post(http.client.HTTPConnection("127.0.0.1", port))
        samples.append((time.perf_counter() - start) * 1000)
    return statistics.median(samples)
