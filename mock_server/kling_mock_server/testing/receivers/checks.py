"""The checks on a receiver of callbacks: what each of them sends, what a right answer is, and why."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

RightAnswer = Literal["2xx", "4xx", "2xx or 4xx"]
"""The statuses that are right; a 5xx, a redirect and no answer in time never are."""

TAKEN: Final = "2xx"
REFUSED: Final = "4xx"
ANSWERED: Final = "2xx or 4xx"


class ReceiverCheck(NamedTuple):
    """One thing that a receiver must do right."""

    id: str
    right: RightAnswer
    title: str
    """The callbacks that it sends, in a few words."""
    why: str
    """Why the answer matters."""
    is_signed: bool = False
    """Whether it needs a webhook secret."""


_CHECKS: Final = (
    ReceiverCheck("good", TAKEN, "a callback as it is documented", "Anything but 2xx is sent again."),
    ReceiverCheck(
        "order", TAKEN, "callbacks in another order", "An older status may come late; it is no news, and no error."
    ),
    ReceiverCheck(
        "repeated",
        TAKEN,
        "a callback that was taken before",
        "It is sent again where an answer was lost; anything but 2xx has it sent again and again.",
    ),
    ReceiverCheck("late", TAKEN, "a callback long after the task changed", "It is sent again until it is taken."),
    ReceiverCheck("unknown-status", TAKEN, "a status that is not documented", "The vendor may add one at any time."),
    ReceiverCheck("unknown-fields", TAKEN, "fields that are not documented", "The vendor may add some at any time."),
    ReceiverCheck("optional-fields", TAKEN, "a callback without its optional fields", "They may be left out."),
    ReceiverCheck(
        "spelling",
        TAKEN,
        "the same JSON and headers, written in another way",
        "Members have no order, JSON may hold white space and escapes, and names of headers have no case. A signature "
        "is over the bytes that came, so they must not be decoded and written again before it is checked.",
    ),
    ReceiverCheck(
        "signature-several",
        TAKEN,
        "a good signature among others",
        "While a secret is being changed every callback is signed with both; a later version may stand beside v1.",
        is_signed=True,
    ),
    ReceiverCheck(
        "signature-in-time",
        TAKEN,
        "a signature made some minutes ago, or by a clock that is ahead",
        "Standard Webhooks allows 5 minutes: no two clocks agree, and a callback may wait in a queue.",
        is_signed=True,
    ),
    ReceiverCheck(
        "signature-missing",
        REFUSED,
        "a callback that is not signed",
        "Anybody who knows the URL can send it.",
        is_signed=True,
    ),
    ReceiverCheck(
        "signature-wrong",
        REFUSED,
        "a callback whose signature is not that of its id, time and body",
        "Anybody who knows the URL can send it, or change what others have signed.",
        is_signed=True,
    ),
    ReceiverCheck(
        "signature-stale",
        REFUSED,
        "a good signature from long ago, or from the future",
        "Whoever has recorded a callback could send it again at any time.",
        is_signed=True,
    ),
    ReceiverCheck(
        "timestamp-broken",
        REFUSED,
        "a signed timestamp that is no time",
        "It says nothing of when the callback was signed.",
        is_signed=True,
    ),
    ReceiverCheck(
        "wrong-json",
        REFUSED,
        "a body that is not a JSON object",
        "What cannot be read is not taken; after a 2xx it is not sent again, and the news is lost.",
    ),
    ReceiverCheck(
        "odd-values",
        ANSWERED,
        "a JSON object with values that no callback has",
        "Whatever is sent, a receiver stays up and answers.",
    ),
)

CHECKS: Final[Mapping[str, ReceiverCheck]] = MappingProxyType({check.id: check for check in _CHECKS})
"""The checks by id, in the order in which they are reported."""
