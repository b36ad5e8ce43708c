"""What comes from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import KlingError


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the API is and how patient we are; times in seconds."""

    base_url: str
    api_key: str
    poll_s: float = 3
    retry_s: float = 1
    timeout_s: float = 60
    deadline_s: float = 900

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the `KLING_*` variables. Raises `KlingError` where one is missing or makes no sense."""
        base_url = environment.get("KLING_BASE_URL", "").rstrip("/")
        if not base_url.startswith(("https://", "http://")):
            raise KlingError("set KLING_BASE_URL to the http(s) address of the API")
        # Keys read from files end in a newline, which no header may.
        api_key = environment.get("KLING_API_KEY", "").strip()
        if not api_key or not (api_key.isascii() and api_key.isprintable()):
            raise KlingError("set KLING_API_KEY to the key of the account")
        seconds = ("poll_s", "retry_s", "timeout_s", "deadline_s")
        given = {
            name: environment[f"KLING_{name.upper()}"] for name in seconds if f"KLING_{name.upper()}" in environment
        }
        return cls(base_url, api_key, **{name: _positive(name, value) for name, value in given.items()})


def _positive(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise KlingError(f"KLING_{name.upper()} must be a number of seconds above 0, not {value!r}")
    return number
