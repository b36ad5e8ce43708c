"""`NamedTuple` as `typing` has it, with classes that take a fifth of the time to make.

A command makes a hundred of them before it does anything, and `typing` runs Python's compiler for each. Here it runs
once for each number of fields.
"""

import sys
from collections.abc import Iterable
from functools import cache
from operator import itemgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final

__all__ = ["NamedTuple", "named_tuple"]

try:
    from _collections import _tuplegetter as _getter  # type: ignore[import-not-found]
except ImportError:

    def _getter(index: int, doc: str) -> Any:
        return property(itemgetter(index), doc=doc)


def named_tuple(name: str, fields: Iterable[str]) -> Any:
    """Return the class of tuples with these fields, as `collections.namedtuple` does."""
    return _made(name, tuple(fields), {})


def _made(name: str, fields: tuple[str, ...], namespace: dict[str, Any]) -> type:
    defaults = {field: namespace[field] for field in fields if field in namespace}
    getters = {field: _getter(index, f"Field {index}.") for index, field in enumerate(fields)}
    described = {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
    described["__new__"] = _new(fields, tuple(defaults.values()))
    return type(name, (tuple,), _METHODS | namespace | getters | described)


class _Maker(type):
    """Makes a class of tuples of the body of a class."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        return _made(name, tuple(namespace.get("__annotations__", ())), namespace)


@cache
def _code(count: int) -> CodeType:
    """Return the code that makes a tuple of so many fields, under names of its own."""
    listed = "".join(f"field{index}, " for index in range(count))
    code: CodeType = eval(f"lambda _cls, {listed}: _new(_cls, ({listed}))").__code__
    return code


def _new(fields: tuple[str, ...], defaults: tuple[Any, ...]) -> Any:
    """Return the `__new__` of a class: the code for so many fields, under their names."""
    code = _code(len(fields)).replace(co_varnames=("_cls", *fields), co_name="__new__")
    return FunctionType(code, {"_new": tuple.__new__, "__builtins__": {}}, "__new__", defaults)


def _make(cls: Any, values: Iterable[Any]) -> Any:
    made = tuple.__new__(cls, values)
    if len(made) != len(cls._fields):
        raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
    return made


def _replace(self: Any, /, **changes: Any) -> Any:
    replaced = self._make(map(changes.pop, self._fields, self))
    if changes:
        raise ValueError(f"Got unexpected field names: {list(changes)!r}")
    return replaced


def _asdict(self: Any) -> dict[str, Any]:
    return dict(zip(self._fields, self, strict=True))


def _getnewargs(self: Any) -> tuple[Any, ...]:
    return tuple(self)


def _repr(self: Any) -> str:
    return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"


_METHODS: Final[dict[str, Any]] = {
    "__repr__": _repr,
    "__getnewargs__": _getnewargs,
    "_make": classmethod(_make),
    "_replace": _replace,
    "_asdict": _asdict,
}

if TYPE_CHECKING or sys.version_info >= (3, 14):
    # Python 3.14 keeps the annotations of a class as a function, which `typing` knows how to call.
    from typing import NamedTuple
else:
    NamedTuple = type.__new__(_Maker, "NamedTuple", (), {})
