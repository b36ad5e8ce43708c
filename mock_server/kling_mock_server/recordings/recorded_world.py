"""The world that a recording shows: sessions, faces, audios, files and tasks, and nothing that it does not show."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar

from kling_contracts.facts.world import Audio, Face, File, Session, VideoFile, World
from kling_contracts.unknown import Unknown
from kling_mock_server.protocol.names import CREATE, IDENTIFY, QUERY, TTS

Entry = TypeVar("Entry")

_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_NOT_SHOWN: Final = Unknown("the recording does not show where the id comes from")
_NOT_TOLD: Final[Any] = Unknown("no answer of the recording tells it")
_NOT_FETCHED: Final = Unknown("the recording does not hold the file")


class Shown(dict[str, Entry]):
    """A table of a world; an id that it does not list may exist all the same."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return an entry; `Unknown` where the recording does not show it, whatever the default."""
        return super().get(key, _NOT_SHOWN)


class ShownFiles(dict[str, Entry]):
    """The files of a world by their URLs; a URL that it does not list may answer all the same."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a file; `Unknown` where the recording does not hold it, whatever the default."""
        return super().get(key, _NOT_FETCHED)


@dataclass
class RecordedWorld:
    """The world that the answers of a recording tell of, gathered one call after the other."""

    sessions: dict[str, Session] = field(default_factory=Shown)
    audios: dict[str, Audio] = field(default_factory=Shown)
    files: dict[str, File] = field(default_factory=ShownFiles)
    videos: dict[str, VideoFile] = field(default_factory=ShownFiles)
    external_ids: dict[str, set[str]] = field(default_factory=dict)
    """By account."""
    task_sessions: dict[str, str] = field(default_factory=dict)
    """The session of each task, by the task's id and by its external id."""

    def learn_answer(self, operation: str, payload: Any, data: Any, at_ms: int | None) -> None:
        """Learn from `data` of an accepted call; what does not look as documented teaches nothing."""
        if not isinstance(data, Mapping) or not isinstance(payload, Mapping):
            return
        if operation == IDENTIFY:
            self._learn_session(payload, data, at_ms)
        elif operation == TTS:
            self._learn_audios(data, at_ms)
        elif operation == CREATE:
            self._learn_task(payload, data)
        elif operation == QUERY:
            self.learn_task_state(data)

    def learn_task_state(self, data: Mapping[str, Any]) -> None:
        """Learn the length of a session's video from the state of one of its tasks."""
        info = data.get("task_info")
        parent = info.get("parent_video") if isinstance(info, Mapping) else None
        duration_ms = milliseconds(parent.get("duration")) if isinstance(parent, Mapping) else None
        session_id = self.task_sessions.get(str(data.get("task_id")), "")
        if duration_ms is not None and session_id in self.sessions:
            self.sessions[session_id] = self.sessions[session_id]._replace(video_ms=duration_ms)

    def learn_media(self, url: str, media: Mapping[str, Any]) -> None:
        """Learn what a download holds."""
        if "audio" in media:
            self.files[url] = File(**media["audio"])

    def learn_external_id(self, account: str, external_id: Any) -> None:
        """Note an external id as used."""
        if isinstance(external_id, str) and external_id:
            self.external_ids.setdefault(account, set()).add(external_id)

    def at(self, account: str, now_ms: int | None) -> World:
        """Return the world of an account at an instant (Unix ms)."""
        return World(
            now_ms=now_ms,
            sessions=self.sessions,
            audios=self.audios,
            files=self.files,
            external_task_ids=self.external_ids.get(account, set()),
        )

    def _learn_session(self, payload: Mapping[str, Any], data: Mapping[str, Any], at_ms: int | None) -> None:
        faces = {}
        for face in _objects(data.get("face_data")):
            start, end = face.get("start_time"), face.get("end_time")
            known = [one if isinstance(one, int) else _NOT_TOLD for one in (start, end)]
            faces[str(face.get("face_id"))] = Face(*known)
        session_id = data.get("session_id")
        if isinstance(session_id, str):
            given = {name: payload[name] for name in ("video_id", "video_url") if isinstance(payload.get(name), str)}
            self.sessions[session_id] = Session(_NOT_TOLD, faces, at_ms, **given)

    def _learn_audios(self, data: Mapping[str, Any], at_ms: int | None) -> None:
        result = data.get("task_result")
        for audio in _objects(result.get("audios") if isinstance(result, Mapping) else None):
            duration_ms = milliseconds(audio.get("duration"))
            length: Any = _NOT_TOLD if duration_ms is None else duration_ms
            self.audios[str(audio.get("id"))] = Audio(length, at_ms)

    def _learn_task(self, payload: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        for name in (data.get("task_id"), payload.get("external_task_id")):
            if isinstance(name, str) and name:
                self.task_sessions[name] = str(payload.get("session_id", ""))


def milliseconds(seconds: Any) -> int | None:
    """Return a duration that the API writes as a text in seconds; None where it is none."""
    if not isinstance(seconds, str) or not _SECONDS.fullmatch(seconds):
        return None
    return int(Decimal(seconds) * 1000)


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
