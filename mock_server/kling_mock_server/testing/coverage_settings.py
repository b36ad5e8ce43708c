"""The settings of rule coverage in a project's pyproject.toml: `[tool.klingkit.coverage]`."""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

TABLE: Final = "tool.klingkit.coverage"


class CoverageSettings(NamedTuple):
    """The settings of a suite."""

    exclude: tuple[str, ...] = ()
    """Ids of rules, or patterns with `*` and `?`, that do not count."""
    fail_under: float | None = None
    """The per cent of both sides below which the suite fails; None: it does not."""


def read_settings(file: Path) -> CoverageSettings:
    """Return the settings of a pyproject.toml; the defaults where there is none.

    Raises `ValueError` where the table cannot be understood.
    """
    if not file.is_file():
        return CoverageSettings()
    try:
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    ours = tool.get("klingkit", {}) if isinstance(tool, dict) else {}
    _refuse_unknown(file, "tool.klingkit", ours, ("coverage",))
    table = ours.get("coverage", {})
    _refuse_unknown(file, TABLE, table, CoverageSettings._fields)
    return CoverageSettings(_exclude(file, table), _fail_under(file, table))


def _refuse_unknown(file: Path, table: str, value: Any, known: Iterable[str]) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{file}: [{table}] is no table")
    for name in value:
        if name not in known:
            near = get_close_matches(name, list(known), n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"{file}: [{table}] has no {name}; {hint}")


def _exclude(file: Path, table: Mapping[str, Any]) -> tuple[str, ...]:
    value = table.get("exclude", [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{file}: [{TABLE}] exclude is a list of rule ids; this is {value!r}")
    return tuple(value)


def _fail_under(file: Path, table: Mapping[str, Any]) -> float | None:
    value = table.get("fail_under")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError(f"{file}: [{TABLE}] fail_under is a number of per cent from 0 to 100; this is {value!r}")
    return value
