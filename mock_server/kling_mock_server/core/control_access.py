"""Access to the control surface over sockets: for clients that know the mock by a name of this machine, and its pages.

A page of a foreign site can lead its own name to this machine (DNS rebinding), or post to a local port without being
allowed to read the answer: `Host` and `Origin` tell (RFC 9110, section 7.2; RFC 6454, section 7).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from kling_contracts import Request, Response
from kling_contracts.rules.rule import Rule
from kling_mock_server.core.own_answers import CONTROL_HOST, CONTROL_ORIGIN, refusal
from kling_mock_server.outgoing.hosts import is_loopback, matches
from kling_mock_server.protocol.names import FILES_PREFIX, PAGE_PREFIX

_OPEN: Final = (f"{FILES_PREFIX}/", PAGE_PREFIX)
"""Answered to everybody: files, like those of a content delivery network, and the page, which holds nothing of
anybody."""


class ControlAccess(NamedTuple):
    """The names under which the control surface is reached, beside those of this machine.

    A name is `example.com`, `*.example.com` (all below it, not itself) or `*` (any).
    """

    hosts: tuple[str, ...] = ()

    def refusal(self, request: Request, rules: Mapping[str, Rule]) -> Response | None:
        """Return the refusal of a call to the mock's own paths under a foreign `Host` or `Origin`; else None."""
        if request.path.startswith(_OPEN):
            return None
        host, origin = request.headers.get("host"), request.headers.get("origin")
        # No browser leaves out the Host.
        if host is not None and not self._is_known(f"//{host}"):
            rule = rules[CONTROL_HOST]
            return refusal(rule, f"{rule.message}: {host[:_SHOWN]!r}; start the mock with --allow-host to add one")
        if origin is not None and not self._is_known(origin):
            rule = rules[CONTROL_ORIGIN]
            return refusal(rule, f"{rule.message}: {origin[:_SHOWN]!r}; --allow-host adds the host of one")
        return None

    def _is_known(self, url: str) -> bool:
        try:
            host = (urlsplit(url).hostname or "").rstrip(".")
        except ValueError:
            return False
        return bool(host) and (is_loopback(host) or any(matches(host, allowed.lower()) for allowed in self.hosts))


_SHOWN: Final = 200
