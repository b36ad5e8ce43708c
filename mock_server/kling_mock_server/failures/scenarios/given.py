"""Scenarios as people give them: by a name, in a file, in a header."""

from pathlib import Path
from typing import Final

from kling_mock_server.failures.scenarios.listing import library, named
from kling_mock_server.failures.scenarios.reading import parse_file
from kling_mock_server.failures.scenarios.records import Scenario, Step

_ENDINGS: Final = (".yaml", ".yml", ".json")


def given(text: str) -> list[Scenario]:
    """Return the scenario of that name, or those of the file that a path leads to.

    Raises `ValueError` where there is none of that name, or the file cannot be read or is wrong.
    """
    path = Path(text)
    if text in library() or not (path.suffix in _ENDINGS or path.is_file()):
        return [named(text)]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {text}: {error.strerror}") from None
    try:
        return parse_file(content)
    except ValueError as error:
        raise ValueError(f"{text} holds no scenario:\n{error}") from None


def given_one(text: str) -> Scenario:
    """Return the one scenario that is given. Raises `ValueError`, also where a file holds another number of them."""
    scenarios = given(text)
    if len(scenarios) != 1:
        names = ", ".join(one.name for one in scenarios) or "none"
        raise ValueError(f"{text} must hold one scenario; it holds {names}")
    return scenarios[0]


def step_for(name: str, call: str) -> Step:
    """Return the step by which a scenario that comes with the mock fails a call, however late or rarely it takes one.

    That is the first one that refuses the call or bends its answer below HTTP; where none does, the first of all.

    `call` is the short name of an operation, or `download`. Raises `ValueError` where there is none.
    """
    scenario = named(name)
    steps = [step for step in scenario.steps if step.call == call]
    if not steps:
        calls = ", ".join(dict.fromkeys(step.call for step in scenario.steps))
        raise ValueError(f"scenario {name!r} has no step for {call}; it has some for {calls}")
    return next((step for step in steps if step.replaces or step.wire), steps[0])
