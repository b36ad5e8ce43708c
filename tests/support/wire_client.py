"""A client below HTTP: it tells how an answer came out of its socket, whole or not."""

import json
import select
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from kling_mock_server.state.pace import PACES
from support.serving import PATH, PATIENCE_S, Answer, Mock, connect, payload, raw_request
from support.wired import read

BEGINS_MS, ENDS_MS = PACES["manual"].begins_after_ms, PACES["manual"].ends_after_ms
IDENTIFY, TTS = "/kling/v1/videos/identify-face", "/kling/v1/audio/tts"
SPEECH = {"text": "Hello, and welcome to the show.", "voice_id": "oversea_male1", "voice_language": "en"}


@dataclass(frozen=True, slots=True)
class Seen(Answer):
    """One answer, byte by byte; without a head, `status` is None, and headers have their names in lower case."""

    end: str
    """close or reset."""
    after_s: float
    """From the request to the end of the connection."""

    @property
    def claimed(self):
        return int(self.headers["content-length"])


class WireClient:
    """A client of one account that has a task which has succeeded."""

    def __init__(self, server):
        self.kling = server.new_handle()
        self.other = server.new_handle()
        self._port = int(server.url.rpartition(":")[2])
        mock = Mock(server.responder)
        self.task_id = mock.post(payload(), self.kling.token).data["task_id"]
        self.kling.clock.advance(ENDS_MS)
        task = mock.ask("GET", f"{PATH}/{self.task_id}", token=self.kling.token).data
        self.file = urlsplit(task["task_result"]["videos"][0]["url"]).path

    def ask(self, call, kling=None, **changes):
        begun = time.monotonic()
        with self.begin(call, kling, **changes) as connection:
            data, end = read(connection)
        seen = _seen(data, end, time.monotonic() - begun)
        if call == "create" and seen.status == 200 and seen.code == 0:
            self.task_id = str(seen.data["task_id"])
        return seen

    def begin(self, call, kling=None, **changes):
        """Send a request; returns the connection on which the answer will come."""
        connection = connect(self._port)
        connection.sendall(_REQUESTS[call](self, (kling or self.kling).token, **changes))
        return connection

    def wait_for_entry(self, number):
        """Wait until the journal has so many entries."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.kling.journal) < number:
            assert time.monotonic() < deadline, "the mock has not taken the request"
            select.select([], [], [], 0.002)


def _request(method, path, body, token):
    content = b"" if body is None else json.dumps(body).encode()
    return raw_request(content, method, path, token)


_REQUESTS = {
    "create": lambda client, token, **changes: _request("POST", PATH, {**payload(), **changes}, token),
    "query": lambda client, token, named="": _request("GET", f"{PATH}/{named or client.task_id}", None, token),
    "list": lambda client, token: _request("GET", PATH, None, token),
    "identify": lambda client, token: _request("POST", IDENTIFY, {"video_url": "http://videos.example/one.mp4"}, token),
    "tts": lambda client, token: _request("POST", TTS, SPEECH, token),
    "download": lambda client, token: _request("GET", client.file, None, token),
}


def _seen(data, end, after_s):
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    seen = Seen(int(first.split()[1]) if first else None, headers, body, end, after_s)
    # What no scenario asks for: an accident of the mock.
    assert b"Traceback" not in body
    assert seen.status != 500 or seen.code == 5000
    return seen
