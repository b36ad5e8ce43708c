"""A task as the API writes it: in the answer to its creation, in queries, in callbacks."""

from typing import Any, Final

from kling_mock_server.protocol.file_urls import Address
from kling_mock_server.state.tables import Task

_STARTED_MS: Final = 5_000
"""Every started so many ms of video cost half a unit (the vendor's price list)."""


def created_json(task: Task) -> dict[str, Any]:
    """Return the task as its creation reports it."""
    return {
        "task_id": task.id,
        "task_status": "submitted",
        "task_info": {"external_task_id": task.external_id},
        "created_at": task.created_ms,
        "updated_at": task.created_ms,
    }


def state_json(task: Task, status: str, updated_ms: int, account: str) -> dict[str, Any]:
    """Return the task with the status that it has, or had, from `updated_ms` on; `account` is its account's key."""
    duration = seconds(task.video_ms)
    parent_url = task.video_url or Address(account, "videos", task.session_id).url(task.origin)
    value: dict[str, Any] = {
        "task_id": task.id,
        "task_status": status,
        "task_status_msg": task.message if status == "failed" else "",
        "task_info": {
            "parent_video": {"id": task.video_id, "url": parent_url, "duration": duration},
            "external_task_id": task.external_id,
        },
    }
    if status == "succeed":
        url = Address(account, "results", task.result_id).url(task.origin)
        value["task_result"] = {"videos": [{"id": task.result_id, "url": url, "duration": duration}]}
    if status in ("succeed", "failed"):
        value["final_unit_deduction"] = units(task.video_ms) if status == "succeed" else "0"
    return {**value, "created_at": task.created_ms, "updated_at": updated_ms}


def seconds(duration_ms: int) -> str:
    """Return a duration of at least 0 ms as the API writes it: a string in seconds, the shortest decimal."""
    whole, rest = divmod(duration_ms, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")


def units(video_ms: int) -> str:
    """Return what a video of so many ms costs: half a unit for every 5 s that were begun."""
    halves = max(1, -(-video_ms // _STARTED_MS))
    return f"{halves / 2:g}"
