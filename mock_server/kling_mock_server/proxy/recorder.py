"""A HAR that is whole after every exchange, whatever happens to the process or to the disk."""

import json
import os
import threading
from pathlib import Path
from typing import Any, Final

from kling_mock_server.recordings.har import HEAD

_TAIL: Final = b"\n]}}\n"


class Recorder:
    """Writes exchanges, redacted already, to a new file. It may be shared by threads.

    Raises `OSError` where the file cannot be made, `FileExistsError` where it is there: a recording may have cost
    money, and is never written over.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.count = 0
        """Exchanges that are in the file."""
        self.failure = ""
        """Why nothing is written any more; empty while all is well."""
        self._lock = threading.Lock()
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        head = f'{{"log": {HEAD}, "entries": ['.encode()
        try:
            self._end = _write(self._descriptor, head + _TAIL, 0) - len(_TAIL)
        except OSError:
            os.close(self._descriptor)
            self.file.unlink()
            raise

    def add(self, entry: dict[str, Any]) -> bool:
        """Append one exchange; return False where that failed, now or before. The file stays readable."""
        text = ("," if self.count else "") + "\n" + json.dumps(entry, ensure_ascii=False)
        data = text.encode("utf-8", "backslashreplace")
        with self._lock:
            if self.failure:
                return False
            try:
                end = _write(self._descriptor, data + _TAIL, self._end) - len(_TAIL)
            except OSError as error:
                self.failure = error.strerror or str(error)
                self._restore()
                return False
            self._end, self.count = end, self.count + 1
            return True

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self.failure = self.failure or "it is closed"
            os.close(self._descriptor)

    def _restore(self) -> None:
        """Cut off what was written of an exchange, and end the log again: the place of its end is still ours."""
        os.ftruncate(self._descriptor, self._end)
        _write(self._descriptor, _TAIL, self._end)


def _write(descriptor: int, data: bytes, start: int) -> int:
    """Write all of `data` at a place of a file; return the place after it."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, start)
        start, view = start + written, view[written:]
    return start
