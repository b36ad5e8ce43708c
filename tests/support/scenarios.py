"""Scenarios as tests build them, and the steps and answers of one."""

import json
from pathlib import Path

import pytest

from kling_mock_server.failures.scenarios import answered, carried_out, library, next_step, scenario_from_json
from kling_mock_server.failures.scenarios.reading import SCHEMA_FILE
from kling_mock_server.protocol.envelope import answer
from support import serving

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
SCHEMA = json.loads(SCHEMA_FILE.read_bytes())["$defs"]
CALLS = SCHEMA["Step"]["properties"]["call"]["enum"]
STATUSES = serving.documented().operation.statuses.by_code
REFUSALS = serving.documented().codes
REQUEST_ID = "6f8a6d5e-5b0c-4a0e-9a0f-3a1d2c4b5e6f"
TASK = {
    "task_id": "825466120331415623",
    "task_status": "succeed",
    "task_status_msg": "",
    "task_info": {"external_task_id": "order-17"},
    "task_result": {"videos": [{"id": "825466120331415624", "url": "http://mock/_mock/files/1", "duration": "10"}]},
}
GOOD = answer(200, 0, "SUCCEED", REQUEST_ID, TASK)
CALLBACK = json.dumps(TASK).encode()

FRESH = ()
"""The progress of a scenario that has taken no call."""

each_code = pytest.mark.parametrize("code", sorted(set(STATUSES) - {0}))
each_scenario = pytest.mark.parametrize("scenario", [pytest.param(one, id=one.name) for one in library().values()])


def scenario(*steps, **members):
    """Build a scenario; a step that says nothing that happens refuses."""
    return scenario_from_json({"name": "mine", "steps": [{**_DOES_SOMETHING, **step} for step in steps], **members})


_DOES_SOMETHING = {"headers": {"X-Step": "taken"}}


def taken(one, calls, running=0, progress=FRESH):
    """Return the index of the step that took each call, None for a good answer."""
    indexes = []
    for call in calls:
        progress, step = next_step(one, progress, call, running)
        # By identity: steps may be equal.
        indexes.append(next((index for index, other in enumerate(one.steps) if other is step), None))
    return indexes


def answer_of(step, good=GOOD):
    return answered(step, good if carried_out(step) else None, REQUEST_ID, REFUSALS)


def step_of(**members):
    return scenario_from_json({"name": "mine", "steps": [{"call": "create", **members}]}).steps[0]


def lines(value):
    """The lines of the refusal of a scenario."""
    with pytest.raises(ValueError, match=r"^/") as caught:
        scenario_from_json(value)
    return str(caught.value).splitlines()


def unreadable(body):
    """Return whether a body is no JSON."""
    try:
        json.loads(body)
    except ValueError:
        return True
    return False
