"""From a video and a recording to a file."""

import logging
import uuid
from pathlib import Path
from typing import Any

from .board import Board
from .config import Config
from .kling import FEW, ApiError, JobError, Kling, task_id_of
from .receiver import receiving
from .voice import Voice, face_choose

log = logging.getLogger(__name__)


def make(config: Config, video_url: str, voice: Voice, target: Path) -> str:
    """Make the video and save it; returns the id of the task. Raises `JobError`."""
    kling, board = Kling(config), Board()
    log.info("identifying faces in %s", video_url)
    found = kling.identify_face(video_url)
    with receiving(board, config) as callback_url:
        payload = {
            "session_id": str(found.get("session_id", "")),
            "face_choose": face_choose(found.get("face_data"), voice),
            "external_task_id": str(uuid.uuid4()),
            "callback_url": callback_url,
        }
        log.info("creating task %s, to be called back at %s", payload["external_task_id"], callback_url)
        task_id = kling.create(payload)
        log.info("created as %s", task_id)
        task = _ended(kling, board, task_id, config.poll_s)
    if task["task_status"] == "failed":
        raise JobError(f"task {task_id} failed: {task.get('task_status_msg') or 'no reason was given'}")
    _save(kling, task, target, config.poll_s)
    return task_id


def _ended(kling: Kling, board: Board, task_id: str, poll_s: float) -> dict[str, Any]:
    """Wait for the callback that says it is done; ask where none comes, and where anybody could have sent it."""
    unknown = 0
    while True:
        task = board.wait(task_id, min(poll_s, kling.left_s()))
        if task:
            return task
        log.info("asking for task %s", task_id)
        try:
            board.note({**kling.query(task_id), "task_id": task_id})
        except ApiError as error:
            # It may take a moment until a new task can be queried.
            unknown += 1
            if not error.is_unknown or unknown == FEW:
                raise


def _save(kling: Kling, task: dict[str, Any], target: Path, poll_s: float) -> None:
    """Download the video; ask the task again where its link is missing or has expired."""
    task_id = task_id_of(task)
    for _ in range(FEW):
        url = _link(task)
        if url:
            log.info("downloading %s", url)
            try:
                log.info("saved %d bytes as %s", kling.download(url, target), target)
                return
            except ApiError as error:
                if error.status not in (401, 403, 404, 410):
                    raise
        kling.pause(poll_s)
        task = kling.query(task_id)
    raise JobError(f"task {task_id} succeeded, but its video cannot be had")


def _link(task: dict[str, Any]) -> str:
    try:
        return str(task["task_result"]["videos"][0]["url"] or "")
    except (LookupError, TypeError):
        return ""
