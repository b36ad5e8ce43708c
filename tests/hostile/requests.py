"""Hostile requests by the hundred thousand: `make hostile`, or `python -m hostile.requests [SECONDS [SEED [COUNT]]]`.

Half of the time in process, half over sockets; of `COUNT` requests seven tenths in process. Nothing may be answered
with a 5xx that no scenario asked for, nothing may take long, and the memory of the mock may not grow beyond a bound.
"""

import re
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hostile.traffic import PLAYER, Traffic, sounds
from kling_contracts import Request
from kling_mock_server.adapters.free_memory import return_large_blocks
from support.serving import new_app, running

MAX_ANSWER_S = 10.0
"""The largest bodies have 7 MB, on a machine that may be busy."""
MAX_GROWTH_MB = 100
_WARM = 200
"""Requests after which modules are imported and the rules of every operation were judged."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class Outcome(NamedTuple):
    """What came of a run."""

    place: str
    count: int
    statuses: Counter
    failures: list[str]
    """Answers of 5xx that nobody asked for, and those that never came."""
    slowest_s: float
    slowest: str
    growth_mb: float
    """How much more resident memory than after the first `_WARM` requests the mock had at most."""
    took_s: float

    @property
    def is_good(self):
        return not self.failures and self.slowest_s <= MAX_ANSWER_S and self.growth_mb <= MAX_GROWTH_MB

    def line(self):
        """Return the outcome as a line of a table."""
        statuses = " ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return (
            f"| {self.place} | {self.count:,} | {self.took_s:.0f} s | {len(self.failures)} "
            f"| {self.slowest_s:.2f} s ({self.slowest}) | {self.growth_mb:+.1f} MB | {statuses} |"
        )


HEADING = """| where | requests | in | unasked 5xx, no answer | slowest | memory | answers |
| --- | --- | --- | --- | --- | --- | --- |"""


def in_process(seconds, seed, most=10**9):
    """Ask a mock of this process."""
    responder = new_app(fetch="none").responder

    def ask(asked):
        request = Request(asked.method, asked.path, asked.headers, asked.body, asked.query, "http://127.0.0.1")
        return responder.respond(request).status

    try:
        return _run("in process", ask, "self", Traffic(seed), seconds, most)
    finally:
        responder.close()


def over_sockets(seconds, seed, most=10**9):
    """Ask a mock of its own process."""
    with running("--fetch", "none") as served, _Line(served.port) as line:
        return _run("over sockets", lambda asked: line.ask(asked), served.process.pid, Traffic(seed), seconds, most)


def _run(place, ask, pid, traffic, seconds, most):
    statuses, failures, slowest_s, slowest, before_mb, most_mb = Counter(), [], 0.0, "", 0.0, 0.0
    began, count = time.perf_counter(), 0
    while count < most and time.perf_counter() - began < seconds:
        asked = traffic.next()
        asked_at = time.perf_counter()
        try:
            status = ask(asked)
        except OSError as error:
            status = type(error).__name__
        took_s = time.perf_counter() - asked_at
        if took_s > slowest_s:
            slowest_s, slowest = took_s, f"{asked.method} {asked.path[:40]}, {len(asked.body)} bytes"
        statuses[str(status)] += 1
        is_asked_for = PLAYER in asked.headers.get("authorization", "")
        if not is_asked_for and (not isinstance(status, int) or status >= 500):
            failures.append(f"{status}: {asked.method} {asked.path!r} {asked.query!r} {asked.body[:300]!r}")
        count += 1
        if count % _WARM == 0:
            most_mb = max(most_mb, memory_mb(pid))
            before_mb = before_mb or most_mb
    took_s = time.perf_counter() - began
    return Outcome(place, count, statuses, failures, slowest_s, slowest, most_mb - before_mb, took_s)


class _Line:
    """A connection that is opened again whenever the mock has closed it."""

    def __init__(self, port):
        self._port = port
        self._socket = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._hang_up()

    def ask(self, asked):
        """Send a request; return the status of its answer."""
        is_new = self._socket is None
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=2 * MAX_ANSWER_S)
        try:
            return self._answer(asked)
        except ConnectionError:
            self._hang_up()
            if is_new:
                raise
        # What was sent on a line that the mock had closed meanwhile is sent once more.
        return self.ask(asked)

    def _answer(self, asked):
        # It may have answered, and hung up, before it had read everything.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(asked.raw)
        head, rest = self._head()
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        left = 0 if asked.method == "HEAD" or not length else int(length[1]) - len(rest)
        while left > 0 and (data := self._socket.recv(65536)):
            left -= len(data)
        if not length or b"close" in head.lower():
            self._hang_up()
        return int(_STATUS.match(head)[1])

    def _head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionResetError("closed without an answer")
            data += more
            if data.startswith(b"HTTP/1.1 100 "):
                data = data.partition(b"\r\n\r\n")[2]
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def _hang_up(self):
        if self._socket:
            self._socket.close()
            self._socket = None


def memory_mb(pid):
    """Return the resident memory of a process, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def main(seconds=240, seed=0, count=10**9):
    print(HEADING)
    # The files are a hundred megabytes, and not the mock's.
    sounds()
    # As `klingkit serve` does: in process, the generator's own bodies would count, too.
    return_large_blocks()
    outcomes = []
    for run, share in ((in_process, 0.7), (over_sockets, 0.3)):
        outcomes.append(run(float(seconds) / 2, int(seed), int(int(count) * share)))
        print(outcomes[-1].line(), flush=True)
    for outcome in outcomes:
        for failure in outcome.failures[:20]:
            print(outcome.place, failure)
    sys.exit(not all(outcome.is_good for outcome in outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
