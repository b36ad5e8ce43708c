"""A client's session against a mock, recorded through the proxy."""

import json
import threading
from contextlib import contextmanager
from copy import deepcopy

import httpx
from waitress.server import create_server

from kling_contracts import Contract
from kling_contracts.media.silent_audio import wav
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.adapters.waitress_server import stop
from kling_mock_server.proxy.application import ProxyApp, ProxyOptions
from kling_mock_server.proxy.recorder import Recorder
from kling_mock_server.proxy.upstream import Upstream
from kling_mock_server.recordings.judging import judge
from kling_mock_server.recordings.reading import read
from support.serving import PATIENCE_S, documented

HOUR_MS = 3_600_000
SHORT_TEXT, LONG_TEXT = "Hi.", "word " * 200


class Clock:
    """The clock of a recording: that of the machine, moved along with the mock's."""

    def __init__(self):
        import time

        self._time = time
        self.ahead_ms = 0

    def now_ms(self):
        return self._time.time() * 1000 + self.ahead_ms


@contextmanager
def serving(app):
    """Serve a WSGI application on a free port of this machine; yields its URL."""
    server = create_server(app, host="127.0.0.1", port=0, threads=8, clear_untrusted_proxy_headers=False)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()

    def hang_up(channel):
        channel.close_when_flushed = True

    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        stop(server, thread, hang_up)


@contextmanager
def proxied(url, file=None, options=None, clock=None, said=None, contract=None, read_timeout_s=PATIENCE_S):
    """Serve a proxy to a URL; yields the proxy's URL."""
    recorder = Recorder(str(file)) if file else None
    upstream = Upstream(url, read_timeout_s=read_timeout_s)
    tell = (said if said is not None else []).append
    clock = clock or Clock()
    app = ProxyApp(contract or documented(), upstream, options or ProxyOptions(), recorder, tell, clock.now_ms)
    try:
        with serving(app) as proxy:
            yield proxy
    finally:
        upstream.close()
        if recorder:
            recorder.close()


@contextmanager
def upstream(change=None, **switches):
    """Run a mock to be recorded; `change` takes method, path, status and decoded body of an answer and returns them."""
    with LiveServer(**switches) as server:
        if change is None:
            yield server.url, server.new_handle()
        else:
            with serving(Changing(server.url, change)) as url:
                yield url, server.new_handle()


class Changing:
    """A service whose answers are changed on their way."""

    def __init__(self, url, change):
        self._url = url
        self._change = change

    def __call__(self, environ, start_response):
        headers = {
            "Authorization": environ.get("HTTP_AUTHORIZATION", ""),
            "Content-Type": environ.get("CONTENT_TYPE", ""),
        }
        target = environ["REQUEST_URI"]
        body = environ["wsgi.input"].read()
        sent = {name: value for name, value in headers.items() if value}
        answer = httpx.request(
            environ["REQUEST_METHOD"],
            self._url + target,
            content=body,
            headers=sent,
            trust_env=False,
            timeout=PATIENCE_S,
        )
        status, content = answer.status_code, answer.content
        if "json" in answer.headers.get("content-type", ""):
            status, value = self._change(environ["REQUEST_METHOD"], target, status, answer.json())
            content = json.dumps(value, ensure_ascii=False).encode()
        start_response(
            f"{status} X", [("Content-Type", answer.headers["content-type"]), ("Content-Length", str(len(content)))]
        )
        return [content]


class RecordedClient:
    """The client whose session is recorded."""

    def __init__(self, url, handle, clock):
        headers = {"Authorization": f"Bearer {handle.token}"}
        self._http = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=PATIENCE_S)
        self._handle = handle
        self._clock = clock
        self._contract = documented()

    def close(self):
        self._http.close()

    def post(self, name, body, **options):
        return self._http.post(self._contract.by_name[name].paths[0], json=body, **options)

    def get(self, name, task_id="", **parameters):
        return self._http.get(self._contract.by_name[name].paths[0].replace("{task_id}", task_id), params=parameters)

    def advance(self, by_ms):
        self._handle.clock.advance(by_ms)
        self._clock.ahead_ms += by_ms

    def download(self, url):
        return self._http.get(httpx.URL(url).raw_path.decode())

    def identify(self):
        value = self.post("identify", {"video_url": "https://example.com/talk.mp4"}).json()
        return value.get("data", value)

    def speak(self, text):
        body = {"text": text, "voice_id": "oversea_male1", "voice_language": "en"}
        value = self.post("tts", body).json()
        return value.get("data", value)["task_result"]["audios"][0]

    def create(self, session, audio_id, face=None, task=None, **changes):
        body = deepcopy(self._contract.operation.example)
        item = {**body["face_choose"][0], "face_id": face or session["face_data"][0]["face_id"], "audio_id": audio_id}
        item |= changes
        body["face_choose"] = [{name: value for name, value in item.items() if value is not ...}]
        body |= {"session_id": session["session_id"], **(task or {})}
        return self.post("create", body)


def session(client):
    """Use every operation, on both sides of what it may."""
    shown = client.identify()
    face = shown["face_data"][0]
    start, end = face["start_time"], face["end_time"]
    audio = client.speak("Hello, and welcome to the show. " * 6)
    audio_id, length = audio["id"], int(float(audio["duration"]) * 1000)
    short, long = client.speak(SHORT_TEXT)["id"], client.speak(LONG_TEXT)["id"]
    first = client.create(
        shown,
        audio_id,
        sound_start_time=0,
        sound_end_time=2000,
        sound_insert_time=start,
        task={"external_task_id": "first"},
    )
    task_id = first.json().get("data", {}).get("task_id", "none")
    client.get("query", task_id)
    client.advance(150)
    client.get("query", task_id)
    client.advance(5_000)
    client.get("query", "first")
    second = client.create(shown, audio_id, sound_start_time=1000, sound_end_time=length, sound_insert_time=start + 10)
    client.get("query", second.json().get("data", {}).get("task_id", "none"))
    client.get("list", pageNum=1, pageSize=30)
    refused(client, shown, audio_id, length, short, long, (start, end))
    client.advance(23 * HOUR_MS)
    client.create(shown, audio_id, sound_end_time=4000, sound_insert_time=start)
    client.advance(2 * HOUR_MS)
    client.create(shown, audio_id, sound_end_time=4000, sound_insert_time=start)
    return task_id


def refused(client, shown, audio_id, length, short, long, face):
    """Send what breaks one rule, one step past its limit, and a little more."""
    start, end = face
    whole = {"sound_start_time": 0, "sound_end_time": 4000, "sound_insert_time": start}

    def create(**changes):
        return client.create(shown, **{"audio_id": audio_id, **whole, **changes})

    for clip in (1999, 1500, 500, 2001, 2400):
        create(sound_end_time=clip)
    for late in (1, 600):
        create(sound_start_time=length - 3000, sound_end_time=length + late)
    for beyond in (0, 1999, 1500, 2001):
        create(sound_insert_time=max(end - beyond, 0))
    create(sound_end_time=2000, sound_insert_time=end - 2000)
    create(sound_insert_time=10_000_000)
    create(sound_insert_time=-1)
    create(sound_start_time=-1)
    for volume in (3, -1, 2, 0, 1.5, "1"):
        create(sound_volume=volume)
    create(original_audio_volume=3)
    create(face="999")
    create(audio_id="", sound_file="")
    create(sound_file="https://example.com/voice.mp3")
    create(audio_id=short, sound_end_time=1000)
    create(audio_id=long)
    create(task={"external_task_id": "first"})
    create(task={"external_task_id": None})
    create(sound_volume=...)
    create(sound_start_time="0")
    create(sound_end_time=4000.5)
    create(sound_start_time=4000, sound_end_time=3000, sound_volume=9)
    create(task={"face_choose": []})
    for seconds in (3, 1, 61):
        create(audio_id="", sound_file=encoded(wav(seconds * 1000)), sound_end_time=2500)
    create(audio_id="", sound_file="data:audio/wav;base64,AAAA")
    create(audio_id="", sound_file=encoded(b"OggS" + bytes(500)))
    client.post("identify", {"video_id": "", "video_url": ""})
    client.post("identify", {"video_id": "1", "video_url": "https://example.com/a.mp4"})
    client.post("tts", {"text": "a" * 1001, "voice_id": "oversea_male1", "voice_language": "en"})
    client.post("tts", {"text": "a", "voice_id": "oversea_male1", "voice_language": "en", "voice_speed": 2.1})
    client.post("tts", {"text": "a", "voice_id": "oversea_male1", "voice_language": "fr"})
    client.post("create", {}, headers={"Content-Type": "text/plain"})
    client._http.post(documented().operation.paths[0], content=b"{", headers={"Content-Type": "application/json"})
    client._http.post(documented().operation.paths[0], content=b"")
    client.get("list", pageNum=0)
    client.get("list", pageSize=501)
    client.get("query", "825000000000000001")
    listed = str(client._http.base_url) + documented().by_name["list"].paths[0]
    httpx.get(listed, trust_env=False, timeout=PATIENCE_S)


def encoded(data):
    import base64

    return base64.b64encode(data).decode()


def recorded(folder, *, change=None, talk=session, name="session.har", **switches):
    """Record a session; returns the file of the recording."""
    file, clock = folder / name, Clock()
    with upstream(change, **switches) as (url, handle), proxied(url, file, clock=clock) as proxy:
        client = RecordedClient(proxy, handle, clock)
        try:
            talk(client)
        finally:
            client.close()
    return file


def judged(file, contract=None):
    """Judge a recording by the documented contract."""
    return judge(contract or Contract.load(), [read(file.read_bytes(), file.name)])
