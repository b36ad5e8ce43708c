"""Code that is written as text and compiled, where a case is made of it thousands of times."""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import CodeType
from typing import Any


def function(lines: Iterable[str], scope: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the function `make` that the lines define; `scope` holds all names that they use.

    Its texts are the same objects wherever they stand: a dictionary finds a key sooner that need not be compared.
    """
    names: dict[str, Any] = {"__builtins__": {}, **scope}
    exec(_interned(compile("\n".join(lines), "<written>", "exec")), names)
    made: Callable[..., Any] = names["make"]
    return made


def _interned(code: CodeType) -> CodeType:
    return code.replace(co_consts=tuple(map(_as_interned, code.co_consts)))


def _as_interned(constant: Any) -> Any:
    if isinstance(constant, CodeType):
        return _interned(constant)
    return sys.intern(constant) if type(constant) is str else constant


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
    return function(lines, {"new": object.__new__, "twin": twin, "record": record})
