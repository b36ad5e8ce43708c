"""Creating a task: stored with its fate, its callbacks and, where videos are rendered, its picture."""

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from kling_contracts.facts.file_content import base64_bytes
from kling_contracts.facts.sources import UNFETCHED
from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Face, Session
from kling_contracts.judging.operation import Operation
from kling_contracts.unknown import Unknown
from kling_mock_server.assets import speech
from kling_mock_server.assets.synthetic_video import shown_in
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.work import Done, Judged, Work
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.task_json import created_json
from kling_mock_server.state.tables import Message, Outbox
from kling_mock_server.state.tasks import RefusedTask

if TYPE_CHECKING:
    from kling_mock_server.assets.rendering import RenderPlan
    from kling_mock_server.failures.scenarios import Delivery, Fate, Step

_LOUDNESS: Final = 1.0


class Create(Work):
    """One task."""

    def __init__(self, operation: Operation, resources: Resources) -> None:
        super().__init__(operation, resources)
        self._unique = resources.contract.rule_on(operation.name, "facts.task") is not None
        self._needs_session = resources.contract.rule_on(operation.name, "facts.session") is not None

    def carry_out(self, exchange: Exchange, judged: Judged) -> Done | RefusedTask:
        """Store the task; refused where too many tasks run, or the world has changed since it was judged."""
        session = _session(exchange, judged.payload.get("session_id", ""))
        step = exchange.played.step if exchange.played else None
        task = self._task(exchange, judged.payload, session, step.task if step else None)
        outbox = _outbox(task, judged.payload.get("callback_url", ""), step)
        # Its times are later ones if it has to wait before it is stored; the journal tells none of them.
        data = created_json(task)
        entry = self._entry(exchange, judged, data)
        beside = self._beside(exchange, entry)
        stored = exchange.account.tasks.create(
            task, outbox, unique=self._unique, needs_session=self._needs_session, beside=beside
        )
        if isinstance(stored, RefusedTask):
            return stored
        if self._resources.renderer.can_render:
            gather = partial(self._render_plan, exchange, judged.payload, stored, session)
            self._resources.renderer.plan(exchange.account, stored.id, gather, len(exchange.request.body))
        if outbox:
            self._deliver(exchange.account.key, step)
        return Done(data if stored is task else created_json(stored), entry=entry)

    def _task(self, exchange: Exchange, payload: Any, session: Session, fate: "Fate | None") -> Task:
        now_ms, pace = exchange.state.now_ms(), exchange.account.pace
        begins_ms, ends_ms, succeeds, message = _course(now_ms, pace.begins_after_ms, pace.ends_after_ms, fate)
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
            origin=exchange.request.origin,
        )

    def _deliver(self, account: str, step: "Step | None") -> None:
        worker = self._resources.callback_worker
        worker.nudge()
        if step and step.callbacks and any(callback.due == "before-reply" for callback in step.callbacks):
            worker.send_before_reply(account)

    def _render_plan(self, exchange: Exchange, payload: Any, task: Task, session: Session) -> "RenderPlan | None":
        item: Any = next(iter(payload.get("face_choose", ())), {})
        face = session.faces.get(item.get("face_id", ""))
        sound = self._sound(exchange, item) if face else None
        return None if face is None or sound is None else _plan(task, item, face, sound)

    def _sound(self, exchange: Exchange, item: Any) -> bytes | None:
        audio_id, sound_file = item.get("audio_id"), item.get("sound_file")
        if audio_id:
            return speech.wav(exchange.world.audios[audio_id].duration_ms, audio_id)
        data = base64_bytes(sound_file)
        if data is not None:
            return data
        fetched = self._resources.downloads.sound(sound_file, exchange.request.origin)
        return None if isinstance(fetched, Unknown) else fetched


def _session(exchange: Exchange, session_id: str) -> Session:
    session = exchange.world.sessions.get(session_id)
    if session is not None:
        return session
    # A contract without a rule on it lets any session pass; nothing is known of its video.
    duration_ms, faces = shown_in(UNFETCHED, session_id)
    return Session(duration_ms, faces)


def _outbox(task: Task, url: str, step: "Step | None") -> Outbox | None:
    if not url:
        return None
    callbacks = step.callbacks if step else None
    messages = _every_change(task) if callbacks is None else _planned(task, callbacks)
    return Outbox(task.id, url, messages, 0, messages[0].at_ms) if messages else None


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
