"""Records made quickly: a frozen dataclass sets its own members in a slow way round being frozen."""

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def quick(record: type) -> Callable[..., Any]:
    """Return a function that takes all members of a frozen dataclass with slots, in order, and makes one.

    It does what the dataclass's own constructor does, without `__post_init__`.
    """
    names = list(getattr(record, "__dataclass_fields__", ()))
    scope: dict[str, Any] = {"new": object.__new__, "record": record}
    scope |= {f"set_{name}": getattr(record, name).__set__ for name in names}
    lines = [f"def make({', '.join(names)}):", "  made = new(record)"]
    lines += [*(f"  set_{name}(made, {name})" for name in names), "  return made"]
    exec("\n".join(lines), scope)
    make: Callable[..., Any] = scope["make"]
    return make
