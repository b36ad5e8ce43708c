"""Clients as a drill runs them: a command in a process group of its own, or a callable in a thread."""

import asyncio
import inspect
import os
import select
import signal
import subprocess
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Final, NamedTuple, Self

MAX_OUTPUT: Final = 16 * 1024
"""Bytes of a client's output that are kept: the last ones."""
GRACE: Final = 0.25
MAX_GRACE_S: Final = 10.0
MAX_LAST_WORDS_S: Final = 1.0
"""How long output is waited for after the end; whoever left the process group may still hold the pipe."""
_MAX_PIPE: Final = 1024 * 1024
"""Bytes that a pipe holds at most; Linux gives 64 KiB unless asked for more (pipe(7))."""


def stop_after_s(limit_s: float) -> float:
    """Return after how many seconds a client is stopped: later than its limit, which may be its own deadline, too."""
    return limit_s + min(limit_s * GRACE, MAX_GRACE_S)


class Ended(NamedTuple):
    """How a client ended."""

    status: int | None
    """Its exit status; None where it had to be stopped."""
    output: str
    """The end of what it printed."""


def _without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no proxy stands between a client and this machine, where the mock is."""
    # Clients read one spelling, or the other first.
    own = {name: environment.get(name, "") for name in ("no_proxy", "NO_PROXY")}
    known = own["no_proxy"] or own["NO_PROXY"]
    hosts = ",".join(filter(None, (known, *_THIS_MACHINE)))
    return {**environment, **dict.fromkeys(own, hosts)}


_THIS_MACHINE: Final = ("127.0.0.1", "localhost", "::1")


class Commands:
    """Runs commands, from several threads if need be; leaving the block stops those that still run."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _stop(process)

    def run(self, words: Sequence[str], variables: Mapping[str, str], limit_s: float) -> Ended:
        """Run a command with these environment variables added, and stop it some time after `limit_s` seconds.

        Raises `OSError` where it cannot be started.
        """
        process = self._started(words, {**_without_proxy(os.environ), **variables})
        assert process.stdout is not None, "it is a pipe"
        tail = _Tail(process.stdout)
        status: int | None = None
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(stop_after_s(limit_s))
        _stop(process)
        with self._lock:
            self._running.discard(process)
        return Ended(status, tail.text())

    def _started(self, words: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._stopped:
                raise InterruptedError("the drill was stopped")
            process = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        return process


def run_callable(client: Callable[[str, str], Any], url: str, token: str, limit_s: float) -> Ended:
    """Call a client, awaiting what it returns if need be.

    It fails by raising. One that runs longer than `limit_s` is left to its thread: Python cannot stop it.
    """
    ended: list[Ended] = []

    def work() -> None:
        try:
            result = client(url, token)
            if inspect.isawaitable(result):
                asyncio.run(_awaited(result))
        except SystemExit as leaving:
            ended.append(Ended(_status(leaving.code), ""))
        except BaseException as error:
            ended.append(Ended(1, "".join(traceback.format_exception(error))))
        else:
            ended.append(Ended(0, ""))

    thread = threading.Thread(target=work, name="klingkit drill", daemon=True)
    thread.start()
    thread.join(stop_after_s(limit_s))
    return ended[0] if ended else Ended(None, "")


async def _awaited(result: Any) -> None:
    await result


def _status(code: object) -> int:
    if code is None:
        return 0
    return code if isinstance(code, int) else 1


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process that still runs, and whatever it has started."""
    if process.poll() is None:
        # One that has just ended by itself is still there until somebody waits for it.
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Tail:
    """The last bytes of a stream, read by a thread, so that nobody who writes has to wait."""

    def __init__(self, stream: IO[bytes]) -> None:
        os.set_blocking(stream.fileno(), False)
        self._stream = stream
        self._kept = b""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="klingkit drill output", daemon=True)
        self._thread.start()

    def text(self) -> str:
        self._thread.join(MAX_LAST_WORDS_S)
        # The thread may not have had a turn yet on a busy machine: what the client wrote before its end is there.
        self._take()
        return self._kept.decode("utf-8", "replace").strip()

    def _read(self) -> None:
        ready = select.poll()
        ready.register(self._stream, select.POLLIN)
        while self._take():
            ready.poll()

    def _take(self) -> bool:
        """Keep the last of what the pipe holds; return whether more may come."""
        with self._lock:
            if self._stream.closed:
                return False
            try:
                chunk = os.read(self._stream.fileno(), _MAX_PIPE)
            except BlockingIOError:
                return True
            self._kept = (self._kept + chunk)[-MAX_OUTPUT:]
            if not chunk:
                self._stream.close()
            return bool(chunk)
