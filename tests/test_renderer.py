"""Rendering results off the request path: when it begins, what waits for it, and what is served where it cannot be."""

import threading
from types import SimpleNamespace

import pytest

from kling_contracts.media import video
from kling_mock_server.assets import rendering
from kling_mock_server.assets.renderer import MAX_PATIENT, MAX_PLANNED, Renderer
from support.serving import AUDIO
from support.workflow import Caller

pytest.importorskip("av")

PATIENCE_S = 20
ENDS_MS = 150_000
NEUTRAL, RENDERED = (1280, 720), (640, 360)


def account(key="account", *, shared=False):
    return SimpleNamespace(
        key=key,
        state=SimpleNamespace(store=SimpleNamespace(shared=shared)),
        clock=SimpleNamespace(now_ms=lambda: 0),
        journal=SimpleNamespace(record=lambda entry: None),
    )


class Gather:
    """What a video is rendered from, gathered when it may be; gathers nothing in the end."""

    def __init__(self, *, held=False):
        self.begun, self.finish = threading.Event(), threading.Event()
        self.times = 0
        if not held:
            self.finish.set()

    def __call__(self):
        self.times += 1
        self.begun.set()
        self.finish.wait(PATIENCE_S)


@pytest.fixture
def renderer():
    renderer = Renderer()
    yield renderer
    renderer.close()


def test_nothing_is_rendered_before_somebody_asks_for_it(renderer):
    gather = Gather()
    renderer.plan(account(), "1", gather)
    assert gather.times == 0
    renderer.wait_for("account", "1")
    assert gather.times == 1


def test_a_video_is_rendered_once(renderer):
    gather = Gather()
    renderer.plan(account(), "1", gather)
    for _ in range(3):
        renderer.begin("account", "1")
        renderer.wait_for("account", "1")
    assert gather.times == 1


def test_what_another_process_may_be_asked_for_is_rendered_at_once(renderer):
    gather = Gather()
    renderer.plan(account(shared=True), "1", gather)
    assert gather.begun.wait(PATIENCE_S)


def test_videos_are_rendered_by_account_and_task(renderer):
    mine, theirs = Gather(), Gather()
    renderer.plan(account("a"), "1", mine)
    renderer.plan(account("b"), "1", theirs)
    renderer.wait_for("b", "1")
    renderer.wait_for("b", "2")
    assert (mine.times, theirs.times) == (0, 1)


def test_so_many_videos_can_be_rendered_and_the_oldest_is_forgotten(renderer):
    plans = [Gather() for _ in range(MAX_PLANNED + 1)]
    for number, gather in enumerate(plans):
        renderer.plan(account(), str(number), gather)
    for number in range(len(plans)):
        renderer.wait_for("account", str(number))
    assert [gather.times for gather in plans] == [0] + [1] * MAX_PLANNED


def test_so_many_wait_and_no_more(renderer, monkeypatch):
    arrived, wait = threading.Semaphore(0), renderer._wait
    monkeypatch.setattr(renderer, "_wait", lambda *rendering: (arrived.release(), wait(*rendering)))
    gather = Gather(held=True)
    renderer.plan(account(), "1", gather)
    waiting = [threading.Thread(target=renderer.wait_for, args=("account", "1")) for _ in range(MAX_PATIENT)]
    for thread in waiting:
        thread.start()
    assert all(arrived.acquire(timeout=PATIENCE_S) for _ in waiting)
    # Were this one to wait as well, it would wait for what is let go only afterwards.
    renderer.wait_for("account", "1")
    assert all(thread.is_alive() for thread in waiting)
    gather.finish.set()
    for thread in waiting:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in waiting)


def test_a_plan_that_cannot_be_gathered_is_nobodys_problem(renderer):
    def fail():
        raise KeyError("gone")

    renderer.plan(account(), "1", fail)
    renderer.wait_for("account", "1")
    later = Gather()
    renderer.plan(account(), "2", later)
    renderer.wait_for("account", "2")
    assert later.times == 1


def test_what_cannot_be_rendered_is_journalled_and_logged(mock, monkeypatch, caplog):
    def fail(plan):
        raise TypeError("an argument that this version does not take")

    monkeypatch.setattr(rendering, "render", fail)
    task_id = mock.create().data["task_id"]
    mock.advance(ENDS_MS)
    (result,) = mock.query(task_id).data["task_result"]["videos"]
    assert mock.download(result["url"]).status == 200
    (entry,) = [one for one in mock.journal()["entries"] if one["operation"] == "render"]
    reason = "cannot be rendered, and a neutral one is served: TypeError: an argument that this version does not take"
    assert entry["response"]["message"] == f"The video {reason}"
    assert f"the video of task {task_id} {reason}" in caplog.text


def test_after_the_end_nothing_more_is_rendered(renderer):
    held, waiting, planned = Gather(held=True), Gather(), Gather()
    for number, gather in enumerate((held, waiting, planned)):
        renderer.plan(account(), str(number), gather)
    renderer.begin("account", "0")
    renderer.begin("account", "1")
    assert held.begun.wait(PATIENCE_S)
    renderer.close()
    held.finish.set()
    for number in range(3):
        renderer.wait_for("account", str(number))
    assert (held.times, waiting.times, planned.times) == (1, 0, 0)


# Through the mock.


def size_of_result(mock, **changes):
    task_id = mock.create(**changes).data["task_id"]
    mock.advance(ENDS_MS)
    (result,) = mock.query(task_id).data["task_result"]["videos"]
    measured = video.measure(mock.download(result["url"]).body)
    assert measured.duration_ms == 10_000
    return measured.width, measured.height


@pytest.fixture
def mock():
    mock = Caller(pace="manual")
    yield mock
    mock.responder.close()


def test_a_download_is_of_the_rendered_video(mock):
    assert size_of_result(mock) == RENDERED


def test_without_pyav_the_neutral_video_is_served(mock, monkeypatch):
    monkeypatch.setattr("kling_mock_server.assets.renderer._can_render", lambda: False)
    assert size_of_result(mock) == NEUTRAL


def test_a_voice_of_the_mock_is_rendered_from_its_url(mock):
    text = "A sentence that is long enough to be used for lip-sync, with a pause or two. " * 2
    (audio,) = mock.speak(text).data["task_result"]["audios"]
    assert size_of_result(mock, audio_id="", sound_file=audio["url"]) == RENDERED


def test_of_a_sound_that_nobody_has_the_neutral_video_is_served(mock):
    url = "https://files.example/speech.mp3"
    mock.put_world(files={url: {"format": "mp3", "size_bytes": 120_000, "duration_ms": 8000}})
    assert size_of_result(mock, audio_id="", sound_file=url) == NEUTRAL


def test_of_an_audio_that_is_gone_the_neutral_video_is_served(mock):
    task_id = mock.create().data["task_id"]
    mock.put_world()
    assert mock.query(task_id).status == 400
    assert size_of_result(mock, audio_id=AUDIO) == RENDERED


def test_a_mock_that_is_closed_lets_go_of_its_thread(mock):
    others = set(threading.enumerate())
    size_of_result(mock)
    (mine,) = [one for one in threading.enumerate() if one.name.startswith("klingkit renders") and one not in others]
    mock.responder.close()
    mine.join(PATIENCE_S)
    assert not mine.is_alive()
