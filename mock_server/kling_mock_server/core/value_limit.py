"""The number of values in a body, which the documents leave open: bounded by the mock, as each costs memory."""

from typing import Final

from kling_contracts import Contract, Violation

TOO_MANY_VALUES: Final = "too-many-values"
MAX_CONTROL_VALUES: Final = 500_000
"""Values of a call of the control surface: the largest world has fewer."""


class ValueLimit:
    """The limit `values` of a rule of `x-mock-rules`; none where the documents have no such rule."""

    def __init__(self, contract: Contract) -> None:
        self._rule = contract.mock_rules.get(TOO_MANY_VALUES)
        self.most = int(self._rule.value["values"]) if self._rule else 0
        """The limit; a body of no more bytes has no more values."""

    def broken(self, body: bytes) -> Violation | None:
        """Return the violation of a body that may hold too many values; it is counted, and not decoded."""
        if self._rule is None or most_values(body) <= self.most:
            return None
        message = f"{self._rule.message}: at most {self.most}"
        return Violation(self._rule, "", message, f"up to {most_values(body)} values", f"at most {self.most} values")


def most_values(body: bytes) -> int:
    """Return how many values the JSON text `body` holds at most: commas in its strings are counted, too."""
    return body.count(b",") + 1
