"""The mock as tests reach it: in process, as a running command, and loopback servers for it to fetch from."""

import copy
import importlib.util
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kling_contracts import Request
from kling_contracts.cases.factory import factory_of
from kling_mock_server import create_app

PATH = "/kling/v1/videos/advanced-lip-sync"
SHORT_PATH = "/v1/videos/advanced-lip-sync"
SESSION = "825465778199224380"
AUDIO = "825451760499568680"
NOW_MS = 1_750_000_000_000

# How long a test waits for what must come: only a failing test ever does.
PATIENCE_S = 20


@cache
def documented():
    """Return the contract of the default profile, compiled once; the one that cases are made from by default."""
    return factory_of(None).contract


def payload(**changes):
    """Return the vendor's own example with some fields of its one face changed; None takes a field out."""
    example = copy.deepcopy(documented().operation.example)
    face = {**example["face_choose"][0], **changes}
    example["face_choose"] = [{name: value for name, value in face.items() if value is not None}]
    return example


def world(**changes):
    """Return the world of a fresh account, its clock standing still at `NOW_MS`, with some members changed."""
    session = {"video_ms": 10_000, "faces": {"-1": [0, 10_000], "0": [2000, 7000]}}
    return {
        "now_ms": NOW_MS,
        "sessions": {SESSION: session},
        "audios": {AUDIO: {"duration_ms": 8000}},
        **changes,
    }


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["code"]

    @property
    def message(self):
        return self.json["message"]

    @property
    def data(self):
        return self.json["data"]

    @property
    def broken(self):
        """The ids of the broken rules, as the header lists them."""
        return _listed(self.headers.get("X-Contract-Violations", ""))

    @property
    def unverified(self):
        return _listed(self.headers.get("X-Contract-Unverified", ""))


def _listed(header):
    return header.split(", ") if header else []


def encoded(body):
    """Return a body as it is sent: bytes as they are, anything else as JSON."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def new_app(**options):
    """Return `create_app(**options)` without compiling the default contract once more."""
    if not {"profile", "upstream_state", "contract"} & options.keys():
        options["contract"] = documented()
    return create_app(**options)


class Mock:
    """One mock in process, below any HTTP library: the given responder's, or that of a new application."""

    def __init__(self, responder=None, **options):
        self.responder = responder or new_app(**options).responder

    def ask(self, method, path, body=b"", token="key", **headers):
        """Send one request. A body that is not bytes goes out as JSON; no token, no Authorization."""
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        path, _, query = path.partition("?")
        answer = self.responder.respond(Request(method, path, {**bearer, **headers}, encoded(body), query))
        return Answer(answer.status, answer.headers, answer.body)

    def post(self, body, token="key", path=PATH, **headers):
        return self.ask("POST", path, body, token, **headers)

    def control(self, method, path, body=b"", token="key"):
        """Call the control surface, which must carry it out; returns the data of its answer."""
        answer = self.ask(method, f"/_mock{path}", body, token)
        assert answer.status == 200, answer.body
        return answer.data

    def put_world(self, token="key", **changes):
        return self.control("PUT", "/world", world(**changes), token)

    def advance(self, by_ms, token="key"):
        return self.control("POST", "/clock", {"advance_ms": by_ms}, token)

    def journal(self, token="key"):
        return self.control("GET", "/journal", token=token)


def environment(**variables):
    """Return the environment in which a Python process imports the very packages that are under test."""
    packages = ("kling_openapi", "kling_contracts", "kling_mock_server")
    roots = [Path(importlib.util.find_spec(name).origin).parents[1] for name in packages]
    path = os.pathsep.join(map(str, dict.fromkeys(roots)))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", "no_proxy": "*", **variables}


COMMAND = [sys.executable, "-m", "kling_mock_server"]


@contextmanager
def started(*arguments, command=COMMAND, **options):
    """Start `klingkit`, or another command, with these arguments; whatever happens, it is gone afterwards."""
    process = subprocess.Popen([*command, *arguments], **{"env": environment(), **options})
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


class Served:
    """A running `klingkit serve` and what it has printed so far."""

    def __init__(self, process):
        self.process = process
        self._lines = []
        self._printed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.line(" at http://").partition(" at ")[2].split()[0]
        self.port = int(self.url.rpartition(":")[2])

    def _read(self):
        for line in self.process.stdout:
            with self._printed:
                self._lines.append(line.rstrip("\n"))
                self._printed.notify_all()

    def line(self, part):
        """Return the first line that holds `part`, as soon as it is printed."""
        with self._printed:
            found = self._printed.wait_for(lambda: [one for one in self._lines if part in one], PATIENCE_S)
            assert found, f"{part!r} was never printed:\n{self.output}"
            return found[0]

    def ended(self):
        """Wait for its end; returns the exit status."""
        status = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return status

    @property
    def output(self):
        return "\n".join(self._lines)


@contextmanager
def running(*options, command=COMMAND):
    """Run `klingkit serve` on a free port until the end of the block; `command` stands for `klingkit`."""
    arguments = ("serve", "--port", "0", *options)
    with (
        _heeding_interrupts(),
        started(
            *arguments, command=command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        ) as process,
    ):
        yield Served(process)


@contextmanager
def _heeding_interrupts():
    # A suite that a script runs in the background ignores SIGINT, and so would every process it starts.
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def raw_request(body=b"", method="POST", path=PATH, token="key", headers=(), length=None):
    """Return the bytes of a request after which the server is to hang up; `length` None: the true one."""
    lines = [
        f"{method} {path} HTTP/1.1".encode("latin-1"),
        b"Host: 127.0.0.1",
        b"Connection: close",
        f"Authorization: Bearer {token}".encode(),
        f"Content-Length: {len(body) if length is None else length}".encode(),
        *headers,
    ]
    return b"\r\n".join([*lines, b"", body])


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def exchange(port, request, *, half_close=False):
    """Send bytes as they are; returns all that comes back until the server hangs up."""
    with connect(port) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        return received(connection)


def received(connection):
    """Return all that comes until the other side hangs up, however it does."""
    data = bytearray()
    with suppress(ConnectionError):
        while chunk := connection.recv(65536):
            data += chunk
    return bytes(data)


class _Loopback(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        """Say nothing: clients that hang up are what these servers are for."""


@contextmanager
def in_thread(server):
    """Let a server of the standard library, or of werkzeug, serve until the end of the block; yields it."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def loopback(behave, host="127.0.0.1", *, at_once=False):
    """Serve on a free port of this machine; yields the port.

    Every connection is given to `behave`, with its request line, once the head of its request was read;
    `at_once`: as soon as it is made, with "".
    """

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            behave(self.request, "" if at_once else self._request_line())

        def _request_line(self):
            first = self.rfile.readline().decode("latin-1").strip()
            while self.rfile.readline().strip():
                pass
            return first

    class Server(_Loopback):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with in_thread(Server((host, 0), Handler)) as server:
        yield server.server_address[1]


def response(content=b"", status="200 OK", headers=(), length=None):
    """Return the bytes of an HTTP response; `length` None: the true one, "": none is named."""
    named = len(content) if length is None else length
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    if named != "":
        lines.append(f"Content-Length: {named}")
    return "\r\n".join([*lines, "", ""]).encode() + content


@contextmanager
def file_server(content, host="127.0.0.1"):
    """Serve one file on every path; yields the port."""
    with loopback(lambda connection, _: connection.sendall(response(content)), host) as port:
        yield port
