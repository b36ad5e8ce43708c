"""Places of rows in queues, and scheduled queues, as members of sorted sets that are in order of their bytes."""

from typing import Final

from kling_mock_server.state.stores.store import QueuePlace
from kling_mock_server.state.stores.text import FAR, bytes_of, name_of

_END: Final = b"\0"
"""After the name of a queue, which is printable."""
_AFTER_ALL: Final = b"\xff"
"""No UTF-8 begins so."""
_DIGITS: Final = 16


def member_of(place: QueuePlace, key: bytes) -> bytes:
    """Return the member for a row: its queue, its number, its key."""
    return beginning_of(place.queue) + b"%0*x" % (_DIGITS, place.number + FAR) + key


def beginning_of(queue: str) -> bytes:
    """Return what every member of a queue begins with."""
    return bytes_of(queue) + _END


def behind(queue: str) -> bytes:
    """Return what comes behind every member of a queue and before those of the next one."""
    return beginning_of(queue) + _AFTER_ALL


def queue_of(member: bytes) -> str:
    """Return the queue of a member."""
    return name_of(member.partition(_END)[0])


def key_of(member: bytes) -> bytes:
    """Return the key of a row whose member this is."""
    return member.partition(_END)[2][_DIGITS:]


def scheduled(queue: str, account: bytes) -> bytes:
    """Return the member for an account's queue in the schedule."""
    return beginning_of(queue) + account


def account_and_queue(member: bytes) -> tuple[str, str]:
    """Return the account and the queue of a member of the schedule."""
    queue, _, account = member.partition(_END)
    return name_of(account), name_of(queue)
