"""Receivers of callbacks on this machine: they keep what they are sent, and answer as they are told."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.serving import PATIENCE_S, in_thread

HANG_UP = "hang up"
"""As an answer: none."""
HANG = "hang"
"""As an answer: none before the receiver is released."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes
    at_s: float = field(default_factory=time.time)
    """When it was read, Unix time in s."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def status(self):
        """The task's status that it tells; None where it cannot be read."""
        try:
            return self.json["task_status"]
        except (ValueError, TypeError, KeyError):
            return None

    @property
    def message_id(self):
        return self.headers.get("webhook-id")


class Receiver:
    """What has come, and what is answered: each of `answers` once, then 200.

    An answer is a status, a status with headers, `HANG_UP` or `HANG`.
    """

    def __init__(self, answers, host, port):
        self.url = f"http://{host}:{port}/callback"
        self.received = []
        self.hanging = 0
        self._answers = list(answers)
        self._news = threading.Condition()
        self._released = threading.Event()

    @property
    def statuses(self):
        return [one.status for one in self.received]

    def answer(self, *answers):
        """Forget what has come, and answer so from now on."""
        with self._news:
            self.received = []
            self._answers = list(answers)

    def take(self, received):
        """Keep a request; returns how it is answered."""
        with self._news:
            self.received.append(received)
            answer = self._answers.pop(0) if self._answers else 200
            self.hanging += answer == HANG
            self._news.notify_all()
        return answer

    def wait_for(self, count):
        """Wait until so many have come."""
        with self._news:
            came = self._news.wait_for(lambda: len(self.received) >= count, PATIENCE_S)
            assert came, f"only {len(self.received)} of {count} came"

    def hang(self):
        self._released.wait(PATIENCE_S)

    def release(self):
        """Hang up on all that hang."""
        self._released.set()


class CallbackServer(ThreadingHTTPServer):
    """Listens for many callbacks at once."""

    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        """Say nothing: the other side may hang up, and so may a receiver."""


@contextmanager
def receiving(*answers, host="127.0.0.1"):
    """Receive on a free port until the end of the block; yields the `Receiver`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            answer = receiver.take(Received(self.path, headers, body))
            if answer == HANG:
                receiver.hang()
            elif answer != HANG_UP:
                self._answer(*(answer if isinstance(answer, tuple) else (answer, {})))

        # A client that followed a redirect would come so.
        do_GET = do_POST

        def _answer(self, status, headers):
            self.send_response_only(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    with in_thread(CallbackServer((host, 0), Handler)) as server:
        receiver = Receiver(answers, host, server.server_address[1])
        try:
            yield receiver
        finally:
            receiver.release()
