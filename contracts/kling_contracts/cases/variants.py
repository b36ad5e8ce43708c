"""Variants: what a payload may do without changing what it asks for. Tables of data, one row for each."""

from collections.abc import Callable
from typing import Final, NamedTuple


class Variant(NamedTuple):
    """One way to say the same."""

    says: str
    """Completes "The payload …"; empty for the plain one."""
    is_float: bool = False
    """Whether whole numbers are written as fractions of .0."""
    adds_fields: bool = False
    """Whether each object has a member that the schema does not declare."""
    is_backwards: bool = False
    """Whether each object has its members in the other order."""
    spell: Callable[[int | float], str] | None = None
    """Writes each number; None: as usual."""


def _with_exponent(number: int | float) -> str:
    """Return 5e3 for 5000, and 70e-1 for 7: a server that reads digits alone takes both for another number."""
    digits = str(number).rstrip("0") if type(number) is int and number else ""
    zeros = len(str(number)) - len(digits)
    if not digits:
        return f"{number}e0"
    return f"{digits}e{zeros}" if zeros else f"{digits}0e-1"


def _with_minus_zero(number: int | float) -> str:
    return str(number) if number else "-0"


PLAIN: Final = Variant("")
VARIANTS: Final = (
    PLAIN,
    Variant("writes whole numbers as fractions of .0", is_float=True),
    Variant("has unknown fields", adds_fields=True),
    Variant("has its members in another order", is_backwards=True),
    Variant("writes numbers with an exponent", spell=_with_exponent),
    Variant("writes 0 as -0", spell=_with_minus_zero),
)
