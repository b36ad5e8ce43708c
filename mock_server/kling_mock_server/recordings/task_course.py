"""The course of each task: what its creation, queries, lists and callbacks say of it, one after the other."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from kling_contracts import Contract
from kling_mock_server.protocol.names import CREATE
from kling_mock_server.recordings.exchange import RecordedExchange
from kling_mock_server.recordings.recorded_world import milliseconds
from kling_mock_server.recordings.verdicts import RecordedDifference

_ORDER: Final = {"submitted": 0, "processing": 1, "succeed": 2, "failed": 2}
_ENDED: Final = 2
_TIMES: Final = ("created_at", "updated_at")


class TaskSighting(NamedTuple):
    """One sight of a task."""

    exchange: RecordedExchange
    data: Mapping[str, Any]
    is_callback: bool

    @property
    def status(self) -> str:
        """Its status; empty where there is none."""
        status = self.data.get("task_status")
        return status if isinstance(status, str) else ""


class TaskCourses:
    """The tasks of a recording."""

    def __init__(self, contract: Contract) -> None:
        self._price = contract.prices.get(CREATE)
        self._states: dict[str, list[TaskSighting]] = {}
        self._external_ids: dict[str, str] = {}

    def begin(self, exchange: RecordedExchange, payload: Mapping[str, Any], data: Any) -> Iterator[RecordedDifference]:
        """Note a task that was created; yield what its answer says otherwise."""
        if not isinstance(data, Mapping) or not isinstance(data.get("task_id"), str):
            return
        self._external_ids[data["task_id"]] = str(payload.get("external_task_id") or "")
        if data.get("task_status") != "submitted":
            yield _other(exchange, f"a new task is {data.get('task_status')!r}, not submitted")
        self._states.setdefault(data["task_id"], []).append(TaskSighting(exchange, data, False))

    def see(self, exchange: RecordedExchange, data: Any, *, is_callback: bool = False) -> None:
        """Note one sight of a task."""
        if isinstance(data, Mapping) and isinstance(data.get("task_id"), str):
            self._states.setdefault(data["task_id"], []).append(TaskSighting(exchange, data, is_callback))

    def differences(self) -> Iterator[RecordedDifference]:
        """Yield what the tasks did otherwise than documented."""
        for task_id, states in self._states.items():
            yield from self._of_task(task_id, states)

    def _of_task(self, task_id: str, states: list[TaskSighting]) -> Iterator[RecordedDifference]:
        polled = [state for state in states if not state.is_callback]
        for earlier, later in pairwise(polled):
            yield from _in_order(task_id, earlier, later)
        for state in states:
            yield from self._in_itself(task_id, state)
        for callback in (state for state in states if state.is_callback):
            seen = next(
                (state for state in polled if state.status == callback.status and "task_info" in state.data), None
            )
            yield from _like_the_query(task_id, callback, seen)

    def _in_itself(self, task_id: str, state: TaskSighting) -> Iterator[RecordedDifference]:
        data, status = state.data, state.status
        result = data.get("task_result")
        videos = result.get("videos") if isinstance(result, Mapping) else None
        if "task_info" in data and "task_status_msg" in data:
            if bool(videos) != (status == "succeed"):
                yield _other(state.exchange, f"task {task_id} is {status} and has {'a' if videos else 'no'} result")
            if bool(data.get("task_status_msg")) != (status == "failed"):
                yield _other(state.exchange, f"task {task_id} is {status} and says {data.get('task_status_msg')!r}")
        created, updated = (data.get(name) for name in _TIMES)
        if isinstance(created, int) and isinstance(updated, int) and updated < created:
            yield _other(state.exchange, f"task {task_id} was updated before it was created")
        yield from self._told_again(task_id, state)
        yield from self._cost(task_id, state)

    def _told_again(self, task_id: str, state: TaskSighting) -> Iterator[RecordedDifference]:
        info = state.data.get("task_info")
        told = info.get("external_task_id") if isinstance(info, Mapping) else None
        sent = self._external_ids.get(task_id)
        if sent is not None and told is not None and told != sent:
            yield _other(state.exchange, f"task {task_id} has the external id {told!r}, created with {sent!r}")

    def _cost(self, task_id: str, state: TaskSighting) -> Iterator[RecordedDifference]:
        """Compare length and price of a result with those of its video."""
        parent = _parent(state.data)
        duration_ms = milliseconds(parent.get("duration"))
        result = state.data.get("task_result")
        videos = result.get("videos") if isinstance(result, Mapping) else None
        for video in videos if isinstance(videos, list) else ():
            if isinstance(video, Mapping) and video.get("duration") != parent.get("duration"):
                lengths = f"{video.get('duration')} instead of {parent.get('duration')}"
                yield _other(state.exchange, f"the result of task {task_id} lasts {lengths} seconds")
        cost = state.data.get("final_unit_deduction")
        if self._price and duration_ms is not None and state.status == "succeed" and isinstance(cost, str):
            predicted = self._price.of(duration_ms)
            if cost != predicted:
                yield _other(state.exchange, f"task {task_id} costs {cost} units instead of {predicted}")


def _in_order(task_id: str, earlier: TaskSighting, later: TaskSighting) -> Iterator[RecordedDifference]:
    if _goes_back(earlier.status, later.status):
        yield _other(later.exchange, f"task {task_id} went from {earlier.status} to {later.status}")
    created = [state.data.get("created_at") for state in (earlier, later)]
    if None not in created and created[0] != created[1]:
        yield _other(later.exchange, f"task {task_id} was created at {created[0]}, and then at {created[1]}")
    updated = [state.data.get("updated_at") for state in (earlier, later)]
    if all(isinstance(time, int) for time in updated) and earlier.status == later.status and updated[0] != updated[1]:
        yield _other(later.exchange, f"task {task_id} stays {later.status}, and updated_at moves on")


def _goes_back(before: str, after: str) -> bool:
    if before not in _ORDER or after not in _ORDER:
        return False
    return _ORDER[after] < _ORDER[before] or (_ORDER[before] == _ENDED and after != before)


def _like_the_query(task_id: str, callback: TaskSighting, seen: TaskSighting | None) -> Iterator[RecordedDifference]:
    if seen is None:
        return
    for name in dict.fromkeys([*seen.data, *callback.data]):
        if seen.data.get(name) != callback.data.get(name):
            message = f"the callback of task {task_id} and its query differ in {name}"
            details = (f"callback: {callback.data.get(name)!r}", f"query:    {seen.data.get(name)!r}")
            yield RecordedDifference("callback", "", message, callback.exchange, details)


def _parent(data: Mapping[str, Any]) -> Mapping[str, Any]:
    info = data.get("task_info")
    parent = info.get("parent_video") if isinstance(info, Mapping) else None
    return parent if isinstance(parent, Mapping) else {}


def _other(exchange: RecordedExchange, message: str) -> RecordedDifference:
    return RecordedDifference("course", "", message, exchange)
