"""A file that others may delete or overwrite while this process uses it: SQLite alone would go on with what is gone."""

import logging
import os
import time
from typing import Final, NoReturn

from kling_mock_server.state.stores.store import StoreDownError

_LOG: Final = logging.getLogger("klingkit")
_FRESH_S: Final = 0.001
"""How long a look serves those who only read: a call reads several times."""


class FileWatch:
    """Notices what happens to a file, each time it is asked, for the price of one `stat`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = os.stat(path)
        self._looked_s = -_FRESH_S
        self._told: set[str] = set()

    def written(self) -> os.stat_result | None:
        """Return the state of the file where it was written since `accept`; None where it was not.

        Raises `StoreDownError` where it was deleted, replaced by another file, or cut.
        """
        # Before the look: another thread may accept meanwhile what was written after it.
        seen = self._seen
        try:
            found = os.stat(self._path)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self.fail("deleted")
            self.fail("taken away", f" ({error.strerror})")
        if (found.st_dev, found.st_ino) != (seen.st_dev, seen.st_ino):
            self.fail("replaced by another")
        if found.st_size < seen.st_size:
            # SQLite makes a file larger, never smaller.
            self.fail("overwritten")
        if found.st_mtime_ns != seen.st_mtime_ns:
            return found
        self._looked_s = time.monotonic()
        return None

    def written_of_late(self) -> os.stat_result | None:
        """Return the same, without a look where the last one found nothing and is less than a ms ago."""
        return None if time.monotonic() - self._looked_s < _FRESH_S else self.written()

    def accept(self, found: os.stat_result) -> None:
        """Take what was written for what this process and others like it write."""
        self._seen = found

    def fail(self, happened: str, why: str = "") -> NoReturn:
        """Log what happened to the file, once for each thing that may, and raise `StoreDownError`."""
        self._looked_s = -_FRESH_S
        name = os.path.basename(self._path)
        message = f"the store's file {name} was {happened} while the mock ran{why}: put it back, or start the mock anew"
        if happened not in self._told:
            self._told.add(happened)
            _LOG.error(message)
        raise StoreDownError(message)
