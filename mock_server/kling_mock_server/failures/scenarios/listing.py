"""The scenarios that come with the mock: as records, as JSON, as text and as Markdown."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from kling_contracts.rule_table import markdown_row
from kling_mock_server.failures.scenarios.reading import parse_file, scenario_from_json
from kling_mock_server.failures.scenarios.records import Scenario

_LIBRARY: Final = Path(__file__).with_name("library.yaml")


@cache
def library() -> Mapping[str, Scenario]:
    """Return the scenarios by name, in the order of their file, which is read at the first call."""
    return MappingProxyType({scenario.name: scenario for scenario in parse_file(_LIBRARY.read_bytes())})


def named(name: str) -> Scenario:
    """Return the scenario of that name. Raises `ValueError` with the nearest names where there is none."""
    if name in library():
        return library()[name]
    near = get_close_matches(name, library(), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`klingkit scenarios` lists them"
    raise ValueError(f"there is no scenario {name!r}; {hint}")


def chosen(value: Any) -> Scenario:
    """Return the scenario that `{"name": ...}` names or, with steps, the one that it is. Raises `ValueError`."""
    if isinstance(value, dict) and value.keys() == {"name"} and isinstance(value["name"], str):
        return named(value["name"])
    return scenario_from_json(value)


def scenario_rows() -> list[dict[str, Any]]:
    """Return one JSON object a scenario."""
    return [scenario.to_json() for scenario in library().values()]


def scenario_text() -> str:
    """Return the list for a terminal."""
    return "\n\n".join(f"{one.name}  ({one.expects})\n  {one.about}" for one in library().values())


def scenario_markdown() -> str:
    """Return the list as Markdown."""
    head = ["| scenario | what happens | a good client |", "| --- | --- | --- |"]
    return "\n".join([*head, *map(_markdown, library().values())])


def _markdown(scenario: Scenario) -> str:
    cells = (f"`{scenario.name}`", scenario.about, _EXPECTED[scenario.expects])
    return markdown_row(*cells)


_EXPECTED: Final = {"succeeds": "gets the video", "gives-up": "stops and says why", "either": "may do either"}
