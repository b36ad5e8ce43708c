"""Records made quickly: a frozen dataclass sets its own members in a slow way round being frozen."""

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def quick(record: type) -> Callable[..., Any]:
    """Return a function that takes all members of a frozen dataclass with slots, in order, and makes one.

    It does what the dataclass's own constructor does, without `__post_init__`: the members are set in an object of an
    open class with the same slots, which then becomes one of the record's.
    """
    names = list(getattr(record, "__dataclass_fields__", ()))
    twin = type(record.__name__, (), {"__slots__": tuple(names)})
    lines = [f"def make({', '.join(names)}):", "  made = new(twin)"]
    lines += [*(f"  made.{name} = {name}" for name in names), "  made.__class__ = record", "  return made"]
    scope: dict[str, Any] = {"new": object.__new__, "twin": twin, "record": record}
    exec("\n".join(lines), scope)
    make: Callable[..., Any] = scope["make"]
    return make
