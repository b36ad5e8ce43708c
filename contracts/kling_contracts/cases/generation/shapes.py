"""The schema's keywords: a member that is missing, of another type, or past a limit, wherever it stands."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kling_contracts.cases.generation.bounds import FARTHEST
from kling_contracts.cases.generation.changes import ABSENT, Change, put, put_by
from kling_contracts.cases.generation.limits import limit_of
from kling_contracts.jsonio.keywords import readable
from kling_contracts.rules.rule import Rule

Path = tuple[str | int, ...]

_VALUES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("null", None, "null"),
    ("boolean", True, "true"),
    ("boolean", False, "false"),
    ("integer", 1, "a whole number"),
    ("integer", 0, "the number 0"),
    ("number", 0.5, "a fraction"),
    ("string", "1", "a number in quotes"),
    ("string", "", "an empty string"),
    ("array", [], "an empty array"),
    ("object", {}, "an empty object"),
)
"""JSON type, value, and what it is called."""
_MOST_ITEMS: Final = 3


def keyword_changes(rule: Rule, rules: Mapping[str, Rule]) -> list[Change]:
    """Return the ways to break a keyword, one of `rules`; none where nobody has thought of one."""
    name, _, keyword = rule.id.rpartition(".")
    if keyword == "type":
        lowest = limit_of(rules.get(f"{name}.minimum"), 0)
        return list(_types(rule, _path(rule.node), lowest))
    ways = _WAYS.get(keyword)
    return list(ways(rule, _path(rule.node))) if ways else []


def _path(node: str) -> Path:
    """`face_choose[].face_id` is looked for in the first item."""
    return tuple(0 if step == "[]" else step for step in re.findall(r"\[\]|[^.\[]+", node))


def _name(path: Path) -> str:
    return readable(path) if path else "The body"


def _types(rule: Rule, path: Path, lowest: int) -> Iterator[Change]:
    """A fraction is above the lowest number, so that it breaks nothing else."""
    wanted = set(re.findall("[a-z]+", rule.statement.partition(":")[2]))
    accepted = wanted | ({"integer"} if "number" in wanted else set())
    for kind, value, name in _VALUES:
        if kind not in accepted:
            chosen = lowest + 0.5 if kind == "number" else value
            yield Change(rule.id, f"{_name(path)} is {name}.", payload=put(*path, value=chosen))


def _required(rule: Rule, path: Path) -> Iterator[Change]:
    missing = (*path, rule.id.rpartition(".")[0])
    yield Change(rule.id, f"{_name(missing)} is missing.", payload=put(*missing, value=ABSENT))


def _minimum(rule: Rule, path: Path) -> Iterator[Change]:
    limit, name = _limit(rule), _name(path)
    lower = put_by(*path, value=lambda by: limit - by)
    yield Change(rule.id, f"{name} is {{}} below its minimum.", payload=lower, farthest=FARTHEST)
    yield Change(rule.id, f"{name} takes more than 64 bits below 0.", payload=put(*path, value=-(2**64)))


def _maximum(rule: Rule, path: Path) -> Iterator[Change]:
    limit, name = _limit(rule), _name(path)
    higher = put_by(*path, value=lambda by: limit + by)
    yield Change(rule.id, f"{name} is {{}} above its maximum.", payload=higher, farthest=FARTHEST)
    yield Change(rule.id, f"{name} takes more than 64 bits.", payload=put(*path, value=2**64))


def _min_items(rule: Rule, path: Path) -> Iterator[Change]:
    limit = _limit(rule)
    says = f"{_name(path)} has {{}} items too few."
    yield Change(rule.id, says, payload=_with_items(path, lambda by: limit - by), farthest=limit)


def _max_items(rule: Rule, path: Path) -> Iterator[Change]:
    limit = _limit(rule)
    says = f"{_name(path)} has {{}} items too many."
    yield Change(rule.id, says, payload=_with_items(path, lambda by: limit + by), farthest=_MOST_ITEMS)


def _with_items(path: Path, count: Callable[[int], int]) -> Callable[[Any, int], Any]:
    (name,) = path

    def change(payload: Any, by: int) -> Any:
        payload[name] = payload[name][:1] * count(by)
        return payload

    return change


def _limit(rule: Rule) -> Any:
    return json.loads(rule.statement.partition(": ")[2])


_WAYS: Final[Mapping[str, Callable[[Rule, Path], Iterator[Change]]]] = {
    "required": _required,
    "minimum": _minimum,
    "maximum": _maximum,
    "minItems": _min_items,
    "maxItems": _max_items,
}
