"""The names of keys in Redis."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from kling_mock_server.state.stores.text import bytes_of

FORMAT_KEY: Final = "klingkit:format"
"""Which version of klingkit writes here."""
SECRET_KEY: Final = "klingkit:secret"
"""A random secret that the processes share."""
SCHEDULE_KEY: Final = "klingkit:schedule"
"""A sorted set of queues and their accounts, by the time for which they are scheduled."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one account. The braces keep them together wherever keys are spread."""

    account: bytes
    prefix: str

    @property
    def lock(self) -> str:
        """Held by one change at a time."""
        return self.prefix + "lock"

    @property
    def meta(self) -> str:
        """A hash: how many rows tables hold and have dropped, the number of the newest row, when all this ends, and the
        version, which is the token of the last change."""
        return self.prefix + "meta"

    def rows(self, table: str) -> str:
        """Return the key of a hash: the rows of a table."""
        return f"{self.prefix}rows:{table}"

    def order(self, table: str) -> str:
        """Return the key of a sorted set: the rows' keys, the oldest first."""
        return f"{self.prefix}order:{table}"

    def places(self, table: str) -> str:
        """Return the key of a sorted set: the rows' places in queues."""
        return f"{self.prefix}places:{table}"

    def of_table(self, table: str) -> tuple[str, str, str]:
        """Return every key of a table."""
        return self.rows(table), self.order(table), self.places(table)


@lru_cache
def keys_of(account: str) -> Keys:
    """Return the keys of an account; its name is escaped in them, as in a URL."""
    name = bytes_of(account)
    return Keys(name, f"klingkit:{{{quote(name, safe='')}}}:")
