"""Bearer tokens that are JWTs: their claims, their HS256 signature, and the time in which they are valid.

Kling's secrets are short and opaque; a JWT library refuses some of them as too weak to sign with.
"""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any, NamedTuple

from kling_contracts import Note, Violation
from kling_contracts.jsonio import strict_json
from kling_contracts.judging.request_rules import RequestRules, notes_on_token
from kling_mock_server.state.journal import digest_of
from kling_mock_server.state.short_text_cache import cached_for_short

Claims = dict[str, Any]


class Bearer(NamedTuple):
    """A bearer token, and what it says before anybody asks whether it is let in."""

    token: str
    digest: str
    claims: Claims | None
    """The claims of a JWT that names its issuer; None for any other token."""
    name: str
    """The issuer of a JWT, else the token itself."""
    account: str
    """The key of its account."""
    notes: tuple[Note, ...]


@cached_for_short(256)
def bearer_of(token: str) -> Bearer:
    """Return what a token says; a client sends the same one with all its requests."""
    claims = claims_of(token)
    name = str(claims["iss"]) if claims else token
    return Bearer(token, digest_of(token), claims, name, digest_of(name), notes_on_token(token))


def claims_of(token: str) -> Claims | None:
    """Return the claims of a JWT that names its issuer; None for any other token."""
    if token.count(".") != 2:
        return None
    header, claims = (_decoded(part) for part in token.split(".")[:2])
    return claims if header is not None and claims is not None and claims.get("iss") else None


def token_signed(issuer: str, secret: str) -> str:
    """Return a JWT of an issuer that never expires, with the HS256 signature of `secret`."""
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {"iss": issuer}))
    return f"{signed}.{_signature(signed, secret)}"


def signed_with(token: str, secret: str) -> bool:
    """Return whether a JWT carries the HS256 signature of `secret`."""
    signed, _, signature = token.rpartition(".")
    header = _decoded(signed.partition(".")[0])
    expected = _signature(signed, secret).encode()
    return header is not None and header.get("alg") == "HS256" and hmac.compare_digest(expected, signature.encode())


def violation_of_time(claims: Claims, now_ms: int, rules: RequestRules) -> Violation | None:
    """Return the violation of a JWT whose `exp` or `nbf` refuses it at `now_ms`, or is no time; None where it is valid.

    `now_ms` is Unix time in ms; RFC 7519 counts both claims in seconds. At `exp` a token has expired (section 4.1.4),
    at `nbf` it is valid (section 4.1.5).
    """
    for claim, rule_id, late in (("exp", "authorization-expired", True), ("nbf", "authorization-not-yet-valid", False)):
        at = claims.get(claim)
        if at is None:
            continue
        if isinstance(at, bool) or not isinstance(at, int | float):
            remedy = f"{claim} in seconds since 1970"
            return rules.violation("authorization-invalid", value=f"{claim}: {at!r}", remedy=remedy)
        if (now_ms >= at * 1000) if late else (now_ms < at * 1000):
            return rules.violation(rule_id, value=f"{claim}: {at}")
    return None


def _signature(signed: str, secret: str) -> str:
    return _encoded(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(part: str) -> Claims | None:
    try:
        value = strict_json.decode(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None
    return value if isinstance(value, dict) else None
