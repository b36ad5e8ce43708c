"""A task as the API writes it: in the answer to its creation, in queries, in callbacks; and what the journal keeps."""

from collections.abc import Mapping
from typing import Any

from kling_contracts.facts.task import Task
from kling_contracts.rules.price import Price
from kling_mock_server.protocol.envelope import WrittenJson, encode
from kling_mock_server.protocol.file_urls import Address


def created_json(task: Task) -> WrittenJson:
    """Return the task as its creation reports it."""
    members = {
        "task_id": task.id,
        "task_status": "submitted",
        "task_info": {"external_task_id": task.external_task_id},
        "created_at": task.created_ms,
        "updated_at": task.created_ms,
    }
    text = (
        f'{{"task_id":"{task.id}","task_status":"submitted",'
        f'"task_info":{{"external_task_id":{encode(task.external_task_id)}}},'
        f'"created_at":{task.created_ms},"updated_at":{task.created_ms}}}'
    )
    return WrittenJson(members, text)


def state_json(task: Task, status: str, updated_ms: int, folder: str, price: Price | None) -> dict[str, Any]:
    """Return the task with the status that it has, or had, from `updated_ms` on; `folder` is its account's folder.

    `price` is that of a create call; None, where the documents do not say it, leaves the deduction out.
    """
    duration = seconds(task.video_ms)
    parent_url = task.video_url or Address(folder, "videos", task.session_id).url(task.origin)
    value: dict[str, Any] = {
        "task_id": task.id,
        "task_status": status,
        "task_status_msg": task.message if status == "failed" else "",
        "task_info": {
            "parent_video": {"id": task.video_id, "url": parent_url, "duration": duration},
            "external_task_id": task.external_task_id,
        },
    }
    if status == "succeed":
        url = Address(folder, "results", task.result_id).url(task.origin)
        value["task_result"] = {"videos": [{"id": task.result_id, "url": url, "duration": duration}]}
    if status == "succeed":
        value |= cost_json(price, task.video_ms)
    elif status == "failed" and price:
        value["final_unit_deduction"] = "0"
    return {**value, "created_at": task.created_ms, "updated_at": updated_ms}


def task_details(data: Any) -> Mapping[str, Any]:
    """Return the details of a task in `data` of an answer; empty where `data` is not a task."""
    if not isinstance(data, dict) or "task_status" not in data:
        return {}
    result = data.get("task_result")
    videos = result.get("videos") if isinstance(result, dict) else None
    details = {"task_status": data["task_status"]}
    return {**details, "videos": len(videos)} if isinstance(videos, list) else details


def cost_json(price: Price | None, video_ms: int = 0) -> dict[str, str]:
    """Return what a call costs; nothing where the documents do not say it."""
    return {"final_unit_deduction": price.of(video_ms)} if price else {}


def seconds(duration_ms: int) -> str:
    """Return a duration of at least 0 ms as the API writes it: a string in seconds, the shortest decimal."""
    whole, rest = divmod(duration_ms, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")
