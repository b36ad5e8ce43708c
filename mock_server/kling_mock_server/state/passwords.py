"""Passwords in URLs are neither journalled nor printed."""

import re
from typing import Any, Final

_USER: Final = r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://)[^/?#@\s\"'<>]*(?:@[^/?#@\s\"'<>]*)*@"
"""User and password in a URL (RFC 3986, section 3.2.1), which may stand anywhere in a text."""


def without_passwords(value: Any) -> Any:
    """Return a text, or JSON with every text in it, without user and password of the URLs that it holds."""
    if isinstance(value, str):
        return re.sub(_USER, r"\1…@", value) if "@" in value and "//" in value else value
    if isinstance(value, dict):
        return {name: without_passwords(member) for name, member in value.items()}
    return [without_passwords(item) for item in value] if isinstance(value, list | tuple) else value
