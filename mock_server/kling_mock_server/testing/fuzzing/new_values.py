"""Values that are said to be new, and were in an answer to another request."""

from collections.abc import Iterable
from typing import Any

from kling_contracts import Request
from kling_contracts.cases.places import places, value_at


class NewValues:
    """Remembers where each value was answered, by the place of the member that holds it."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, str], int] = {}

    def repeated(self, operation: str, members: Iterable[str], request: Request, answer: Any) -> dict[str, str]:
        """Return by JSON Pointer which `members` of an answer repeat a value that another request was answered."""
        found = {}
        sent = hash((request.method, request.path, request.query, request.body))
        for member in members:
            for where in places(answer, member):
                value = value_at(answer, where)
                if isinstance(value, str) and self._answered.setdefault((operation, member, value), sent) != sent:
                    found[where] = f"is {value!r:.200}, which another request was answered, too"
        return found
