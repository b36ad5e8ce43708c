"""The query of a call of the control surface, read strictly: a misspelt parameter is a mistake and not ignored."""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import parse_qsl


class Asked:
    """The parameters of one call. Every method raises `ValueError` where a value cannot be meant."""

    def __init__(self, query: str, names: Sequence[str]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in names:
                raise ValueError(f"{name[:_SHOWN]!r} is no parameter of this call; it takes {', '.join(names)}")
            self._values.setdefault(name, []).append(value)

    def every(self, name: str) -> list[str]:
        """Return every value of a parameter, in the order of the query."""
        return self._values.get(name, [])

    def last(self, name: str, otherwise: str) -> str:
        """Return the last value of a parameter; `otherwise` where it is not given."""
        return (self.every(name) or [otherwise])[-1]

    def number(self, name: str, most: int, otherwise: int) -> int:
        """Return a parameter that is an integer from 1 to `most`."""
        return in_range(name, self.last(name, str(otherwise)), most)

    def known(self, name: str, known: Iterable[str]) -> list[str]:
        """Return the values of a parameter, each one of the known ones."""
        for value in self.every(name):
            if value not in known:
                raise ValueError(f"there is no {name} {value[:_SHOWN]!r}; {_hint(value[:_SHOWN], known)}")
        return self.every(name)


def in_range(name: str, text: str, most: int, least: int = 1) -> int:
    """Return the integer that a text is. Raises `ValueError` where it is none from `least` to `most`."""
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS or not least <= int(text) <= most:
        raise ValueError(f"{name} must be an integer from {least} to {most}, not {text[:_SHOWN]!r}")
    return int(text)


def _hint(value: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(value, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(filter(None, known))}"


_SHOWN: Final = 60
"""Characters of a mistaken text that are repeated."""
_DIGITS: Final = 6
