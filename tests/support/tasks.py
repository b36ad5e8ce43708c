"""Tasks of a mock whose clocks stand still: their times, how one is created, and a handle on its account."""

from kling_mock_server.adapters.handle import Handle
from support.workflow import ORIGIN

BEGINS_MS = 5_000
ENDS_MS = 150_000


def created(mock, token="key", **changes):
    """Create a task; returns its id."""
    answer = mock.create(token, **changes)
    assert answer.status == 200, answer.body
    return answer.data["task_id"]


def handle_of(mock, token="key"):
    return Handle(mock.responder, ORIGIN, token)
