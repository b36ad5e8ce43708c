"""Ratios of CPU time, taken in turn within one run: other people's load inflates both sides alike."""

import gc
import re
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what was measured, the figure, the most it may be, and its unit."""

    name: str
    value: float
    target: float
    unit: str = "x"

    @property
    def met(self):
        return self.value <= self.target


def cpu_of(call: Callable[[], object], times: int, clock: Callable[[], float] = time.process_time) -> float:
    """Return the CPU seconds of `times` calls, or those of another clock."""
    gc.collect()
    start = clock()
    for _ in range(times):
        call()
    return clock() - start


def cpu_of_run(command, **options) -> float:
    """Return the CPU seconds of one run of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


COUNTING: Final = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
"""Prefix of a command whose instructions are counted."""


def can_count() -> bool:
    """Tell whether instructions can be counted here: no load adds to them."""
    return bool(shutil.which(COUNTING[0]))


def cost_of_run(command, **options) -> float:
    """Return the cost of one run of a command: millions of instructions, or CPU seconds without valgrind."""
    if not can_count():
        return cpu_of_run(command, **options)
    done = subprocess.run([*COUNTING, *command], check=True, capture_output=True, text=True, **options)
    return counted(done.stderr)


def counted(log: str) -> float:
    """Return the millions of instructions that valgrind's log tells."""
    return int(re.search(r"Collected : (\d+)", log)[1]) / 1e6


def ratio(
    candidate: Callable[[], object],
    base: Callable[[], object],
    times: int,
    rounds: int = 15,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Return the median over rounds of the candidate's CPU time, or time by another clock, by the base's, in turn."""
    cpu_of(candidate, times // 5 + 1), cpu_of(base, times // 5 + 1)
    return statistics.median(cpu_of(candidate, times, clock) / cpu_of(base, times, clock) for _ in range(rounds))
