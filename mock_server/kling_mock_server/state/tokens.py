"""Bearer tokens that are JWTs: read without judging, and their HS256 signature.

Kling's secrets are short and opaque; a JWT library refuses some of them as too weak to sign with.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any

from kling_contracts.jsonio import strict_json

Claims = dict[str, Any]


def claims_of(token: str) -> Claims | None:
    """Return the claims of a JWT that names its issuer; None for any other token."""
    if token.count(".") != 2:
        return None
    header, claims = (_decoded(part) for part in token.split(".")[:2])
    return claims if header is not None and claims is not None and claims.get("iss") else None


def signed_with(token: str, secret: str) -> bool:
    """Return whether a JWT carries the HS256 signature of `secret`."""
    signed, _, signature = token.rpartition(".")
    header = _decoded(signed.partition(".")[0])
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return header is not None and header.get("alg") == "HS256" and hmac.compare_digest(expected, signature.encode())


def _decoded(part: str) -> Claims | None:
    try:
        value = strict_json.decode(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None
    return value if isinstance(value, dict) else None
