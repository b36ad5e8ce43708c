"""Facts of the operations around the vendor's: the video of identify-face, the text and voice of TTS, a task."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from kling_contracts.facts.payload_facts import (
    NO_SUCH_ID,
    NO_WORLD,
    NOT_USABLE,
    UNREACHABLE,
    URL,
    Measures,
    age_ms,
    known,
    named_format,
    unfetched,
)
from kling_contracts.facts.world import VideoFile, World
from kling_contracts.unknown import Absent, Unknown

FindVideo = Callable[[str], "VideoFile | Unknown"]
"""Resolves a video's id or URL that the world does not list, as `Fetch` does for audio."""


class MadeFacts(NamedTuple):
    """The video that Kling made under `video_id`."""

    age_ms: int


class VideoFileFacts(NamedTuple):
    """What `video_url` leads to; `kind` is url or other."""

    kind: str
    reachable: bool | Unknown
    format: str | Unknown
    size_bytes: int | Unknown


class VideoFacts(NamedTuple):
    """The one video of a call, whichever way it is given."""

    duration_ms: int | Unknown
    width_px: int | Unknown
    height_px: int | Unknown
    short_side_px: int | Unknown
    faces: int | Unknown
    flagged: bool


class IdentifyFacts(NamedTuple):
    """The facts of identify-face; `components.schemas.IdentifyFacts` declares them."""

    made: MadeFacts | Unknown
    file: VideoFileFacts | Unknown
    video: VideoFacts | Unknown


class TextFacts(NamedTuple):
    """The text of a TTS call; `flagged`: moderation refuses it."""

    flagged: bool


class VoiceFacts(NamedTuple):
    """The voice of a TTS call."""

    language: str


class SpeechFacts(NamedTuple):
    """The facts of TTS; `components.schemas.SpeechFacts` declares them."""

    text: TextFacts | Unknown
    voice: VoiceFacts | Unknown


class TaskFacts(NamedTuple):
    """A task of the account."""


class QueryFacts(NamedTuple):
    """The facts of a query; `components.schemas.QueryFacts` declares them."""

    task: TaskFacts | Unknown


_NO_VIDEO: Final = Unknown("there is no video")
_CONFLICT: Final = Unknown("with both sources given there is no one video")
_NO_FILE: Final = Unknown("there is no video_url")
_NO_CATALOGUE: Final = Unknown("the world lists no voices")
_TASK: Final = TaskFacts()


class _WithoutItems:
    """A payload that holds no array."""

    def of_item(self, payload: Any, item: Any, request: Any) -> Any:
        """Return the facts of the whole payload."""
        return request


class IdentifyMeter(_WithoutItems):
    """Measures the facts of one identify-face payload; `by_id` and `by_url` resolve what the world does not list."""

    def __init__(
        self,
        world: World | None = None,
        by_id: FindVideo = unfetched,
        by_url: FindVideo = unfetched,
        now_ms: int | None = None,
        advanced_ms: int = 0,
    ) -> None:
        self.world = world
        self.now_ms = now_ms
        self.advanced_ms = advanced_ms
        self._by_id = by_id
        self._by_url = by_url
        self.found: VideoFile | Unknown = _NO_VIDEO
        """The video of the payload that was measured last."""

    def of_request(self, payload: Any) -> IdentifyFacts:
        """Return the facts of a payload."""
        fields = payload if isinstance(payload, dict) else {}
        video_id, video_url = fields.get("video_id", ""), fields.get("video_url", "")
        made, held = self._made(video_id)
        file, reached = self._file(video_url)
        self.found = _CONFLICT if video_id and video_url else reached if video_url else held
        return IdentifyFacts(made, file, _of(self.found))

    def _made(self, video_id: object) -> tuple[MadeFacts | Unknown, VideoFile | Unknown]:
        if not isinstance(video_id, str):
            return NOT_USABLE, NOT_USABLE
        video = self._listed(video_id, self._by_id) if video_id else _NO_VIDEO
        if isinstance(video, Unknown):
            return video, video
        return MadeFacts(age_ms(video.created_ms, self.world, self.now_ms, self.advanced_ms)), video

    def _file(self, url: object) -> tuple[VideoFileFacts | Unknown, VideoFile | Unknown]:
        if not isinstance(url, str):
            return NOT_USABLE, NOT_USABLE
        if not url:
            return _NO_FILE, _NO_VIDEO
        if not URL.match(url):
            return VideoFileFacts("other", UNREACHABLE, UNREACHABLE, UNREACHABLE), UNREACHABLE
        video = self._listed(url, self._by_url)
        if type(video) is Absent:
            return VideoFileFacts("url", False, UNREACHABLE, UNREACHABLE), UNREACHABLE
        if isinstance(video, Unknown):
            return VideoFileFacts("url", video, named_format(url) or video, video), video
        return VideoFileFacts("url", True, video.format, known(video.size_bytes)), video

    def _listed(self, name: str, otherwise: FindVideo) -> VideoFile | Unknown:
        if self.world is None:
            return NO_WORLD
        return otherwise(name) if self.world.videos is None else self.world.videos.get(name, NO_SUCH_ID)


def _of(video: VideoFile | Unknown) -> VideoFacts | Unknown:
    if isinstance(video, Unknown):
        return video
    return VideoFacts(
        duration_ms=known(video.duration_ms),
        width_px=known(video.width_px),
        height_px=known(video.height_px),
        short_side_px=known(_short_side(video)),
        faces=known(None if video.faces is None else len(video.faces)),
        flagged=video.flagged,
    )


def _short_side(video: VideoFile) -> int | None:
    if video.width_px is None or video.height_px is None:
        return None
    return min(video.width_px, video.height_px)


class SpeechMeter(_WithoutItems):
    """Measures the facts of one TTS payload."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world

    def of_request(self, payload: Any) -> SpeechFacts:
        """Return the facts of a payload."""
        fields = payload if isinstance(payload, dict) else {}
        return SpeechFacts(self._text(fields.get("text")), self._voice(fields.get("voice_id")))

    def _text(self, text: object) -> TextFacts | Unknown:
        if not isinstance(text, str):
            return NOT_USABLE
        if self.world is None:
            return NO_WORLD
        return TextFacts(any(word in text for word in self.world.flagged_words))

    def _voice(self, voice_id: object) -> VoiceFacts | Unknown:
        if not isinstance(voice_id, str):
            return NOT_USABLE
        if self.world is None:
            return NO_WORLD
        if self.world.voices is None:
            return _NO_CATALOGUE
        language = self.world.voices.get(voice_id)
        return NO_SUCH_ID if language is None else VoiceFacts(language)


class QueryMeter(_WithoutItems):
    """Measures the facts of one query; `knows` tells whether an account has a task of that name."""

    def __init__(self, knows: Callable[[str], bool] | None = None) -> None:
        self._knows = knows

    def of_request(self, payload: Any) -> QueryFacts:
        """Return the facts of a payload."""
        if self._knows is None:
            return QueryFacts(NO_WORLD)
        return QueryFacts(_TASK if self._knows(payload["task_id"]) else NO_SUCH_ID)


def companion_meter(operation: str, world: World | None) -> Measures:
    """Return what measures the payloads of an operation, by its short name, from a world alone."""
    if operation == "identify":
        return IdentifyMeter(world)
    return SpeechMeter(world) if operation == "tts" else QueryMeter()
