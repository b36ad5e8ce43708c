"""One audit from its first case to its result, which an interruption ends early."""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TypeVar

from kling_contracts.audits.audit import Audit, InterruptedAuditError, Progress

T = TypeVar("T")


def run_audit(
    rows: Iterable[T],
    generated: Iterable[T],
    n: int,
    judge: Callable[[T], None],
    result: Callable[[], Audit],
    progress: Progress,
) -> Audit:
    """Judge the rows of the catalogue, then at most `n` generated cases, and return the result.

    `progress` is told after each. Raises `InterruptedAuditError`, with the result so far, at Ctrl-C.
    """
    try:
        first = list(rows)
        total = len(first) + n
        for number, one in enumerate(chain(first, generated), 1):
            judge(one)
            progress(number, total)
        # Fewer than `n` may have been generated: those that say nothing to the audited function are left out.
        progress(total, total)
    except KeyboardInterrupt:
        raise InterruptedAuditError(result()) from None
    return result()
