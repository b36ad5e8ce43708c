"""Kling's API over requests."""

import logging
import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from .config import Config

log = logging.getLogger(__name__)

TASKS = "/v1/videos/advanced-lip-sync"
WAITING_HELPS = {1302, 1303}
UNKNOWN = {1201, 1203}  # of a query: seen on the wire, and in the table of codes
BROKEN = {5000, 5001, 5002}
TRIES = 6
FEW = 5
MAX_PAUSE_S = 30.0

T = TypeVar("T")


class JobError(Exception):
    """Ends the job, with a line for a human."""


class ApiError(JobError):
    """The API answered, but with no result; `code` is its own code, None where a gateway spoke in its place."""

    def __init__(self, response: requests.Response, code: int | None, message: str) -> None:
        named = f"HTTP {response.status_code}" + ("" if code is None else f", code {code}")
        super().__init__(f"{message or response.reason} ({named})")
        self.status = response.status_code
        self.code = code
        self.retry_after_s = _retry_after_s(response.headers.get("Retry-After", ""))

    @property
    def is_busy(self) -> bool:
        """Whether waiting helps. 429 by itself says nothing: an unpaid account gets it, too."""
        return self.code in WAITING_HELPS or (self.code is None and self.status == 429)

    @property
    def is_unknown(self) -> bool:
        """Whether a query found no task: 400 / 1201 as seen on the wire, 404 / 1203 in the table of codes."""
        return self.code in UNKNOWN

    @property
    def is_broken(self) -> bool:
        """Whether the failure is on their side, so that the request may have been carried out or not."""
        return self.code in BROKEN or (self.code is None and self.status >= 500)


class Unanswered(JobError):
    """No answer, or half of one: nobody knows what became of the request."""

    retry_after_s = 0.0
    is_busy = False
    is_broken = True


class _Bearer(AuthBase):
    # As an auth object, so that no ~/.netrc overrides it.
    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = self._header
        return prepared


class Kling:
    """The calls of one job, all to be made before its deadline."""

    def __init__(self, config: Config, sleep: Callable[[float], None] = time.sleep) -> None:
        self._config = config
        self._sleep = sleep
        self._http = requests.Session()
        self._auth = _Bearer(config.api_key)
        self._ends_at = time.monotonic() + config.deadline_s

    def left_s(self) -> float:
        """Return how much time is left. Raises `JobError` where none is."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise JobError(f"no video within {self._config.deadline_s:g} s")
        return left

    def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the deadline."""
        self._sleep(min(seconds, self.left_s()))

    def identify_face(self, video_url: str) -> dict[str, Any]:
        """Return the session and the faces of a video. Another attempt costs a little and does no harm."""
        body = {"video_url": video_url}
        return self._retrying("identify-face", lambda: self._call("POST", "/v1/videos/identify-face", body))

    def query(self, task_id: str) -> dict[str, Any]:
        """Return a task by its id, or by its external id."""
        return self._retrying("query", lambda: self._call("GET", f"{TASKS}/{quote(task_id, safe='')}"))

    def create(self, payload: dict[str, Any]) -> str:
        """Create the task and return its id.

        Every attempt carries the same `external_task_id`, so there is never a second task. Where an attempt may have
        got through unseen and the next one is refused, the task of that id is looked for.
        """
        unseen = False

        def attempt() -> str:
            nonlocal unseen
            try:
                created = self._call("POST", TASKS, payload)
                return task_id_of(created)
            except (ApiError, Unanswered) as error:
                if unseen and isinstance(error, ApiError) and error.code in (1200, 1201):
                    return self._find(payload["external_task_id"], error)
                unseen = unseen or error.is_broken
                raise

        return self._retrying("create", attempt)

    def _find(self, external_id: str, refusal: ApiError) -> str:
        # It may take a moment until a new task can be queried.
        for lookups in range(FEW):
            try:
                return task_id_of(self.query(external_id))
            except ApiError as error:
                if not error.is_unknown:
                    raise
                self.pause(self._config.retry_s * 2**lookups)
        raise refusal

    def download(self, url: str, target: Path) -> int:
        """Save the mp4 under `target`, or nothing; returns its bytes. The key stays here: it is another host."""
        return self._retrying("download", lambda: self._download(url, target))

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            response = self._http.request(
                method,
                self._config.base_url + path,
                json=body,
                auth=self._auth,
                timeout=min(self._config.timeout_s, self.left_s()),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Unanswered(_short(error)) from error
        return _data(response)

    def _download(self, url: str, target: Path) -> int:
        partial = target.with_suffix(target.suffix + ".partial")
        try:
            with requests.get(url, stream=True, timeout=min(self._config.timeout_s, self.left_s())) as response:
                if not response.ok:
                    raise ApiError(response, None, "")
                with partial.open("wb") as file:
                    for piece in response.iter_content(64 * 1024):
                        self.left_s()
                        file.write(piece)
            with partial.open("rb") as file:
                if file.read(8)[4:] != b"ftyp":
                    raise Unanswered("what was sent is no mp4")
            return partial.replace(target).stat().st_size
        except requests.RequestException as error:
            raise Unanswered(_short(error)) from error
        finally:
            partial.unlink(missing_ok=True)

    def _retrying(self, name: str, attempt: Callable[[], T]) -> T:
        failures = pauses = 0
        while True:
            try:
                return attempt()
            except (ApiError, Unanswered) as error:
                failures += error.is_broken
                if not (error.is_busy or error.is_broken) or failures == TRIES:
                    raise
                # At least a second by default, twice as long each time, never in step with other clients.
                backoff_s = min(self._config.retry_s * 2 ** min(pauses, 20), MAX_PAUSE_S) * random.uniform(1, 1.5)
                pause_s = max(backoff_s, error.retry_after_s)
                log.info("%s: %s; next attempt in %.1f s", name, error, pause_s)
                self.pause(pause_s)
                pauses += 1


def task_id_of(task: dict[str, Any]) -> str:
    """Return a task's id as the string it is meant to be. Raises `Unanswered` where it has none."""
    task_id = task.get("task_id")
    if not task_id:
        raise Unanswered("the answer names no task")
    return str(task_id)


def _data(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        body = {}
    code = _code(body.get("code"))
    succeeded = 200 <= response.status_code < 300
    if succeeded and code == 0 and isinstance(body.get("data"), dict):
        data: dict[str, Any] = body["data"]
        return data
    if succeeded and code in (None, 0) and not body.get("error"):
        raise Unanswered(f"HTTP {response.status_code}, but not the answer of the API")
    raise ApiError(response, code or None, _message(body))


def _code(value: Any) -> int | None:
    # Some gateways make a string of it.
    return int(value) if str(value).isdecimal() else None


def _message(body: dict[str, Any]) -> str:
    # {"error": {"message": …}} is what gateways say of their own accord.
    error = body.get("error")
    return " ".join(
        str(error.get("message") if isinstance(error, dict) else error or body.get("message") or "").split()
    )


def _short(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return f"{type(error).__name__}: the connection failed or broke"


def _retry_after_s(value: str) -> float:
    try:
        seconds = float(value) if value.isdecimal() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, seconds)
