"""How fast time passes for tasks."""

from typing import Final, NamedTuple


class Pace(NamedTuple):
    """Milliseconds on the account's clock from a task's creation to its processing, and to its end."""

    begins_after_ms: int
    ends_after_ms: int
    stands: bool = False
    """Whether an account's clock stands still until it is advanced, even where its world names no time."""


PACES: Final = {
    "fast": Pace(100, 300),
    "real": Pace(5_000, 150_000),
    "manual": Pace(5_000, 150_000, stands=True),
}
"""`real` is about what the vendor's release notes say, two minutes and a half; `manual` is as long, by hand."""


def pace_of(name: str) -> Pace:
    """Return a pace of `PACES`. Raises `ValueError` for another name."""
    if name not in PACES:
        raise ValueError(f"unknown pace {name!r}; there are: {', '.join(PACES)}")
    return PACES[name]
