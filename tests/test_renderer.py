"""Rendering results off the request path: when it begins, what waits for it, and what is served where it cannot be."""

import threading
from types import SimpleNamespace

import pytest

from kling_contracts.media import video
from kling_mock_server.assets import rendering
from kling_mock_server.assets.renderer import MAX_PLANNED, MAX_PLANNED_BYTES, TOO_MANY, Renderer
from kling_mock_server.state.stores.store import StoreDownError
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


def wait_for(renderer, account, task_id):
    renderer.awaited(account, task_id).result(PATIENCE_S)


@pytest.fixture
def one_worker(monkeypatch):
    monkeypatch.setattr("kling_mock_server.assets.renderer.WORKERS", 1)


@pytest.fixture
def renderer():
    renderer = Renderer()
    yield renderer
    renderer.close()


def test_nothing_is_rendered_before_somebody_asks_for_it(renderer):
    gather = Gather()
    renderer.plan(account(), "1", gather)
    assert gather.times == 0
    wait_for(renderer, "account", "1")
    assert gather.times == 1


def test_a_video_is_rendered_once(renderer):
    gather = Gather()
    renderer.plan(account(), "1", gather)
    for _ in range(3):
        renderer.begin("account", "1")
        wait_for(renderer, "account", "1")
    assert gather.times == 1


@pytest.mark.usefixtures("one_worker")
def test_what_a_download_waits_for_is_rendered_before_what_none_does(renderer):
    first, order = Gather(held=True), []
    renderer.plan(account(), "first", first)
    for name in ("begun", "awaited"):
        renderer.plan(account(), name, lambda name=name: order.append(name))
    renderer.begin("account", "first")
    assert first.begun.wait(PATIENCE_S)
    renderer.begin("account", "begun")
    awaited = renderer.awaited("account", "awaited")
    first.finish.set()
    awaited.result(PATIENCE_S)
    assert order[0] == "awaited"


def test_so_many_videos_are_begun_and_one_more_is_not_waited_for(renderer):
    held = Gather(held=True)
    for number in range(MAX_PLANNED):
        renderer.plan(account(), str(number), held)
        assert not renderer.awaited("account", str(number)).done()
    renderer.plan(account(), "more", Gather())
    assert renderer.awaited("account", "more").result(0) == TOO_MANY
    held.finish.set()


def test_what_another_process_may_be_asked_for_is_rendered_at_once(renderer):
    gather = Gather()
    renderer.plan(account(shared=True), "1", gather)
    assert gather.begun.wait(PATIENCE_S)


def test_videos_are_rendered_by_account_and_task(renderer):
    mine, theirs = Gather(), Gather()
    renderer.plan(account("a"), "1", mine)
    renderer.plan(account("b"), "1", theirs)
    wait_for(renderer, "b", "1")
    wait_for(renderer, "b", "2")
    assert (mine.times, theirs.times) == (0, 1)


def test_so_many_videos_can_be_rendered_and_the_oldest_is_forgotten(renderer):
    plans = [Gather() for _ in range(MAX_PLANNED + 1)]
    for number, gather in enumerate(plans):
        renderer.plan(account(), str(number), gather)
    for number in range(len(plans)):
        wait_for(renderer, "account", str(number))
    assert [gather.times for gather in plans] == [0] + [1] * MAX_PLANNED


def test_the_requests_behind_planned_videos_are_bounded_in_bytes(renderer):
    half = MAX_PLANNED_BYTES // 2
    plans = {size: Gather() for size in (half + 1, half, half - 1, 1)}
    for size, gather in plans.items():
        renderer.plan(account(), str(size), gather, size)
    for size in plans:
        wait_for(renderer, "account", str(size))
    assert [gather.times for gather in plans.values()] == [0, 1, 1, 1]


def test_a_request_of_any_size_can_be_rendered_until_the_next(renderer):
    large, next_ = Gather(), Gather()
    renderer.plan(account(), "1", Gather(), 1)
    renderer.plan(account(), "2", large, MAX_PLANNED_BYTES + 1)
    wait_for(renderer, "account", "2")
    renderer.plan(account(), "3", Gather(), MAX_PLANNED_BYTES + 1)
    renderer.plan(account(), "4", next_, 1)
    wait_for(renderer, "account", "4")
    assert (large.times, next_.times) == (1, 1)


def test_equal_requests_are_rendered_once_and_others_for_themselves(mock, monkeypatch):
    made, render = [], rendering.render
    monkeypatch.setattr(rendering, "render", lambda plan: made.append(plan) or render(plan))
    videos = {bytes(result_of(mock, token)) for token in ("key", "another", "key")}
    assert (len(made), len(videos)) == (1, 3), "each has the title of its task"
    result_of(mock, "key", sound_insert_time=1001)
    result_of(mock, "key", sound_volume=2)
    assert len(made) == 3


def test_videos_that_are_kept_for_equal_requests_are_bounded_in_bytes(mock, monkeypatch):
    made, render = [], rendering.render
    monkeypatch.setattr(rendering, "render", lambda plan: made.append(plan) or render(plan))
    monkeypatch.setattr("kling_mock_server.assets.renderer.MAX_KEPT_BYTES", 0)
    for _ in range(2):
        result_of(mock, "key")
    assert len(made) == 2


def test_a_store_that_is_gone_is_told_in_one_line(renderer, caplog):
    def fail():
        raise StoreDownError("the store's file was deleted")

    renderer.plan(account(), "1", fail)
    wait_for(renderer, "account", "1")
    (record,) = caplog.records
    assert record.getMessage().endswith("cannot be kept, and a neutral one is served: the store's file was deleted")
    assert record.exc_info is None


def test_a_plan_that_cannot_be_gathered_is_nobodys_problem(renderer):
    def fail():
        raise KeyError("gone")

    renderer.plan(account(), "1", fail)
    wait_for(renderer, "account", "1")
    later = Gather()
    renderer.plan(account(), "2", later)
    wait_for(renderer, "account", "2")
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


@pytest.mark.usefixtures("one_worker")
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
        wait_for(renderer, "account", str(number))
    assert (held.times, waiting.times, planned.times) == (1, 0, 0)


# Through the mock.


def result_of(mock, token, **changes):
    task_id = mock.create(token, **changes).data["task_id"]
    mock.advance(ENDS_MS, token)
    (result,) = mock.query(task_id, token).data["task_result"]["videos"]
    return mock.download(result["url"]).body


def size_of_result(mock, **changes):
    measured = video.measure(result_of(mock, "key", **changes))
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


def test_a_mock_that_is_closed_keeps_the_video_it_was_rendering_for_the_next(tmp_path, monkeypatch):
    begun, closing = threading.Event(), threading.Event()

    def rendered(planned, videos):
        begun.set()
        closing.wait(PATIENCE_S)
        return b"rendered"

    monkeypatch.setattr("kling_mock_server.assets.renderer._rendered", rendered)
    store = f"sqlite:///{tmp_path / 'mock.db'}"
    before = Caller(pace="manual", store=store)
    task_id = before.create().data["task_id"]
    assert begun.wait(PATIENCE_S)
    monkeypatch.setattr(before.responder.resources.renderer, "_elsewhere", SimpleNamespace(close=closing.set))
    before.responder.close()

    after = Caller(pace="manual", store=store)
    after.advance(ENDS_MS, "key")
    (result,) = after.query(task_id).data["task_result"]["videos"]
    assert after.download(result["url"]).body == b"rendered"
    after.responder.close()
