"""The schema's keywords: a member that is missing, of another type, or past a limit, wherever it stands."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kling_contracts.generation.changes import ABSENT, Change, put, put_by
from kling_contracts.keywords import readable
from kling_contracts.rules import Rule

Path = tuple[str | int, ...]

_VALUES: Final = (
    ("null", None, "null"),
    ("boolean", True, "true"),
    ("boolean", False, "false"),
    ("integer", 1, "a whole number"),
    ("integer", 0, "the number 0"),
    ("number", 1.5, "a fraction"),
    ("string", "1", "a number in quotes"),
    ("string", "", "an empty string"),
    ("array", [], "an empty array"),
    ("object", {}, "an empty object"),
)
"""JSON type, value, and what it is called."""
_MOST_ITEMS: Final = 3


def keyword_changes(rule: Rule) -> list[Change]:
    """Return the ways to break a keyword; none where nobody has thought of one."""
    ways = _WAYS.get(rule.id.rpartition(".")[2])
    return list(ways(rule, _path(rule.node))) if ways else []


def _path(node: str) -> Path:
    """`face_choose[].face_id` is looked for in the first item."""
    return tuple(0 if step == "[]" else step for step in re.findall(r"\[\]|[^.\[]+", node))


def _types(rule: Rule, path: Path) -> Iterator[Change]:
    wanted = set(re.findall("[a-z]+", rule.statement.partition(":")[2]))
    accepted = wanted | ({"integer"} if "number" in wanted else set())
    for kind, value, name in _VALUES:
        if kind not in accepted:
            yield Change(rule.id, f"{readable(path)} is {name}.", payload=_put_fresh(path, value))


def _put_fresh(path: Path, value: Any) -> Callable[[Any, int], Any]:
    # A later change may fill the array or object that this one puts there.
    return put_by(*path, value=lambda by: value.copy() if isinstance(value, list | dict) else value)


def _required(rule: Rule, path: Path) -> Iterator[Change]:
    missing = (*path, rule.id.rpartition(".")[0])
    yield Change(rule.id, f"{readable(missing)} is missing.", payload=put(*missing, value=ABSENT))


def _minimum(rule: Rule, path: Path) -> Iterator[Change]:
    limit, name = _limit(rule), readable(path)
    yield Change(rule.id, f"{name} is {{}} below its minimum.", payload=put_by(*path, value=lambda by: limit - by))
    yield Change(rule.id, f"{name} takes more than 64 bits below 0.", payload=put(*path, value=-(2**64)))


def _maximum(rule: Rule, path: Path) -> Iterator[Change]:
    limit, name = _limit(rule), readable(path)
    yield Change(rule.id, f"{name} is {{}} above its maximum.", payload=put_by(*path, value=lambda by: limit + by))
    yield Change(rule.id, f"{name} takes more than 64 bits.", payload=put(*path, value=2**64))


def _min_items(rule: Rule, path: Path) -> Iterator[Change]:
    limit = _limit(rule)
    says = f"{readable(path)} has {{}} items too few."
    yield Change(rule.id, says, payload=_with_items(path, lambda by: limit - by), farthest=limit)


def _max_items(rule: Rule, path: Path) -> Iterator[Change]:
    limit = _limit(rule)
    says = f"{readable(path)} has {{}} items too many."
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
    "type": _types,
    "required": _required,
    "minimum": _minimum,
    "maximum": _maximum,
    "minItems": _min_items,
    "maxItems": _max_items,
}
