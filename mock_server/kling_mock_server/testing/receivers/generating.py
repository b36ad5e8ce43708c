"""Generated callbacks: what the catalogue sends once, in random places and orders."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any, Final

from kling_mock_server.testing.receivers.callbacks import STATUSES, CallbackMaker, SentCallback, encoded
from kling_mock_server.testing.receivers.forging import (
    MARGIN_S,
    TOLERANCE_S,
    aged,
    body_signed_as,
    other_character,
    resigned,
)

_TASKS: Final = 3
"""Tasks whose callbacks mix."""
_KEPT: Final = 20
"""Callbacks that may be sent again."""
_MAX_AGE_S: Final = 10_000_000
_DIGEST: Final = 42
"""Characters of a signature's Base64 that each change its bytes."""


def generate(make: CallbackMaker, seed: int, n: int, *, is_signed: bool) -> Iterator[SentCallback]:
    """Yield `n` callbacks, of the same kinds in the same order for one seed; ids are new ones each time."""
    source = _Source(make, Random(seed))
    ways = [source.news, source.news, source.again, source.with_fields, source.cut, source.with_odd_value]
    if is_signed:
        ways += [source.with_other_signature, source.with_other_body, source.stale]
    for _ in range(n):
        way: Callable[[], SentCallback] = source.random.choice(ways)
        yield way()


class _Source:
    def __init__(self, make: CallbackMaker, random: Random) -> None:
        self.make = make
        self.random = random
        self.tasks = [make.new_task() for _ in range(_TASKS)]
        self.sent: list[SentCallback] = []

    def news(self) -> SentCallback:
        """A task has any status, whatever it had before."""
        one = self.make.callback("order", "a status comes in a random order", self._state())
        self.sent = [*self.sent[-_KEPT:], one]
        return one

    def again(self) -> SentCallback:
        """One of those before comes again."""
        if not self.sent:
            return self.news()
        return self.random.choice(self.sent)._replace(check="repeated", says="a callback comes a second time")

    def with_fields(self) -> SentCallback:
        """An object has a member more."""
        value = self._state()
        place = self.random.choice([value, *(member for member in value.values() if isinstance(member, dict))])
        place[f"x_{self.random.randrange(10**6)}"] = self._any()
        return self.make.callback("unknown-fields", "an object has a member more", value)

    def cut(self) -> SentCallback:
        """The body ends too early."""
        body = encoded(self._state())
        at = self.random.randrange(len(body))
        return self.make.callback("wrong-json", f"the body ends after {at} bytes", body[:at])

    def with_odd_value(self) -> SentCallback:
        """A member is any JSON value."""
        value = self._state()
        name = self.random.choice(list(value))
        value[name] = self._any()
        return self.make.callback("odd-values", f"{name} is {json.dumps(value[name])[:40]}", value)

    def with_other_signature(self) -> SentCallback:
        """One character of the signature is another."""
        at = self.random.randrange(_DIGEST)
        sign = resigned(lambda signature: other_character(signature, at))
        return self._signed("signature-wrong", f"character {at + 1} of its signature is another", sign)

    def with_other_body(self) -> SentCallback:
        """One bit of the signed body is another."""
        body = encoded(self._state())
        at, bit = self.random.randrange(len(body)), 1 << self.random.randrange(8)
        sign = body_signed_as(lambda sent: sent[:at] + bytes([sent[at] ^ bit]) + sent[at + 1 :])
        return self.make.callback("signature-wrong", f"byte {at + 1} of the signed body is another", body, sign=sign)

    def stale(self) -> SentCallback:
        """It was signed long ago, or is from the future."""
        age_s = self.random.randrange(TOLERANCE_S + MARGIN_S, _MAX_AGE_S) * self.random.choice((1, -1))
        says = f"it was signed {age_s} s ago" if age_s > 0 else f"its timestamp is {-age_s} s ahead"
        return self._signed("signature-stale", says, aged(age_s))

    def _signed(self, check: str, says: str, sign: Any) -> SentCallback:
        return self.make.callback(check, says, self._state(), sign=sign)

    def _state(self) -> dict[str, Any]:
        return deepcopy(self.make.state(self.random.choice(self.tasks), self.random.choice(STATUSES)))

    def _any(self, depth: int = 0) -> Any:
        scalars: list[Any] = [None, True, 0, -1, 2**53 + 1, 0.5, "", "文本", "x" * 300]
        if depth > 2 or self.random.random() < 0.6:
            return self.random.choice(scalars)
        inner = [self._any(depth + 1) for _ in range(self.random.randrange(3))]
        return inner if self.random.random() < 0.5 else {f"m{index}": one for index, one in enumerate(inner)}
