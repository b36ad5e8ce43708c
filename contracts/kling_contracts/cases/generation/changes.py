"""Changes: what is done to a plan, its payload or its request, and the one rule that is meant."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from kling_contracts.cases.generation.limits import Limits
from kling_contracts.cases.generation.plans import Plan
from kling_contracts.http import Request

ChangePlan = Callable[[Plan, Limits, int], Plan]
ChangePayload = Callable[[Any, int], Any]
ChangeRequest = Callable[[Request, int], Request]


class Absent:
    """Stands for a member that is to be left out."""


ABSENT: Final = Absent()


def _same_plan(plan: Plan, limits: Limits, by: int) -> Plan:
    return plan


def _same_payload(payload: Any, by: int) -> Any:
    return payload


def _same_request(request: Request, by: int) -> Request:
    return request


class Change(NamedTuple):
    """One change, made `by` so many units: 1 and more break `rule`, 0 does not."""

    rule: str
    says: str
    """A sentence; of a change at a limit, with {} for how far it goes past it."""
    source: str = ""
    """The audio source that it needs; empty: any."""
    plan: ChangePlan = _same_plan
    payload: ChangePayload = _same_payload
    request: ChangeRequest = _same_request
    farthest: int = 1
    """How far past its limit it goes at most; of what has no limit, 1."""

    @property
    def of_request(self) -> bool:
        """Whether it leaves plan and payload as they are."""
        return self.payload is _same_payload and self.plan is _same_plan and not self.source

    @property
    def bounded(self) -> bool:
        """Whether it can be made to different degrees."""
        return "{}" in self.says

    def sentence(self, by: int) -> str:
        """Return what the change does."""
        return self.says.replace("{}", str(by))


def put(*path: str | int, value: Any) -> ChangePayload:
    """Return the change that puts a value at a path of the payload, or leaves out what is there."""
    return put_by(*path, value=lambda by: value)


def put_by(*path: str | int, value: Callable[[int], Any]) -> ChangePayload:
    """Return the change that puts there what `value` makes of `by`."""
    if not path:
        return lambda payload, by: value(by)
    *above, name = path

    def change(payload: Any, by: int) -> Any:
        holder = payload
        for step in above:
            holder = holder[step]
        _put(holder, name, value(by))
        return payload

    return change


def _put(holder: Any, name: str | int, value: Any) -> None:
    if value is ABSENT:
        holder.pop(name, None)
    else:
        holder[name] = value


def put_in_item(**members: Any) -> ChangePayload:
    """Return the change that puts members into the first item of face_choose, or leaves them out."""

    def change(payload: Any, by: int) -> Any:
        for name, value in members.items():
            _put(payload["face_choose"][0], name, value)
        return payload

    return change


def plan_with(**members: Any) -> ChangePlan:
    """Return the change that replaces members of the plan."""
    return lambda plan, limits, by: plan._replace(**members)
