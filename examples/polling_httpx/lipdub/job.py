"""The whole job: from a video and a text to a file."""

import itertools
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from .answers import text_id
from .api import FEW, Kling
from .errors import CODE_NOT_FOUND, KlingError, Refused
from .placing import milliseconds, place

MAX_POLL_FACTOR = 5
EXPIRED = {401, 403, 404, 410}


class Order(NamedTuple):
    """What is to be made."""

    video_url: str
    text: str
    voice_id: str
    language: str


async def make(kling: Kling, order: Order, target: Path) -> str:
    """Make the video and save it; returns the id of the task. Raises `KlingError`."""
    kling.say(f"looking for faces in {order.video_url}")
    found = await kling.identify_face(order.video_url)
    session_id = text_id(found.get("session_id"))
    kling.say(f"session {session_id}")

    audio = _first((await kling.tts(order.text, order.voice_id, order.language)).get("task_result"), "audios")
    audio_id, audio_ms = text_id(audio.get("id")), milliseconds(audio.get("duration"))
    kling.say(f"audio {audio_id} lasts {audio_ms} ms")

    placing = place(found.get("face_data"), audio_ms)
    kling.say(f"face {placing.face_id} says {placing.clip} ms of it from {placing.insert_at} ms")
    external_id = f"lipdub-{uuid.uuid4()}"
    kling.say(f"creating the task as {external_id}")
    faces = placing.face_choose(audio_id)
    payload = {"session_id": session_id, "face_choose": faces, "external_task_id": external_id}
    task_id = await kling.create(payload)
    await _fetch(kling, task_id, target)
    return task_id


async def _fetch(kling: Kling, task_id: str, target: Path) -> None:
    for links in itertools.count(1):
        url = await _video_url(kling, task_id)
        kling.say(f"downloading {url}")
        try:
            size = await kling.download(url, target)
        except Refused as refusal:
            # The link may have expired; the task knows a fresh one.
            if refusal.status not in EXPIRED or links >= FEW:
                raise
            kling.say(f"{refusal}; asking for the link again")
            await kling.sleep(kling.settings.poll_s)
        else:
            kling.say(f"saved {target}, {size} bytes")
            return


async def _video_url(kling: Kling, task_id: str) -> str:
    """Poll until the task ends; returns where its video is."""
    gaps, said = 0, ""
    pause_s = kling.settings.poll_s
    while True:
        task = await _look(kling, task_id, gaps)
        status = task.get("task_status")
        if status == "failed":
            raise KlingError(f"task {task_id} failed: {task.get('task_status_msg') or 'no reason was given'}")
        url = _first(task.get("task_result"), "videos").get("url") if status == "succeed" else None
        if isinstance(url, str) and url:
            return url
        # A status we do not know is one that has not ended.
        gaps += status is None or status == "succeed"
        if gaps >= FEW:
            raise KlingError(f"task {task_id} ended without a video")
        state = str(status or "not visible yet")
        if state != said:
            kling.say(f"task {task_id} is {state}")
        said = state
        await kling.sleep(pause_s)
        pause_s = min(pause_s * 1.3, kling.settings.poll_s * MAX_POLL_FACTOR)


async def _look(kling: Kling, task_id: str, gaps: int) -> dict[str, Any]:
    try:
        return await kling.query(task_id)
    except Refused as refusal:
        # A task may take a moment until it can be queried.
        if refusal.code not in CODE_NOT_FOUND or gaps + 1 >= FEW:
            raise
        return {}


def _first(result: Any, name: str) -> dict[str, Any]:
    """Return the first of a list of things in a task's result; empty where there is none."""
    things = result.get(name) if isinstance(result, dict) else None
    return things[0] if isinstance(things, list) and things and isinstance(things[0], dict) else {}
