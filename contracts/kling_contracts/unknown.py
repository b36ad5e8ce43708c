"""Known, absent and unknown: what stands where a fact would, when there is none."""

from typing import NoReturn


class UnknownFactError(Exception):
    """A rule read a fact that nobody can know; the message says why."""


class Unknown:
    """Stands where a fact would: whatever a rule does with it, it raises `UnknownFactError` with the reason."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def _raise(self, *_: object) -> NoReturn:
        raise UnknownFactError(self.reason)

    __getattr__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _raise
    __add__ = __radd__ = __sub__ = __rsub__ = __bool__ = __contains__ = __getitem__ = _raise
    __hash__ = object.__hash__


class Absent(Unknown):
    """The world does not know the id: `has` is false, and what hangs on it is not known."""

    __slots__ = ()


class NotGiven(Unknown):
    """The field that would name the fact is left out or empty."""

    __slots__ = ()


class Unusable(Unknown):
    """The field that would name the fact is of a wrong type, or missing where it may not be."""

    __slots__ = ()


def present(fact: object) -> bool:
    """Return whether the world has this fact: CEL's `has`.

    Raises `UnknownFactError` where nobody can say.
    """
    if not isinstance(fact, Unknown):
        return True
    if type(fact) is Absent:
        return False
    raise UnknownFactError(fact.reason)
