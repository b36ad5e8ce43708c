"""identify-face: a session with the faces of a video, measured where it can be, synthetic where it cannot."""

from typing import Any

from kling_contracts import Note
from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.provider import NO_SUCH_ID
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.world import Session, VideoFile
from kling_contracts.unknown import Unknown
from kling_mock_server.assets.synthetic_video import SyntheticVideo, notes_on, shown_in, synthetic
from kling_mock_server.core.answer_record import AnswerRecord
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.work import Work
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.file_urls import Address
from kling_mock_server.protocol.names import IDENTIFY, SYNTHETIC_HEADER
from kling_mock_server.protocol.task_json import cost_json


class Identify(Work):
    """The faces of one video."""

    def __init__(self, exchange: Exchange, resources: Resources) -> None:
        super().__init__(exchange, resources)
        clock = exchange.account.clock
        self._now_ms = clock.now_ms()
        self._advanced_ms = clock.advanced_ms

    def sources(self) -> FactSources:
        """Return what the payload's facts are measured from."""
        find, fetch = {"videos": self._by_id}, {"video": self._by_url}
        return FactSources(self._account.world, find, fetch, self._now_ms, self._advanced_ms)

    def notes(self, payload: Any) -> tuple[Note, ...]:
        """Return a note on every part of the URL's fragment that chooses nothing."""
        url = payload.get("video_url") if isinstance(payload, dict) else None
        is_listed = self._account.world_of(self._exchange.state).videos is not None
        return () if is_listed or not isinstance(url, str) else notes_on(url, "/video_url")

    def carry_out(self, payload: Any, measured: Measurement, record: AnswerRecord) -> Any:
        """Issue a session."""
        video = measured.entry("video")
        session_id = self._resources.ids.next()
        video_id, video_url = payload.get("video_id", ""), payload.get("video_url", "").partition("#")[0]
        # A contract without a rule on it lets a video pass that could not be measured.
        duration_ms, faces = shown_in(video, video_id or video_url)
        session = Session(duration_ms, faces, self._now_ms, video_id, video_url)
        data = {
            "session_id": session_id,
            "face_data": [self._face(session_id, name, *interval) for name, interval in faces.items()],
            **cost_json(self._resources.contract.prices.get(IDENTIFY)),
        }
        self._account.put_session(session_id, session, lambda rows: record.write(rows, data))
        return data

    def headers(self, measured: Measurement) -> dict[str, str]:
        """Return a header that says so where the video is synthetic."""
        return {SYNTHETIC_HEADER: "video"} if isinstance(measured.entry("video"), SyntheticVideo) else {}

    def _face(self, session_id: str, face_id: str, start_ms: int, end_ms: int) -> dict[str, Any]:
        address = Address(self._account.folder, "faces", f"{session_id}-{face_id}")
        url = address.url(self._exchange.request.origin)
        return {"face_id": face_id, "face_image": url, "start_time": start_ms, "end_time": end_ms}

    def _by_url(self, url: str) -> VideoFile | Unknown:
        return self._resources.downloads.video(url, self._exchange.request.origin)

    def _by_id(self, video_id: str) -> VideoFile | Unknown:
        """A result of the account, or the source of one of its sessions; any other id stands for a synthetic video."""
        sessions, task = self._account.world.sessions, self._account.tasks.making(video_id)
        if task is None:
            source = sessions.get(video_id)
            if source is None and self._account.tasks.find(video_id):
                # The id of the task in place of that of its video, `task_result.videos[0].id`.
                return NO_SUCH_ID
            return _like(video_id, source) if source else synthetic(video_id)
        if task.status(self._now_ms) != "succeed":
            return NO_SUCH_ID
        session = sessions.get(task.session_id)
        result = _like(video_id, session) if session else VideoFile(*synthetic(video_id))
        return result._replace(duration_ms=task.video_ms, created_ms=task.ends_ms)


def _like(video_id: str, session: Session) -> VideoFile:
    video = VideoFile(*synthetic(video_id))
    duration_ms, width_px, height_px = session.video_ms, 1280, 720
    return video._replace(duration_ms=duration_ms, width_px=width_px, height_px=height_px, faces=session.faces)
