"""Fuzzing a receiver of callbacks: good and precisely broken ones are sent, and each answer is judged."""

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from kling_contracts import Contract
from kling_contracts.audits.audit import INTERRUPTED
from kling_mock_server.outgoing.hosts import is_loopback
from kling_mock_server.outgoing.webhooks import TIMEOUT_S, Attempt, key_of, post
from kling_mock_server.testing.receivers.callbacks import CallbackMaker, SentCallback
from kling_mock_server.testing.receivers.catalogue import catalogue
from kling_mock_server.testing.receivers.checks import ANSWERED, CHECKS, REFUSED, TAKEN
from kling_mock_server.testing.receivers.generating import generate

__all__ = ["ReceiverAudit", "ReceiverError", "ReceiverOptions", "WrongAnswer", "fuzz_receiver"]

MAX_LOST: Final = 5
"""Callbacks in a row without any answer after which a receiver is left alone."""
MAX_KEPT: Final = 50
"""Wrong answers of one check that are kept with what was sent."""
DEFAULT_N: Final = 200
"""Generated callbacks after the catalogue."""

Progress = Callable[[int, int | None], None]
"""Told how many callbacks are done, and of how many; None where the time decides."""


class ReceiverOptions(NamedTuple):
    """How a receiver is attacked."""

    secrets: tuple[str, ...] = ()
    """The receiver's webhook secrets; without any nothing is signed, and no forged callback is sent."""
    n: int | None = DEFAULT_N
    """How many generated callbacks follow the catalogue; None: as many as `time_s` allows."""
    seed: int = 0
    time_s: float | None = None
    only_invalid: bool = False
    """Send only what must be refused."""
    allow_valid: bool = False
    """Send good callbacks to a receiver elsewhere, too."""
    ignore: Collection[str] = ()
    """Checks that are left out."""
    rules: Collection[str] = ()
    """The checks to make; empty: all."""
    timeout_s: float = TIMEOUT_S
    """How long one answer may take."""


class WrongAnswer(NamedTuple):
    """An answer that is not right."""

    callback: SentCallback
    attempt: Attempt
    sent_at_s: int
    """Unix time in s at which the callback was signed."""

    @property
    def says(self) -> str:
        """The answer, in a few words."""
        return f"answered {self.attempt.status}" if self.attempt.status else self.attempt.error


class ReceiverAudit(NamedTuple):
    """The result of a run."""

    url: str
    sent: dict[str, int]
    """Callbacks sent, by check."""
    wrong: dict[str, list[WrongAnswer]]
    """The first wrong answers by check, in order; a check that is not here has none."""
    failed: dict[str, int]
    """How many wrong answers there were, by check."""
    left_out: dict[str, str]
    """Checks that were not made, with the reason."""
    secrets: tuple[str, ...]
    stopped: str = ""
    """Why the run ended early; empty where it did not."""


class ReceiverError(ValueError):
    """The receiver cannot be fuzzed at all; the message is for whoever started it."""


_DEFAULT: Final = ReceiverOptions()


def fuzz_receiver(
    url: str,
    options: ReceiverOptions = _DEFAULT,
    *,
    contract: Contract | None = None,
    progress: Progress | None = None,
) -> ReceiverAudit:
    """Send callbacks to a receiver and judge its answers; what it makes of a callback is not seen.

    Raises `ReceiverError` where the receiver is not on this machine and neither `only_invalid` nor `allow_valid` is
    chosen, before anything is sent, and where nothing answers; `ValueError` where a secret is none, a check is not
    known, or the contract's documents show no task.
    """
    _refuse_options(url, options)
    run = _ReceiverRun(url, CallbackMaker(contract or Contract.load()), options)
    return run.run(progress)


def _refuse_options(url: str, options: ReceiverOptions) -> None:
    unknown = [check for check in (*options.ignore, *options.rules) if check not in CHECKS]
    if unknown:
        raise ReceiverError(f"there is no check {unknown[0]!r} of receivers; there are: {', '.join(CHECKS)}")
    for one in options.secrets:
        key_of(one)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ReceiverError(f"{url} cannot be read: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ReceiverError(f"{url} is not an http(s) URL")
    if "@" in parts.netloc:
        raise ReceiverError("the URL holds credentials, which callbacks never carry: take out all before the @")
    if not (is_loopback(host) or options.only_invalid or options.allow_valid):
        raise ReceiverError(
            f"{host} is not this machine, and a callback that it takes may change real data there; nothing was sent. "
            "--only-invalid sends nothing that should be taken, --allow-valid sends everything"
        )


class _ReceiverRun:
    def __init__(self, url: str, make: CallbackMaker, options: ReceiverOptions) -> None:
        self.url = url
        self.make = make
        self.options = options
        self.lost = 0
        self.sent: dict[str, int] = {}
        self.wrong: dict[str, list[WrongAnswer]] = {}
        self.failed: dict[str, int] = {}
        self.left_out = _left_out(options)
        self.ends_at = None if options.time_s is None else time.monotonic() + options.time_s

    def run(self, progress: Progress | None) -> ReceiverAudit:
        """Send everything, unless there is a reason to stop."""
        callbacks = [one for one in self._catalogue() if one.check not in self.left_out]
        total = None if self.options.n is None else len(callbacks) + self.options.n
        stopped = ""
        try:
            for number, one in enumerate(chain(callbacks, self._generated()), 1):
                if one.check not in self.left_out:
                    self._send(one)
                stopped = self._reason_to_stop()
                if stopped:
                    break
                if progress:
                    progress(number, total)
        except KeyboardInterrupt:
            stopped = INTERRUPTED
        return ReceiverAudit(self.url, self.sent, self.wrong, self.failed, self.left_out, self.options.secrets, stopped)

    def _catalogue(self) -> Iterator[SentCallback]:
        return catalogue(self.make, is_signed=bool(self.options.secrets))

    def _generated(self) -> Iterator[SentCallback]:
        n = _ENDLESS if self.options.n is None else self.options.n
        return generate(self.make, self.options.seed, n, is_signed=bool(self.options.secrets))

    def _send(self, callback: SentCallback) -> None:
        now_s = time.time_ns() // 1_000_000_000
        headers = callback.headers_now(self.options.secrets, now_s)

        def send(_: int) -> Attempt:
            return post(self.url, callback.body, headers, self.options.timeout_s)

        if callback.at_once == 1:
            attempts = [send(0)]
        else:
            with ThreadPoolExecutor(callback.at_once) as pool:
                attempts = list(pool.map(send, range(callback.at_once)))
        for attempt in attempts:
            self._judge(callback, attempt, now_s)

    def _judge(self, callback: SentCallback, attempt: Attempt, now_s: int) -> None:
        if not (self.sent or attempt.status or attempt.error.startswith("no answer within")):
            raise ReceiverError(f"nothing answers at {self.url}: {attempt.error}")
        self.lost = 0 if attempt.status else self.lost + 1
        self.sent[callback.check] = self.sent.get(callback.check, 0) + 1
        if not is_right(callback, attempt):
            self.failed[callback.check] = self.failed.get(callback.check, 0) + 1
            kept = self.wrong.setdefault(callback.check, [])
            if len(kept) < MAX_KEPT:
                kept.append(WrongAnswer(callback, attempt, now_s))

    def _reason_to_stop(self) -> str:
        if self.ends_at is not None and time.monotonic() > self.ends_at:
            return "the time is over"
        return f"{MAX_LOST} callbacks in a row were not answered" if self.lost >= MAX_LOST else ""


def is_right(callback: SentCallback, attempt: Attempt) -> bool:
    """Return whether an answer is right for what was sent."""
    kinds = {TAKEN: (2,), REFUSED: (4,), ANSWERED: (2, 4)}
    return attempt.status // 100 in kinds[CHECKS[callback.check].right]


def _left_out(options: ReceiverOptions) -> dict[str, str]:
    left_out: dict[str, str] = {}
    for check in CHECKS.values():
        if check.id in options.ignore or (options.rules and check.id not in options.rules):
            left_out[check.id] = "it was asked to be left out"
        elif options.only_invalid and check.right != REFUSED:
            left_out[check.id] = "only what must be refused was sent"
        elif check.is_signed and not options.secrets:
            left_out[check.id] = "nothing was signed, nor forged; --webhook-secret is what the receiver knows"
    return left_out


_ENDLESS: Final = 10**12
