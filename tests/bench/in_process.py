"""The contract and the whole pipeline, in this process."""

import base64
import copy
import io
import json
import shutil
import tempfile
import time
import tracemalloc
from dataclasses import replace
from unittest.mock import patch

import flask

from bench.measure import Figure, ratio
from hostile import media as hostile_audio
from kling_contracts import Contract
from kling_contracts.media import audio, silent_audio
from kling_mock_server import create_app
from kling_mock_server.assets import renderer
from kling_mock_server.page import page_files
from support.redis_server import redis_server

CONTRACT = Contract.load()
EXAMPLE = CONTRACT.operation.example
WORLD = replace(CONTRACT.operation.example_world, now_ms=1_750_000_000_000)
BODY = json.dumps(EXAMPLE, ensure_ascii=False).encode()


def figures():
    yield Figure("collect_violations(the example) / json.loads of it", _judged(EXAMPLE, WORLD), 1.5)
    yield Figure("collect_violations(the example) without a world / json.loads of it", _judged(EXAMPLE, None), 2)
    yield Figure("collect_violations(six errors) / json.loads of the example", _judged(six_errors(), WORLD), 6)
    yield Figure("collect_violations(a 5 MB upload) / json.loads + b64decode of it", _upload(), 1.5)
    yield Figure("full pipeline / bare Flask echo, in process", _pipeline(), 0.8)
    yield Figure("a request with six errors / bare Flask echo of the example, in process", _refused(), 1.3)
    yield from _on_stores()
    yield Figure("an API request once the page was looked at / before", _looked_at(), 1.03)
    yield Figure("memory of 10,000 tasks", _memory(), 10, "MB")
    yield Figure("slowest of the hostile 5 MB files", _hostile(), 0.25, "s")


def _judged(payload, world):
    return ratio(lambda: CONTRACT.collect_violations(payload, world), lambda: json.loads(BODY), 1000)


def six_errors():
    broken = copy.deepcopy(EXAMPLE)
    broken["session_id"] = 4
    broken["face_choose"][0] |= {
        "face_id": 3,
        "sound_insert_time": "x",
        "sound_start_time": -1,
        "sound_volume": 9,
        "original_audio_volume": -1,
    }
    assert len(CONTRACT.collect_violations(broken, WORLD)) == 6
    return broken


def _upload():
    largest = silent_audio.make("wav", 8000, CONTRACT.largest_file)
    payload = copy.deepcopy(EXAMPLE)
    payload["face_choose"][0] |= {"audio_id": "", "sound_file": base64.b64encode(largest).decode()}
    body = json.dumps(payload).encode()
    assert not CONTRACT.collect_violations(json.loads(body), WORLD)

    def base():
        return base64.b64decode(json.loads(body)["face_choose"][0]["sound_file"], validate=True)

    return ratio(lambda: CONTRACT.collect_violations(json.loads(body), WORLD), base, 5, rounds=9)


def _bare():
    bare = flask.Flask("bare")
    bare.post(CONTRACT.operation.paths[0])(lambda: flask.jsonify(flask.request.get_json()))
    return _caller(bare)


def _pipeline():
    return ratio(_caller(create_app()), _bare(), 1000)


def _refused():
    body = json.dumps(six_errors()).encode()
    return ratio(_caller(create_app(), body, "400 BAD REQUEST"), _bare(), 1000)


def _stored(url, times=200):
    """Without rendering: its thread would be counted, too, as a store that is shared has every video made at once."""
    with patch.object(renderer, "_can_render", lambda: False):
        stored = create_app(store=url)
        try:
            return ratio(_caller(stored), _caller(create_app()), times, rounds=9)
        finally:
            stored.responder.close()


def _on_stores():
    with tempfile.TemporaryDirectory() as folder:
        yield Figure("a create on SQLite / in memory", _stored(f"sqlite:///{folder}/bench.db"), 2.5)
    if shutil.which("redis-server") or shutil.which("valkey-server"):
        with redis_server() as server:
            yield Figure("a create on Redis / in memory, CPU of the client", _stored(server.url), 4)


def _looked_at():
    """What the page leaves behind: nothing, since it asks like any other client and only while somebody looks."""
    looked_at, never = create_app(), create_app()
    visit = looked_at.test_client()
    visit.get("/", headers={"Accept": "text/html"})
    for name in page_files():
        assert visit.get(f"/_mock/page/{name}").status_code == 200
    for path in ("/journal", "/tasks", "/clock", "/scenario", "/limits", "/world"):
        assert visit.get(f"/_mock{path}", headers={"Authorization": "Bearer bench"}).status_code == 200
    return ratio(_caller(looked_at), _caller(never), 1000)


def _caller(app, body=BODY, expected="200 OK"):
    """Call an application as a server does, without the test client's own cost."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": CONTRACT.operation.paths[0],
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": "Bearer bench",
        "HTTP_HOST": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.errors": io.StringIO(),
    }
    statuses = []

    def call():
        answer = app({**environ, "wsgi.input": io.BytesIO(body)}, lambda status, headers: statuses.append(status))
        b"".join(answer)
        assert statuses.pop() == expected

    return call


def _memory():
    call = _caller(create_app())
    call()
    tracemalloc.start()
    for _ in range(10_000):
        call()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return grown / 1e6


def _hostile():
    return max(_seconds(content) for content in hostile_audio.hostile_files().values())


def _seconds(content):
    start = time.process_time()
    try:
        name = audio.identify(content)
        if name in audio.MEASURED_FORMATS:
            audio.measure(content, name)
    except audio.AudioError:
        pass
    return time.process_time() - start
