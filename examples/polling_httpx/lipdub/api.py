"""Kling's API: one method a call, retried where that is safe and of use."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from .answers import data_of, retry_after_s, text_id
from .errors import CODE_INVALID, CODE_NOT_FOUND, CallFailed, KlingError, NoAnswer, Refused
from .settings import Settings

TASKS = "/v1/videos/advanced-lip-sync"
TRIES = 6
"""Of one call; waiting for a free slot does not count."""
FEW = 5
"""So often a task may be unknown after its creation, or finished without a video."""
MAX_PAUSE_S = 30.0

T = TypeVar("T")


class Kling:
    """The API behind one key; use it as a context manager."""

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None] = print,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.settings = settings
        self.say = say
        self.sleep = sleep
        self._jitter = jitter
        # The key is no default header: downloads go to other hosts through the same client.
        self._http = httpx.AsyncClient(timeout=settings.timeout_s)

    async def __aenter__(self) -> "Kling":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def identify_face(self, video_url: str) -> dict[str, Any]:
        """Return the session and its faces. Asking twice costs a little and does no harm."""
        return await self._patiently(
            "identify-face", lambda: self._call("POST", "/v1/videos/identify-face", {"video_url": video_url})
        )

    async def tts(self, text: str, voice_id: str, language: str) -> dict[str, Any]:
        """Return the finished speech task. Asking twice costs a little and does no harm."""
        body = {"text": text, "voice_id": voice_id, "voice_language": language, "voice_speed": 1.0}
        return await self._patiently("tts", lambda: self._call("POST", "/v1/audio/tts", body))

    async def create(self, payload: dict[str, Any]) -> str:
        """Create a task and return its id.

        The payload needs an `external_task_id`: it is what makes another attempt safe when nobody knows whether the
        first one got through. If that one did, the next is refused as a duplicate, and the task is looked up.
        """
        in_doubt = False

        async def attempt() -> str:
            nonlocal in_doubt
            try:
                return text_id((await self._call("POST", TASKS, payload)).get("task_id"))
            except Refused as refusal:
                if in_doubt and refusal.code in CODE_INVALID:
                    return await self._existing(payload["external_task_id"], refusal)
                in_doubt = in_doubt or refusal.undecided
                raise
            except NoAnswer:
                in_doubt = True
                raise

        return await self._patiently("create", attempt)

    async def _existing(self, external_id: str, refusal: Refused) -> str:
        for _ in range(FEW):
            try:
                task_id = text_id((await self.query(external_id)).get("task_id"))
            except Refused as unknown:
                if unknown.code not in CODE_NOT_FOUND:
                    raise
                await self.sleep(self.settings.poll_s)
            else:
                self.say(f"create: it had got through, task {task_id}")
                return task_id
        raise refusal

    async def query(self, task_id: str) -> dict[str, Any]:
        """Return the task as it is now; `task_id` may be the external one."""
        return await self._patiently("query", lambda: self._call("GET", f"{TASKS}/{quote(task_id, safe='')}"))

    async def download(self, url: str, target: Path) -> int:
        """Save an mp4, whole or not at all; returns its bytes."""
        return await self._patiently("download", lambda: self._download(url, target))

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.settings.api_key}"}
        try:
            # httpx bounds the wait for each piece, not for the whole answer.
            async with asyncio.timeout(self.settings.timeout_s):
                response = await self._http.request(method, self.settings.base_url + path, json=body, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise NoAnswer(_reason(error)) from error
        except httpx.InvalidURL as error:
            raise KlingError(f"{self.settings.base_url}{path} is no address: {error}") from error
        return data_of(response)

    async def _download(self, url: str, target: Path) -> int:
        part = target.with_name(target.name + ".part")
        try:
            async with self._http.stream("GET", url, follow_redirects=True) as response:
                if not response.is_success:
                    pause = retry_after_s(response.headers)
                    raise Refused(response.status_code, None, response.reason_phrase or "refused", pause)
                with part.open("wb") as file:
                    async for piece in response.aiter_bytes():
                        file.write(piece)
            return _keep(part, target)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(_reason(error)) from error
        finally:
            part.unlink(missing_ok=True)

    async def _patiently(self, call: str, attempt: Callable[[], Awaitable[T]]) -> T:
        tries = 0
        for pauses in itertools.count():
            try:
                return await attempt()
            except CallFailed as failure:
                failure.call = call
                tries += not failure.busy
                if not failure.retryable or tries >= TRIES:
                    raise
                await self._pause(pauses, failure)
        raise AssertionError("the count never ends")

    async def _pause(self, pauses: int, failure: CallFailed) -> None:
        backoff_s = min(self.settings.retry_s * 2 ** min(pauses, 20), MAX_PAUSE_S) * self._jitter(1, 1.5)
        pause_s = max(backoff_s, failure.retry_after_s)
        self.say(f"{failure}; again in {pause_s:.1f} s")
        await self.sleep(pause_s)


def _keep(part: Path, target: Path) -> int:
    with part.open("rb") as file:
        head = file.read(8)
    if head[4:] != b"ftyp":
        raise NoAnswer("what came is no mp4")
    size = part.stat().st_size
    part.replace(target)
    return size


def _reason(error: Exception) -> str:
    return str(error) or ("no answer in time" if "Timeout" in type(error).__name__ else type(error).__name__)
