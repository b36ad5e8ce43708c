"""From JSON to scenarios: every mistake is named by its place."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kling_mock_server.failures.scenarios.mistakes import Mistake, mistakes
from kling_mock_server.failures.scenarios.records import Delivery, Fate, Scenario, Step
from kling_mock_server.failures.wire import Wire

if TYPE_CHECKING:
    from kling_contracts.jsonio.keywords import Checker

SCHEMA_FILE: Final = Path(__file__).with_name("scenario.schema.json")


def scenario_from_json(value: Any) -> Scenario:
    """Build a scenario from its JSON form. Raises `ValueError` with one line per mistake."""
    return _scenario(value, "")


def parse_file(text: str | bytes) -> list[Scenario]:
    """Return the scenarios of a YAML or JSON file: one, or a list under the key `scenarios`.

    Raises `ValueError` with one line per mistake.
    """
    from kling_contracts.documents.loading import parse

    try:
        value = parse(text.encode() if isinstance(text, str) else text, "the scenarios")
    except RecursionError:
        raise ValueError("the scenarios: nested too deeply") from None
    if "scenarios" not in value:
        return [scenario_from_json(value)]
    entries = value["scenarios"]
    if not isinstance(entries, list) or len(value) > 1:
        raise ValueError("/: a file holds one scenario, or nothing but a list of them under `scenarios`")
    return _each_once([_scenario(entry, f"/scenarios/{index}") for index, entry in enumerate(entries)])


def _each_once(scenarios: list[Scenario]) -> list[Scenario]:
    names = Counter(scenario.name for scenario in scenarios)
    twice = [f"/scenarios: {count} of them are called {name}" for name, count in names.items() if count > 1]
    if twice:
        raise ValueError("\n".join(twice))
    return scenarios


def _scenario(value: Any, at: str) -> Scenario:
    _refuse(_unfit(value), at)
    scenario = _built(value)
    _refuse(list(mistakes(scenario)), at)
    return scenario


def _refuse(found: list[Mistake], at: str) -> None:
    if found:
        raise ValueError("\n".join(f"{at + pointer or '/'}: {says}" for pointer, says in found))


def _unfit(value: Any) -> list[Mistake]:
    if not isinstance(value, dict):
        return [("", "a scenario is an object with a name and steps")]
    try:
        # The checker lets pass what JSON cannot say where anything goes: NaN, half a surrogate pair.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        return [(fault.pointer, fault.message) for fault in _checker().broken(value)]
    except (TypeError, ValueError, RecursionError) as error:
        return [("", str(error))]


@cache
def _checker() -> "Checker":
    # At first use: most mocks never see a scenario.
    from kling_contracts.jsonio.keywords import Checker

    return Checker(json.loads(SCHEMA_FILE.read_bytes()))


def _built(value: Mapping[str, Any]) -> Scenario:
    return Scenario(**{**_as_integers(value), "steps": tuple(map(_step, value["steps"]))})


def _step(value: Mapping[str, Any]) -> Step:
    built: dict[str, Any] = {name: build(value[name]) for name, build in _BUILDERS.items() if name in value}
    return Step(**{**_as_integers(value), **built})


_BUILDERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "chance": float,
    "numeric": tuple,
    "headers": lambda value: {name: _header(member) for name, member in value.items()},
    "wire": lambda value: Wire(**_as_integers(value)),
    "task": lambda value: Fate(**_as_integers(value)),
    "callbacks": lambda value: tuple(Delivery(**_as_integers(entry)) for entry in value),
}


def _header(value: str | float | None) -> str | None:
    return value if value is None or isinstance(value, str) else str(int(value))


def _as_integers(value: Mapping[str, Any]) -> dict[str, Any]:
    # The schema admits 1.0 as an integer.
    return {name: int(member) if isinstance(member, float) else member for name, member in value.items()}
