"""Which hosts are this machine."""

import re
import socket
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from kling_mock_server.state.short_text_cache import cached_for_short

_MAX_KEPT: Final = 100
"""Hosts whose kind is kept: it hangs on the text alone."""


@cached_for_short(_MAX_KEPT)
def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its address or its name, without asking anybody.

    `host`: as `urlsplit(...).hostname` gives it, in lower case and without brackets.
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def leads_to_loopback(host: str) -> bool:
    """Return whether a host `is_loopback` and so is every address that it has right now.

    Only names under `localhost` are ever looked up. A later connection looks the name up once more and could
    be led elsewhere (DNS rebinding), but only by who decides what `localhost` means on this machine: its hosts file
    or its resolver. Raises `OSError` where the name cannot be looked up.
    """
    if not is_loopback(host):
        return False
    if _is_address(host):
        return True
    addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    return all(is_loopback(address) for address in addresses)


def never_matches(allowed: str) -> str:
    """Return why `matches` is true of no host at all, and what to give instead; "" where it can be."""
    if "/" in allowed:
        host = urlsplit(allowed if "//" in allowed else f"//{allowed}").hostname
        return f"it is a URL: give its host alone{f', {host}' if host else ''}"
    bare = allowed.removeprefix("[").removesuffix("]")
    if ":" in bare and not _is_address(bare):
        return f"it names a port: give the host alone, {allowed.partition(':')[0]}"
    if "*" in allowed.removeprefix("*." if len(allowed) > len("*.") else "") and allowed != "*":
        return "a * stands alone, or with a dot before a host: *.example.com"
    return "" if allowed and not re.search(r"[\s@?#]", allowed) else "it is the name of no host"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def matches(host: str, allowed: str) -> bool:
    """Return whether a host is the one that is allowed, below it (`*.example.com`), or any is (`*`).

    Both in lower case; an IPv6 address is allowed with brackets or without.
    """
    if allowed.startswith("*."):
        return host.endswith(allowed[1:])
    return allowed in ("*", host, f"[{host}]")
