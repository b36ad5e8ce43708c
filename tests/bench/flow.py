"""The calls of an integrator one after the other: against as many echoes, and by many clients at once."""

import http.client
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from urllib.parse import urlsplit

from bench.measure import Figure
from bench.servers import BARE_SERVE, BODY, OPERATION, PATH, SERVE, cpu_of, post, serving
from kling_contracts import Contract
from kling_contracts.media import video
from kling_mock_server.assets.rendering.picture import WIDTH
from kling_mock_server.state.pace import PACES

CONTRACT = Contract.load()
IDENTIFY, TTS, LIST = (CONTRACT.by_name[name].paths[0] for name in ("identify", "tts", "list"))
CALLS = 7
_SERVE_UNRENDERED = """
import sys
from kling_mock_server.assets import renderer
from kling_mock_server.cli.main import cli
renderer._can_render = lambda: False
cli(["serve", "--port", "0"])
"""
UNRENDERED = [sys.executable, "-c", _SERVE_UNRENDERED]
CLIENTS = 50
VIDEO = {"video_url": "https://example.com/footage.mp4#duration=10000&face=0-10000"}
SPEECH = {
    "text": "A sentence that is long enough to be used, with a pause, or two.",
    "voice_id": "bench",
    "voice_language": "en",
}


def figures():
    yield Figure("the whole flow / seven echoes of bare Flask, behind waitress", _flow(), 1.1)
    if find_spec("av") is None:
        print("| a download among 50 clients | PyAV is missing here: not measured | |")
        return
    same, rendered = _downloads(lambda number: 1000)
    yield Figure("p99 of the download of a rendered result, 50 clients with one request", same, 2.0, "s")
    yield Figure("results of theirs that were not rendered", 100 - rendered, 0, "%")
    own, rendered = _downloads(lambda number: 1000 + number)
    yield Figure("p99 of the download, 50 clients with a request of their own", own, 2.0, "s")
    yield Figure("results of theirs that were not rendered, each of its own request", 100 - rendered, 0, "%")


class FlowClient:
    """An account, over one connection."""

    def __init__(self, port, token):
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        """Return the answer's body."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, self._headers)
        answer = self._connection.getresponse()
        data = answer.read()
        assert answer.status == 200, (answer.status, data)
        return data

    def data(self, method, path, body=None):
        """Return `data` of the answer."""
        return json.loads(self.ask(method, path, body))["data"]

    def begin(self):
        """Make the first four calls, from a video and a text to a task that is on its way; returns its path."""
        session = self.data("POST", IDENTIFY, VIDEO)
        (audio,) = self.data("POST", TTS, SPEECH)["task_result"]["audios"]
        (item,), face = OPERATION.example["face_choose"], session["face_data"][0]["face_id"]
        item = {**item, "face_id": face, "audio_id": audio["id"], "sound_end_time": 3000}
        task = {**OPERATION.example, "session_id": session["session_id"], "face_choose": [item]}
        path = f"{LIST}/{self.data('POST', PATH, task)['task_id']}"
        self.ask("GET", path)
        return path

    def end(self, path):
        """Make the last three, to its result."""
        self.ask("GET", f"{LIST}?pageNum=1&pageSize=1")
        self.download(self.data("GET", path))

    def download(self, task):
        """Return the result of a task that has succeeded."""
        (result,) = task["task_result"]["videos"]
        return self.ask("GET", urlsplit(result["url"]).path)

    def finished(self, body):
        """Create a task, and return it once it has succeeded."""
        path = f"{LIST}/{self.data('POST', PATH, body)['task_id']}"
        while (task := self.data("GET", path))["task_status"] != "succeed":
            time.sleep(0.05)
        return task


def _flow(times=100, rounds=7):
    """Without PyAV: the neutral video is downloaded, which costs what any answer does."""
    with serving(UNRENDERED) as (ours, our_port), serving(BARE_SERVE) as (bare, bare_port):
        client, connection = FlowClient(our_port, "bench"), http.client.HTTPConnection("127.0.0.1", bare_port)
        ratios = []
        for _ in range(rounds):
            start = cpu_of(ours)
            paths = [client.begin() for _ in range(times)]
            # The last of them ends; to wait costs no CPU.
            time.sleep(PACES["fast"].ends_after_ms / 1000)
            for path in paths:
                client.end(path)
            used, start = cpu_of(ours) - start, cpu_of(bare)
            for _ in range(times * CALLS):
                post(connection)
            ratios.append(used / (cpu_of(bare) - start))
        return statistics.median(ratios)


def _downloads(insert_ms):
    """Return the 99th percentile of the seconds of a download, and how many per cent of the results were rendered."""
    with serving(SERVE) as (_, port), ThreadPoolExecutor(CLIENTS) as clients:
        # What is loaded at the first rendering is not what a download costs.
        _downloaded(port, "warm-up", 999)
        done = list(
            clients.map(lambda number: _downloaded(port, f"client-{number}", insert_ms(number)), range(CLIENTS))
        )
    seconds, widths = zip(*done, strict=True)
    return statistics.quantiles(seconds, n=100)[98], 100 * widths.count(WIDTH) / CLIENTS


def _downloaded(port, token, insert_ms):
    client, body = FlowClient(port, token), json.loads(BODY)
    body["face_choose"][0]["sound_insert_time"] = insert_ms
    task = client.finished(body)
    start = time.perf_counter()
    result = client.download(task)
    return time.perf_counter() - start, video.measure(result).width
