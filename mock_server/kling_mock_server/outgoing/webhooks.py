"""One status callback on its way: how it is signed, whom it may go to, and what became of it."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from kling_mock_server.outgoing.connection import connected, target_of
from kling_mock_server.outgoing.hosts import leads_to_loopback, matches

TIMEOUT_S: Final = 5.0
"""How long one attempt may take in all."""
MAX_ANSWER_BYTES: Final = 64 * 1024
"""Bytes of an answer's body that are read."""

MIN_KEY_BYTES: Final = 24
MAX_KEY_BYTES: Final = 64
"""Bytes of a key, as the Standard Webhooks specification asks for."""
_SECRET_PREFIX: Final = "whsec_"
WRONG_SECRET: Final = "d3Jvbmc="
"""A secret that no receiver knows: it signs callbacks that must be refused."""


def signature_headers(secrets: tuple[str, ...], message_id: str, timestamp_s: int | str, body: bytes) -> dict[str, str]:
    """Return the Standard Webhooks headers of a message sent at `timestamp_s` (Unix seconds); none without secrets.

    A timestamp that is a text is signed as it is.
    Every secret signs: that is how a receiver goes through a change of secrets. The body may be any bytes; that is
    why we sign ourselves, as the `standardwebhooks` package signs text alone. Raises `ValueError` like `key_of`.
    """
    if not secrets:
        return {}
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(_signature(key_of(secret), signed) for secret in secrets),
    }


def key_of(secret: str) -> bytes:
    """Return the key of a webhook secret: Base64, with or without `whsec_` in front and `=` at its end.

    Raises `ValueError`, which does not quote the secret, for one that is empty or not Base64.
    """
    encoded = secret.removeprefix(_SECRET_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(
            "the webhook secret is not Base64: give it as it was issued, "
            f"or make one with: echo {_SECRET_PREFIX}$(openssl rand -base64 32)"
        )
    return key


def note_on_secret(secret: str) -> str:
    """Return what is odd about a secret that `key_of` takes, without quoting it; "" where nothing is."""
    size = len(key_of(secret))
    if MIN_KEY_BYTES <= size <= MAX_KEY_BYTES:
        return ""
    wanted = f"Standard Webhooks asks for {MIN_KEY_BYTES} to {MAX_KEY_BYTES}"
    return f"a webhook secret holds {size} bytes; {wanted}, and libraries may refuse it"


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Targets(NamedTuple):
    """Whom callbacks may go to: this machine, and the hosts that were allowed.

    A host is `example.com`, `*.example.com` (all below it, not itself) or `*` (any). It is allowed by its name, and
    who answers for that name decides which machine it leads to, at any time (DNS rebinding): with a name that others
    control, or with `*`, callbacks reach whatever this machine can reach, inner networks included.
    """

    hosts: tuple[str, ...] = ()

    def refusal(self, url: str) -> str:
        """Return why a callback may not be sent to a URL, and what to do; "" where it may.

        A name under `localhost` is looked up, any other is not.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            # Its text may quote the credentials.
            return "the callback URL cannot be read: check its host and its port"
        if parts.scheme not in ("http", "https") or not host:
            return "the callback URL is not an http(s) URL: give one like http://127.0.0.1:8000/callback"
        if "@" in parts.netloc:
            return "the callback URL holds credentials, which are never sent: take out all before the @"
        if self._allows(host):
            return ""
        return f"callbacks to {host} are not allowed: start the mock with --allow-callbacks {host}"

    def _allows(self, host: str) -> bool:
        return any(matches(host, allowed.lower()) for allowed in self.hosts) or _is_this_machine(host)


def _is_this_machine(host: str) -> bool:
    try:
        return leads_to_loopback(host)
    except (OSError, ValueError):
        return False


class Attempt(NamedTuple):
    """The outcome of one attempt to deliver."""

    status: int
    """The HTTP status of the answer; 0 where none came."""
    error: str
    """Why no answer came, in one sentence; "" where one did."""

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return 200 <= self.status < 300


class LateError(Exception):
    """Nothing was sent: by the time that the receiver could be reached, it was not to be sent any more."""


def _always() -> bool:
    return True


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout_s: float = TIMEOUT_S,
    may_send: Callable[[], bool] = _always,
) -> Attempt:
    """Send a body to a URL, once; blocks for `timeout_s` seconds at most, as `outgoing.connected` counts them.

    `url`: one that `Targets` does not refuse. Asks no proxy and follows no redirect. The status decides: an answer
    whose body breaks off or never ends has come all the same. A failure is in the `Attempt`; raises `LateError`
    alone, where `may_send` says no right before the first byte.
    """
    # At first use, like http.client in `connected`.
    from http.client import HTTPException

    started, status, error = monotonic(), 0, ""
    try:
        parts = urlsplit(url)
        with connected(parts, timeout_s) as connection:
            # Asked last of all: this process may have been held up anywhere before.
            if not may_send():
                raise LateError
            # A receiver may have answered before it had read everything, as to a body that is too large.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", target_of(parts), body, {"User-Agent": "klingkit", **headers})
            with connection.getresponse() as response:
                # To http.client, headers that we hung up on are complete.
                if monotonic() - started >= timeout_s:
                    raise TimeoutError
                status = response.status
                response.read(MAX_ANSWER_BYTES)
    except TimeoutError:
        error = f"no answer within {timeout_s:g} s"
    except (OSError, ValueError, HTTPException) as failure:
        error = _said(failure)
    return Attempt(status, "" if status else error)


def _said(failure: Exception) -> str:
    from http.client import HTTPException, InvalidURL

    if isinstance(failure, ConnectionRefusedError):
        return "nothing listens there: the connection was refused"
    if isinstance(failure, ConnectionError):
        return "the receiver hung up without an answer"
    if isinstance(failure, OSError):
        return f"the receiver cannot be reached: {failure.strerror or failure}"
    if isinstance(failure, HTTPException) and not isinstance(failure, InvalidURL):
        return f"what came back is not HTTP: {str(failure)[:200]}"
    return f"the callback cannot be sent: {str(failure)[:200]}"
