"""A client that speaks httpx, and the suite that holds it to the contract without opening a socket."""

import httpx
import pytest

HOUR_MS = 60 * 60 * 1000

# Every fresh account knows the session and the audio of the vendor's own example.
SESSION = "825465778199224380"
AUDIO = "825451760499568680"


class LipSync:
    """The client under test."""

    def __init__(self, http: httpx.Client, key: str):
        self.http = http
        self.key = key

    def speak(self, session: str, face: str, audio: str, *, clip: tuple[int, int], at: int) -> str:
        """Let a face speak a clip of an audio, `at` ms into the video; return the id of the task."""
        start, end = clip
        choice = {
            "face_id": face,
            "audio_id": audio,
            "sound_start_time": start,
            "sound_end_time": end,
            "sound_insert_time": at,
            "sound_volume": 1,
            "original_audio_volume": 0,
        }
        answer = self.http.post(
            "/kling/v1/videos/advanced-lip-sync",
            json={"session_id": session, "face_choose": [choice]},
            headers={"Authorization": f"Bearer {self.key}"},
        )
        answer.raise_for_status()
        return answer.json()["data"]["task_id"]


@pytest.fixture
def client(kling_mock):
    return LipSync(kling_mock.client(), kling_mock.token)


def test_a_face_speaks(client):
    assert client.speak(SESSION, "-1", AUDIO, clip=(0, 5000), at=1000)


def test_the_clip_is_sent_in_milliseconds(client, kling_mock):
    client.speak(SESSION, "-1", AUDIO, clip=(500, 4500), at=2000)

    choice = kling_mock.journal[-1].payload["face_choose"][0]
    assert (choice["sound_start_time"], choice["sound_end_time"]) == (500, 4500)


def test_a_face_that_appears_late(client, kling_mock):
    kling_mock.world.put_session("mine", {"video_ms": 60_000, "faces": {"0": [45_000, 50_000]}})
    kling_mock.world.put_audio("hello", {"duration_ms": 4000})

    assert client.speak("mine", "0", "hello", clip=(0, 4000), at=44_000)


@pytest.mark.kling_violates("session-expired")
def test_a_session_of_yesterday_is_an_error(client, kling_mock):
    kling_mock.clock.advance(25 * HOUR_MS)

    with pytest.raises(httpx.HTTPStatusError, match="400"):
        client.speak(SESSION, "-1", AUDIO, clip=(0, 5000), at=1000)
