"""A client of Kling's advanced lip-sync endpoint, as one writes it for production."""

from dataclasses import dataclass
from typing import Any

import httpx

PATH = "/kling/v1/videos/advanced-lip-sync"
RETRYABLE = {1302, 1303, 5000, 5001, 5002}
"""Service codes worth another try; 429 alone does not tell, it is used for unpaid accounts too."""


class Refused(Exception):
    """The service refused the request; `code` decides what to do, `retryable` whether to try again."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.retryable = code in RETRYABLE


@dataclass(frozen=True, slots=True)
class Shot:
    """One face that speaks one stretch of an audio; all times in ms."""

    session_id: str
    face_id: str
    face_ms: tuple[int, int]
    """The interval in which identify-face saw the face."""
    audio_id: str
    audio_ms: int

    def payload(self, order: str = "") -> dict[str, Any]:
        """Return the request body: the audio from its start, inserted where the face appears.

        Raises `ValueError` where the face is not seen for as long as a clip must last.
        """
        start, end = self.face_ms
        clip_ms = min(self.audio_ms, end - start)
        if clip_ms < 2000:
            raise ValueError(f"the face is seen and heard for {clip_ms} ms; 2000 are needed")
        item = {
            "face_id": self.face_id,
            "audio_id": self.audio_id,
            "sound_start_time": 0,
            "sound_end_time": clip_ms,
            "sound_insert_time": start,
            "sound_volume": 1,
            "original_audio_volume": 0,
        }
        return {"session_id": self.session_id, "face_choose": [item], "external_task_id": order}


class LipSync:
    """The endpoint behind one key. `http` may be any httpx client."""

    def __init__(self, base_url: str, key: str, http: httpx.Client | None = None) -> None:
        self._http = http or httpx.Client(timeout=30)
        self._url = base_url.rstrip("/") + PATH
        self._headers = {"Authorization": f"Bearer {key}"}

    def create(self, shot: Shot, order: str = "") -> str:
        """Create a task and return its id. Raises `Refused`, and `httpx.HTTPError` where nobody answers."""
        answer = self._http.post(self._url, json=shot.payload(order), headers=self._headers)
        envelope = answer.json()
        if envelope.get("code") != 0:
            raise Refused(envelope.get("code", -1), envelope.get("message", ""))
        return envelope["data"]["task_id"]
