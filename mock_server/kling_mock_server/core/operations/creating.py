"""Creating a task: stored with its fate, its callbacks and, where videos are rendered, its picture."""

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from kling_contracts.facts.file_content import base64_bytes
from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.sources import UNFETCHED, FactSources
from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Face, Session
from kling_contracts.unknown import Unknown
from kling_mock_server.assets import speech
from kling_mock_server.assets.synthetic_video import shown_in
from kling_mock_server.core.answer_record import AnswerRecord
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.work import Work
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.names import CREATE
from kling_mock_server.protocol.task_json import created_json
from kling_mock_server.state.stores.store import RowAt
from kling_mock_server.state.tables import AUDIOS, EXTERNAL_IDS, SESSIONS, Message, Outbox
from kling_mock_server.state.tasks import RefusedTask

if TYPE_CHECKING:
    from kling_mock_server.assets.rendering import RenderPlan
    from kling_mock_server.failures.scenarios import Delivery, Fate

_TASK: Final = "facts.task"
_SESSION: Final = "facts.session"
_LOUDNESS: Final = 1.0


class Create(Work):
    """One task."""

    def __init__(self, exchange: Exchange, resources: Resources) -> None:
        super().__init__(exchange, resources)
        account, rows = exchange.account, exchange.rows
        self._world = account.world_ahead(exchange.state, rows) if rows else account.world_of(exchange.state)
        step = exchange.played.step if exchange.played else None
        self._fate = step.task if step else None
        self._callbacks = step.callbacks if step else None

    def sources(self) -> FactSources:
        """Return what the payload's facts are measured from."""
        exchange, downloads = self._exchange, self._resources.downloads
        fetch = partial(downloads.audio, origin=exchange.request.origin)
        now_ms, advanced_ms = exchange.now_ms, exchange.state.advanced_ms
        return FactSources(self._world, fetch={"audio": fetch}, now_ms=now_ms, advanced_ms=advanced_ms)

    def carry_out(self, payload: Any, measured: Measurement, record: AnswerRecord) -> Any:
        """Store the task; refused where too many tasks run, or the world has changed since it was judged."""
        session_id = payload.get("session_id", "")
        session = self._world.sessions.get(session_id)
        needs_session = self._resources.contract.rule_on(CREATE, _SESSION) is not None
        if session is None and needs_session:
            return RefusedTask(_SESSION)
        session = session or _unknown_session(session_id)
        task = self._task(payload, session)
        outbox = self._outbox(task, payload.get("callback_url", ""))
        unique = self._resources.contract.rule_on(CREATE, _TASK) is not None
        stored = self._account.tasks.create(
            task,
            outbox,
            unique=unique,
            needs_session=needs_session,
            beside=lambda rows, task: record.write(rows, created_json(task)),
            rows=record.rows,
        )
        if isinstance(stored, RefusedTask):
            return stored
        if self._resources.renderer.can_render:
            gather, size = partial(self._plan, stored, payload, session), len(self._exchange.request.body)
            self._resources.renderer.plan(self._account, stored.id, gather, size)
        if outbox:
            self._deliver()
        return record.data

    def _task(self, payload: Any, session: Session) -> Task:
        now_ms, pace = self._exchange.state.now_ms(), self._account.pace
        begins_ms, ends_ms, succeeds, message = _course(now_ms, pace.begins_after_ms, pace.ends_after_ms, self._fate)
        return Task(
            id=self._resources.ids.next(),
            external_task_id=payload.get("external_task_id", ""),
            created_ms=now_ms,
            begins_ms=begins_ms,
            ends_ms=ends_ms,
            succeeds=succeeds,
            message=message,
            video_id=session.video_id or payload.get("session_id", ""),
            video_url=session.video_url,
            video_ms=session.video_ms,
            session_id=payload.get("session_id", ""),
            origin=self._exchange.request.origin,
        )

    def _outbox(self, task: Task, url: str) -> Outbox | None:
        if not url:
            return None
        messages = _every_change(task) if self._callbacks is None else _planned(task, self._callbacks)
        return Outbox(task.id, url, messages, 0, messages[0].at_ms) if messages else None

    def _deliver(self) -> None:
        worker = self._resources.callback_worker
        worker.nudge()
        if self._callbacks and any(callback.due == "before-reply" for callback in self._callbacks):
            worker.send_before_reply(self._account.key)

    def _plan(self, task: Task, payload: Any, session: Session) -> "RenderPlan | None":
        item: Any = next(iter(payload.get("face_choose", ())), {})
        face = session.faces.get(item.get("face_id", ""))
        sound = self._sound(item) if face else None
        return None if face is None or sound is None else _plan(task, item, face, sound)

    def _sound(self, item: Any) -> bytes | None:
        audio_id, sound_file = item.get("audio_id"), item.get("sound_file")
        if audio_id:
            return speech.wav(self._world.audios[audio_id].duration_ms, audio_id)
        data = base64_bytes(sound_file)
        if data is not None:
            return data
        fetched = self._resources.downloads.sound(sound_file, self._exchange.request.origin)
        return None if isinstance(fetched, Unknown) else fetched


def _unknown_session(session_id: str) -> Session:
    # A contract without a rule on it lets any session pass; nothing is known of its video.
    duration_ms, faces = shown_in(UNFETCHED, session_id)
    return Session(duration_ms, faces)


def rows_looked_at(payload: Any) -> list[RowAt]:
    """Return the rows of the account that a payload, right or wrong, will be judged by: those of the ids in it."""
    items = payload["face_choose"] if isinstance(payload.get("face_choose"), list) else []
    audios = [item.get("audio_id") for item in items[:_ITEMS] if isinstance(item, dict)]
    session, external_id = payload.get("session_id"), payload.get("external_task_id")
    asked = [(SESSIONS, session), (EXTERNAL_IDS, external_id), *((AUDIOS, audio) for audio in audios)]
    return [(table, key) for table, key in asked if isinstance(key, str)]


_ITEMS: Final = 4
"""Items of `face_choose` that are looked at; the rows of further ones are read one by one."""


def _course(now_ms: int, begins_ms: int, ends_ms: int, fate: "Fate | None") -> tuple[int, int | None, bool, str]:
    if fate is None:
        return now_ms + begins_ms, now_ms + ends_ms, True, ""
    after_ms = ends_ms if fate.after_ms is None else fate.after_ms
    end = None if fate.ends == "never" else now_ms + after_ms
    return now_ms + min(begins_ms, after_ms), end, fate.ends != "failed", fate.message


def _every_change(task: Task) -> tuple[Message, ...]:
    statuses = ["submitted", "processing", *([] if task.ends_ms is None else [_end(task)])]
    return tuple(
        Message(status, task.reached_ms(status), f"msg_{task.id}_{number}") for number, status in enumerate(statuses, 1)
    )


def _planned(task: Task, callbacks: "tuple[Delivery, ...]") -> tuple[Message, ...]:
    messages = []
    for number, callback in enumerate(callbacks, 1):
        status, due = (_end(task) if name == "end" else name for name in (callback.status, callback.due))
        if task.ends_ms is None and _end(task) in (status, due):
            continue
        at_ms = task.created_ms if due == "before-reply" else task.reached_ms(due)
        message = Message(
            status=status,
            at_ms=at_ms + callback.after_ms,
            id=f"msg_{task.id}_{number}",
            change=callback.change,
            body=callback.body,
            percent=callback.percent,
            signature=callback.signature,
        )
        messages += [message] * callback.times
    return tuple(sorted(messages, key=lambda message: message.at_ms))


def _end(task: Task) -> str:
    return "succeed" if task.succeeds else "failed"


def _plan(task: Task, item: Any, face: Face, sound: bytes) -> "RenderPlan":
    # At first use: a video is rendered only where somebody asks for it.
    from kling_mock_server.assets.rendering import RenderPlan

    return RenderPlan(
        video_ms=task.video_ms,
        face=(face.start_ms, face.end_ms),
        insert_ms=int(item["sound_insert_time"]),
        clip_start_ms=int(item["sound_start_time"]),
        clip_end_ms=int(item["sound_end_time"]),
        sound_volume=item.get("sound_volume", _LOUDNESS),
        original_volume=item.get("original_audio_volume", _LOUDNESS),
        sound=sound,
    )
