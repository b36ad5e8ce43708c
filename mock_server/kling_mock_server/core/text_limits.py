"""The length of texts that the documents leave open: bounded by the mock, as it keeps them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kling_contracts import Contract, Violation
from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import MAX_ITEMS, readable
from kling_contracts.rules.rule import Rule

TEXT_TOO_LONG: Final = "text-too-long"
_NO_LIMITS: Final[Mapping[str, int]] = {}

Path = tuple[str | int, ...]


class TextLimits:
    """The limits of `x-mock-rules`, by the name of a field at any depth; none where the documents have no such rule.

    The first `MAX_ITEMS` of an array are looked at: no operation keeps more of one.
    """

    def __init__(self, contract: Contract) -> None:
        self._rule = contract.mock_rules.get(TEXT_TOO_LONG)
        self._limits: Mapping[str, int] = (self._rule.value if self._rule else None) or _NO_LIMITS
        self.harmless_bytes = min(self._limits.values(), default=0)
        """Bytes of a body that has no text beyond a limit, as most have not: nothing need be looked into."""

    def broken(self, payload: Any) -> Violation | None:
        """Return the violation of a payload with a text that is too long."""
        found = self._first(payload) if self._rule else None
        return _violation(self._rule, *found) if self._rule and found else None

    def _first(self, payload: Any) -> tuple[Path, int, int] | None:
        waiting: list[tuple[Path, Any]] = [((), payload)]
        while waiting:
            path, value = waiting.pop()
            limit = self._limits.get(str(path[-1])) if path and isinstance(value, str) else None
            if limit is not None and len(value) > limit:
                return path, len(value), limit
            waiting += [((*path, name), member) for name, member in _members(value) if not isinstance(member, int)]
        return None


def _members(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value[:MAX_ITEMS]) if isinstance(value, list) else ()


def _violation(rule: Rule, path: Path, length: int, limit: int) -> Violation:
    name = readable(path)
    message = f"{rule.message}: {name} must have at most {limit} characters"
    return Violation(rule, pointer(path), message, f"{length} characters", f"at most {limit} characters")
