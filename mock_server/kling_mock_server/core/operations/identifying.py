"""identify-face: a session with the faces of a video, measured where it can be, synthetic where it cannot."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from kling_contracts import Note
from kling_contracts.facts.provider import NO_SUCH_ID
from kling_contracts.facts.sources import Resolve, WorldExcerpt
from kling_contracts.facts.world import Session, VideoFile
from kling_contracts.unknown import Unknown
from kling_mock_server.assets.synthetic_video import SyntheticVideo, notes_on, shown_in, synthetic
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.work import Done, Judged, Work
from kling_mock_server.protocol.file_urls import Address
from kling_mock_server.protocol.names import SYNTHETIC_HEADER
from kling_mock_server.protocol.task_json import cost_json


class Identify(Work):
    """The faces of one video."""

    def carry_out(self, exchange: Exchange, judged: Judged) -> Done:
        """Issue a session; a header says so where the video is synthetic."""
        video, payload = judged.measured.entry("video"), judged.payload
        session_id = self._resources.ids.next()
        video_id, video_url = payload.get("video_id", ""), payload.get("video_url", "").partition("#")[0]
        # A contract without a rule on it lets a video pass that could not be measured.
        duration_ms, faces = shown_in(video, video_id or video_url)
        session = Session(duration_ms, faces, exchange.now_ms, video_id, video_url)
        data = {
            "session_id": session_id,
            "face_data": [_face(exchange, session_id, name, *interval) for name, interval in faces.items()],
            **cost_json(self._resources.contract.prices.get(self._operation.name)),
        }
        entry = self._entry(exchange, judged, data)
        exchange.account.put_session(session_id, session, self._beside(exchange, entry))
        return Done(data, {SYNTHETIC_HEADER: "video"} if isinstance(video, SyntheticVideo) else {}, entry)

    def _find(self, exchange: Exchange) -> Mapping[str, Resolve]:
        return {"videos": partial(_video, exchange)}

    def _notes(self, payload: Any, world: WorldExcerpt) -> tuple[Note, ...]:
        """Return a note on every part of the URL's fragment that chooses nothing."""
        url = payload.get("video_url") if isinstance(payload, dict) else None
        return () if world.videos is not None or not isinstance(url, str) else notes_on(url, "/video_url")


def _face(exchange: Exchange, session_id: str, face_id: str, start_ms: int, end_ms: int) -> dict[str, Any]:
    address = Address(exchange.account.folder, "faces", f"{session_id}-{face_id}")
    url = address.url(exchange.request.origin)
    return {"face_id": face_id, "face_image": url, "start_time": start_ms, "end_time": end_ms}


def _video(exchange: Exchange, video_id: str) -> VideoFile | Unknown:
    """A result of the account, or the source of one of its sessions; any other id stands for a synthetic video."""
    account = exchange.account
    task = account.tasks.making(video_id)
    if task is None:
        source = account.session(video_id)
        if source is None and account.tasks.find(video_id):
            # The id of the task in place of that of its video, `task_result.videos[0].id`.
            return NO_SUCH_ID
        return _like(video_id, source) if source else synthetic(video_id)
    if task.status(exchange.now_ms) != "succeed":
        return NO_SUCH_ID
    session = account.session(task.session_id)
    result = _like(video_id, session) if session else VideoFile(*synthetic(video_id))
    return result._replace(duration_ms=task.video_ms, created_ms=task.ends_ms)


def _like(video_id: str, session: Session) -> VideoFile:
    video = VideoFile(*synthetic(video_id))
    duration_ms, width_px, height_px = session.video_ms, 1280, 720
    return video._replace(duration_ms=duration_ms, width_px=width_px, height_px=height_px, faces=session.faces)
