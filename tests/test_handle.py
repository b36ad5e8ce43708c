"""The handle does in process what the control surface does over HTTP."""

import sys

import pytest

from kling_contracts import World
from kling_mock_server.adapters.handle import Handle, InProcess
from support.serving import AUDIO, NOW_MS, PATH, SESSION, Mock, new_app, payload, world

DAY_MS = 24 * 60 * 60 * 1000


@pytest.fixture
def mock():
    return Mock()


@pytest.fixture
def kling(mock):
    return Handle(mock.responder, "http://mock.example", "key")


def test_the_world_that_is_got_is_the_one_of_the_control_surface(mock, kling):
    assert kling.world.get() == mock.control("GET", "/world")


def test_a_world_that_is_put_is_the_accounts_world(mock, kling):
    kling.world.put(world(audios={}))
    assert mock.post(payload()).broken == ["audio-id-unknown"]


def test_a_world_may_be_put_as_a_record(mock, kling):
    kling.world.put(World.from_json(world(now_ms=NOW_MS + 1)))
    assert mock.control("GET", "/clock")["now_ms"] == NOW_MS + 1


def test_a_world_that_was_got_can_be_put_back(mock, kling):
    before = kling.world.get()
    kling.world.put({})
    kling.world.put(before)
    assert mock.post(payload()).status == 200


def test_changing_what_was_got_changes_nothing(mock, kling):
    kling.world.get()["sessions"].clear()
    assert mock.post(payload()).status == 200


def test_one_session_can_be_put(mock, kling):
    kling.world.put_session(SESSION, {"video_ms": 5000, "faces": {"-1": [0, 5000]}})
    assert mock.post(payload()).broken == ["insert-past-video-end"]


def test_one_audio_can_be_put(mock, kling):
    kling.world.put_audio(AUDIO, {"duration_ms": 4000})
    assert mock.post(payload()).broken == ["clip-past-audio-end"]


@pytest.mark.parametrize(
    ("put", "mistake"),
    [
        (lambda world: world.put({"sessions": 1}), "/sessions"),
        (lambda world: world.put([]), "/"),
        (lambda world: world.put_session("s", {}), "/video_ms"),
        (lambda world: world.put_audio("a", {"duration_ms": "1"}), "/duration_ms"),
    ],
)
def test_a_mistake_in_a_world_is_named_and_changes_nothing(mock, kling, put, mistake):
    with pytest.raises(ValueError, match=f"^{mistake}: "):
        put(kling.world)
    assert mock.post(payload()).status == 200


def test_the_clock_can_be_advanced(mock, kling):
    kling.clock.advance(DAY_MS + 1)
    assert mock.post(payload()).broken == ["session-expired"]


def test_the_clock_is_that_of_the_world_that_was_put_last(kling):
    kling.world.put(world())
    assert kling.clock.now_ms() == NOW_MS


def test_the_journal_holds_what_was_sent(mock, kling):
    mock.post(payload(sound_end_time=4000))
    mock.post(b"{")
    good, bad = kling.journal
    assert good.payload["face_choose"][0]["sound_end_time"] == 4000
    assert (bad.status, bad.report.broken) == (400, ("body-json",))


def test_the_journal_holds_no_audio(mock, kling):
    mock.post(payload(audio_id="", sound_file="c2VjcmV0"))
    assert kling.journal[0].payload["face_choose"][0]["sound_file"].keys() == {"redacted", "length"}


def test_a_request_without_a_body_has_no_payload(mock, kling):
    mock.ask("POST", PATH)
    assert kling.journal[0].payload is None


def test_a_reset_account_is_a_fresh_one(mock, kling):
    kling.world.put({})
    kling.clock.advance(DAY_MS)
    mock.post(payload())
    kling.reset()
    assert kling.journal == ()
    assert mock.post(payload()).status == 200


def test_it_acts_on_its_own_account_only(mock, kling):
    kling.world.put({})
    assert mock.post(payload(), token="another").status == 200


def test_an_application_can_be_called_without_a_socket():
    kling = InProcess(new_app(), "http://mock.example", "key")
    answer = kling.client().post(PATH, json=payload(), headers={"Authorization": f"Bearer {kling.token}"})
    assert answer.status_code == 200
    assert len(kling.journal) == 1


def test_the_client_sends_no_token_of_its_own_accord():
    kling = InProcess(new_app(), "http://mock.example", "key")
    assert kling.client().post(PATH, json=payload()).json()["code"] == 1001


def test_an_application_is_there_without_httpx(monkeypatch):
    kling = InProcess(new_app(), "http://mock.example", "key")
    monkeypatch.setitem(sys.modules, "httpx", None)
    assert kling.app.test_client().get("/_mock/health").status_code == 200
    with pytest.raises(ModuleNotFoundError, match="httpx"):
        kling.client()
