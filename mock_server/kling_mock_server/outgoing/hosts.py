"""Which hosts are this machine."""

import socket
from ipaddress import ip_address


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
    addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    return all(is_loopback(address) for address in addresses)


def matches(host: str, allowed: str) -> bool:
    """Return whether a host is the one that is allowed, below it (`*.example.com`), or any is (`*`).

    Both in lower case; an IPv6 address is allowed with brackets or without.
    """
    if allowed.startswith("*."):
        return host.endswith(allowed[1:])
    return allowed in ("*", host, f"[{host}]")
