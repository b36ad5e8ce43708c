"""Which step takes a call: a pure function of the scenario and of what it took before."""

import hashlib
from collections.abc import Sequence

from kling_mock_server.failures.scenarios.records import ALWAYS, Scenario, Step

Progress = Sequence[Sequence[int]]
"""Per step: how many calls reached it, and how many it took. JSON; an empty one is that of a fresh scenario."""


def next_step(scenario: Scenario, progress: Progress, call: str, running: int) -> tuple[Progress, Step | None]:
    """Return the step that takes a call, None where it gets a good answer, and the progress from there.

    `call` is the short name of an operation, or `download`; `running` is how many tasks of the account are running.
    """
    for index, step in enumerate(scenario.steps):
        reached, taken = progress[index] if index < len(progress) else (0, 0)
        if step.call != call or _spent(step, taken) or (step.while_running and not running):
            continue
        if reached < step.skip:
            return _counted(scenario, progress, index, reached + 1, taken), None
        if _falls(scenario.seed, index, reached, step.chance):
            return _counted(scenario, progress, index, reached + 1, taken + 1), step
        progress = _counted(scenario, progress, index, reached + 1, taken)
    return progress, None


def _spent(step: Step, taken: int) -> bool:
    return step.times != ALWAYS and taken >= step.times


def _falls(seed: int, index: int, reached: int, chance: float) -> bool:
    if chance == 1:
        return True
    # Not `hash` and not `random`: the same on every machine, in every process and version.
    digest = hashlib.blake2b(f"{seed} {index} {reached}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) < chance * 2**56


def _counted(scenario: Scenario, progress: Progress, index: int, reached: int, taken: int) -> Progress:
    counts = [*progress, *[(0, 0)] * (len(scenario.steps) - len(progress))]
    return (*counts[:index], (reached, taken), *counts[index + 1 :])
