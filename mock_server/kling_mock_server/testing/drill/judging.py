"""Judges what a client did under one scenario, by the journal of its account."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple
from urllib.parse import unquote

from kling_mock_server.protocol.names import CALLBACK, CREATE, DOWNLOAD, QUERY
from kling_mock_server.state.journal import Entry
from kling_mock_server.testing.drill.answers import (
    Codes,
    can_pass_later,
    external_id,
    finds_no_task,
    is_final,
    is_good,
    is_of_account,
    is_prompt,
    is_refusal,
    retry_after_s,
    short_answer,
    tells_end,
    wanted,
)
from kling_mock_server.testing.drill.clients import stop_after_s

MAX_REQUESTS: Final = 50
"""The most requests of one run, without polls that were told to wait."""
MAX_POLLS: Final = 50
"""The most polls of a running task within any `POLLS_WITHIN_MS`: more are a loop without a pause."""
POLLS_WITHIN_MS: Final = 10_000
NO_IDS: Final = ("", "undefined", "null", "None", "nil", "NaN", "[object Object]")
"""Texts that programs put into a path when they have no id."""
MAX_EARLY_QUERIES: Final = 1
"""Queries of a task after its end was told: one function may poll, and another fetch the result."""
MAX_NOT_FOUND: Final = 10
"""Queries of one task that find nothing; a fresh one may take a moment."""
MAX_LINKS: Final = 5
"""Downloads of one file that are refused; the link may be asked for again."""
CLOCK_MS: Final = 50
"""How much shorter than it was a pause may seem."""
STRETCH_MS: Final = 250
"""How much longer than it was a pause may seem, on a busy machine."""
JITTER: Final = 0.5
"""A pause may be this much of the one before it: chance is part of a good back-off."""
MIN_RETRIES: Final = 3
"""Fewer do not show whether pauses grow."""


class Reason(NamedTuple):
    """Why a client did badly: the id of the rule it broke, and how."""

    rule: str
    says: str


class Run(NamedTuple):
    """The behaviour of a client under one scenario."""

    entries: tuple[Entry, ...]
    """The journal of its account, oldest first."""
    status: int | None
    """Its exit status; None where it had to be stopped."""
    limit_s: float
    """After so many seconds it is stopped."""

    @property
    def outcome(self) -> str:
        """Say in a few words how it ended."""
        if self.status is None:
            return "timed out"
        if self.status != 0:
            return "gave up"
        return "got the video" if has_video(self.entries) else "got no video"


def collect_reasons(run: Run, expects: str, codes: Codes) -> tuple[Reason, ...]:
    """Return why the client did badly, one reason a rule at most; empty where it did well.

    `expects` is what the scenario says of a good client: `succeeds`, `gives-up` or `either`. `codes` are those of the
    contract.
    """
    entries = [entry for entry in run.entries if entry.operation != CALLBACK]
    found = [Reason(rule, next(broken(entries, codes), "")) for rule, broken in _OF_JOURNAL.items()]
    found += [Reason("ends", _endless(run, entries))]
    if not way_out(run, expects, codes):
        found += [Reason("outcome", _wrong_end(run, expects))]
    return tuple(reason for reason in found if reason.says)


def way_out(run: Run, expects: str, codes: Codes) -> str:
    """Return how a client could go on that stopped where it cannot know whether its task exists; else nothing.

    To stop there is safe: without an external task id it could only pay twice.
    """
    creates = _of(CREATE, run.entries)
    if (run.outcome, expects) != ("gave up", "succeeds") or not creates:
        return ""
    last = creates[-1]
    in_doubt = not is_good(last) and not is_refusal(last, codes) and not external_id(last)
    return f"stopped safely after {short_answer(last)}: {_WAY_OUT}" if in_doubt else ""


def has_video(entries: Sequence[Entry]) -> bool:
    """Return whether a result was sent in full, or up to its last byte."""
    return any(_is_full_download(entry) for entry in entries)


def _is_full_download(entry: Entry) -> bool:
    if entry.operation != DOWNLOAD or entry.method != "GET" or "/results/" not in entry.path:
        return False
    part, _, size = str(entry.details.get("range", "")).partition("/")
    reaches_end = not size.isdecimal() or part.endswith(f"-{int(size) - 1}")
    return is_good(entry) and reaches_end


def _pays_twice(entries: Sequence[Entry], codes: Codes) -> Iterator[str]:
    first: Entry | None = None
    for entry in _of(CREATE, entries[: _over(entries)]):
        if first is None:
            first = None if is_refusal(entry, codes) else entry
        elif not external_id(first) or external_id(entry) != external_id(first):
            after = "the task was accepted" if is_good(first) else short_answer(first)
            way_out = "query by it" if external_id(first) else _WAY_OUT
            yield f"created again after {after}, without the same external_task_id: may pay twice; {way_out}"


def _ignores_retry_after(entries: Sequence[Entry], _: Codes) -> Iterator[str]:
    for asked in _by(entries, _operations(entries)):
        for entry, after in pairwise(asked):
            seconds = retry_after_s(entry)
            if after.at_ms - entry.at_ms < seconds * 1000 - CLOCK_MS:
                yield f"sent {entry.operation} again before the {seconds} s of Retry-After were over"


def _backs_off_badly(entries: Sequence[Entry], _: Codes) -> Iterator[str]:
    for asked in _by(entries, _operations(entries)):
        for pauses in _pauses(asked):
            if len(pauses) < MIN_RETRIES:
                continue
            if pauses[-1] < CLOCK_MS:
                yield f"retried {asked[0].operation} again and again without a pause"
            elif any(late < early * JITTER - STRETCH_MS for early, late in pairwise(pauses)):
                yield f"retried {asked[0].operation} after ever shorter pauses"


def _pauses(asked: Sequence[Entry]) -> Iterator[list[int]]:
    """Yield the pauses before the retries of each row of failures that came at once."""
    pauses: list[int] = []
    for entry, after in pairwise(asked):
        if is_good(entry) or not is_prompt(entry) or retry_after_s(entry):
            yield pauses
            pauses = []
        else:
            pauses.append(after.at_ms - entry.at_ms)
    yield pauses


def _retries_in_vain(entries: Sequence[Entry], codes: Codes) -> Iterator[str]:
    for asked in _by(entries, _operations(entries)):
        yield from _in_vain(asked, codes, of_account=True)
    for asked in _by(entries, list(wanted(entries))):
        yield from _in_vain(asked, codes, of_account=False)


def _in_vain(asked: Sequence[Entry], codes: Codes, *, of_account: bool) -> Iterator[str]:
    refused = Counter[int]()
    for entry, after in pairwise(asked):
        # A key that is not valid yet is final, too: a client that knows its clock to be fast makes another.
        final = is_final(entry, codes) or (entry.status == _UNAUTHORIZED and is_refusal(entry, codes))
        refused[entry.code] += final
        judged = final and is_of_account(entry, codes) == of_account
        if judged and not _may_retry(entry, after, refused[entry.code], codes):
            yield f"sent {entry.operation or entry.path} again after {short_answer(entry)}, which no retry changes"


def _may_retry(entry: Entry, after: Entry, times: int, codes: Codes) -> bool:
    """Return whether a request that was refused `times` by now, each time for good, may be sent once more."""
    if entry.operation == DOWNLOAD:
        return times < MAX_LINKS
    if finds_no_task(entry, codes):
        return times < MAX_NOT_FOUND
    # A key that is refused may be replaced by another one, or become valid.
    mended = after.token != entry.token or can_pass_later(entry, codes)
    return entry.status == _UNAUTHORIZED and times <= 1 and mended


def _leaves_end(entries: Sequence[Entry], _: Codes) -> Iterator[str]:
    over = _over(entries)
    looks = 0
    for entry in entries[over:]:
        if entry.operation == CREATE:
            yield f"created again after it was told that the task had {_ended(entries[over - 1])}"
        if entry.operation == DOWNLOAD and not is_good(entry):
            # The task may know a fresh link.
            looks = 0
        looks += tells_end(entry)
        if looks > MAX_EARLY_QUERIES:
            yield f"went on querying after it was told that the task had {_ended(entries[over - 1])}"


def _leaks_key(entries: Sequence[Entry], _: Codes) -> Iterator[str]:
    for entry in _of(DOWNLOAD, entries):
        if entry.token:
            yield "sent its key along with a download, to a host that is not the API's"


def _polls_at_once(entries: Sequence[Entry], _: Codes) -> Iterator[str]:
    polls = _waiting_polls(entries)
    for first, last in zip(polls, polls[MAX_POLLS:], strict=False):
        if last.at_ms - first.at_ms < POLLS_WITHIN_MS:
            seconds = (last.at_ms - first.at_ms) / 1000
            yield f"queried a task under way {MAX_POLLS + 1} times in {seconds:.1f} s: pause between two queries"


def _waiting_polls(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in _of(QUERY, entries) if is_good(entry) and not tells_end(entry)]


def _believes_refusals(entries: Sequence[Entry], codes: Codes) -> Iterator[str]:
    refused: Entry | None = None
    for entry in entries:
        if entry.operation == CREATE:
            refused = entry if not is_good(entry) else None
        elif refused and _asks_for_nothing(entry, refused.path):
            yield f"took {short_answer(refused)} for success, and queried a task without an id ({entry.path})"


def _asks_for_nothing(entry: Entry, path: str) -> bool:
    """Return whether a query, of tasks that are created at `path`, names no task."""
    before, _, name = entry.path.rpartition("/")
    return entry.method == "GET" and before == path and unquote(name) in NO_IDS


_OF_JOURNAL: Final[Mapping[str, Callable[[Sequence[Entry], Codes], Iterator[str]]]] = {
    "pays-twice": _pays_twice,
    "retry-after": _ignores_retry_after,
    "back-off": _backs_off_badly,
    "retry-in-vain": _retries_in_vain,
    "end-is-end": _leaves_end,
    "key-leaks": _leaks_key,
    "polls-at-once": _polls_at_once,
    "refusal-believed": _believes_refusals,
}
"""Each yields how requests break a rule; the first counts."""


def _endless(run: Run, entries: Sequence[Entry]) -> str:
    if run.status is None:
        return f"was still running after {stop_after_s(run.limit_s):g} s and had to be stopped"
    return f"sent more than {MAX_REQUESTS} requests" if _count(entries) > MAX_REQUESTS else ""


def _count(entries: Sequence[Entry]) -> int:
    return len(entries) - len(_waiting_polls(entries))


def _wrong_end(run: Run, expects: str) -> str:
    if run.outcome == "got no video":
        return "claimed success, and had downloaded no whole video"
    if (run.outcome, expects) != ("gave up", "succeeds"):
        return ""
    asked = [entry for entry in run.entries if entry.operation != CALLBACK]
    failed = [entry for entry in asked if not is_good(entry)]
    if failed and failed == asked[-1:]:
        return "gave up at the first failure, though it can pass: never retries"
    return "gave up, and a good client gets the video"


def _over(entries: Sequence[Entry]) -> int:
    """Return how many entries there are up to the one that told the end of the task."""
    return next((number for number, entry in enumerate(entries, 1) if tells_end(entry)), len(entries))


def _ended(entry: Entry) -> str:
    return "failed" if entry.details.get("task_status") == "failed" else "succeeded"


def _of(operation: str, entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.operation == operation]


def _operations(entries: Sequence[Entry]) -> list[str]:
    return [entry.operation for entry in entries]


def _by(entries: Sequence[Entry], keys: Sequence[str]) -> list[list[Entry]]:
    """Return the entries in groups, by a key for each."""
    groups: dict[str, list[Entry]] = {}
    for entry, key in zip(entries, keys, strict=True):
        groups.setdefault(key, []).append(entry)
    return list(groups.values())


_WAY_OUT: Final = "send an external_task_id, then query by it"
_UNAUTHORIZED: Final = 401
