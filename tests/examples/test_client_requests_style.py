"""A client in the style of requests, and the suite that holds it to the contract over real HTTP."""

import httpx as requests  # or requests itself: the calls below are the same
import pytest

SESSION = "825465778199224380"
AUDIO = "825451760499568680"


class KlingError(Exception):
    """A refusal: the service code decides what to do, the HTTP status does not."""

    def __init__(self, code: int, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code


class LipSync:
    """The client under test."""

    def __init__(self, url: str, key: str):
        self.url = f"{url}/v1/videos/advanced-lip-sync"
        self.headers = {"Authorization": f"Bearer {key}"}

    def whisper(self, session: str, audio: str, *, length: int, name: str = "") -> str:
        """Let the only face speak the first `length` ms of an audio at half its volume; return the task's id."""
        choice = {
            "face_id": "-1",
            "audio_id": audio,
            "sound_start_time": 0,
            "sound_end_time": length,
            "sound_insert_time": 0,
            "sound_volume": 0.5,
        }
        body = {"session_id": session, "face_choose": [choice], "external_task_id": name}
        answer = requests.post(self.url, json=body, headers=self.headers, timeout=10).json()
        if answer["code"]:
            raise KlingError(answer["code"], answer["message"])
        return answer["data"]["task_id"]


# Half a volume is for Kling's own API, not for the document as published: choose that profile.
@pytest.fixture
def kling_options():
    return {"profile": "upstream"}


@pytest.fixture
def client(kling_server):
    return LipSync(kling_server.url, kling_server.token)


def test_a_task_is_created(client):
    assert client.whisper(SESSION, AUDIO, length=3000)


def test_the_key_is_sent(client, kling_server):
    client.whisper(SESSION, AUDIO, length=3000)

    # The journal holds what reached the account of this key, and nothing of any other test.
    assert [entry.status for entry in kling_server.journal] == [200]


@pytest.mark.kling_violates("external-task-id-duplicate")
def test_a_name_cannot_be_used_twice(client):
    client.whisper(SESSION, AUDIO, length=3000, name="intro")

    with pytest.raises(KlingError) as caught:
        client.whisper(SESSION, AUDIO, length=3000, name="intro")
    assert caught.value.code == 1201


@pytest.mark.kling_violates("clip-past-audio-end")
def test_no_more_than_the_audio_can_be_spoken(client, kling_server):
    kling_server.world.put_audio("short", {"duration_ms": 2500})

    with pytest.raises(KlingError, match="must not end after the original audio"):
        client.whisper(SESSION, "short", length=3000)
