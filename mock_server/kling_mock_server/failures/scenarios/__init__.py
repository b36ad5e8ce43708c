"""Failure on purpose: named lists of steps, which call each step takes, and what becomes of its answer.

    reading    JSON and files to scenarios; mistakes.py names what a schema cannot
    progress   which step takes a call
    answering  what a step makes of an answer, and of the body of a callback
    listing    the scenarios that come with the mock
    given      scenarios as people give them: by a name, in a file, in a header

Nothing here knows accounts, stores or sockets.
"""

from kling_mock_server.failures.scenarios.answering import answered, carried_out, delivered
from kling_mock_server.failures.scenarios.given import given, given_one, step_for
from kling_mock_server.failures.scenarios.listing import chosen, library, named
from kling_mock_server.failures.scenarios.progress import Progress, next_step
from kling_mock_server.failures.scenarios.reading import parse_file, scenario_from_json
from kling_mock_server.failures.scenarios.records import Delivery, Fate, Scenario, Step

__all__ = [
    "Delivery",
    "Fate",
    "Progress",
    "Scenario",
    "Step",
    "answered",
    "carried_out",
    "chosen",
    "delivered",
    "given",
    "given_one",
    "library",
    "named",
    "next_step",
    "parse_file",
    "scenario_from_json",
    "step_for",
]
