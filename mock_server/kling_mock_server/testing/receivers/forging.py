"""Signatures: good ones that a receiver must take, and forged, missing and stale ones that it must refuse."""

import base64
import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from kling_mock_server.outgoing.webhooks import WRONG_SECRET, key_of, signature_headers
from kling_mock_server.testing.receivers.callbacks import Sign, SigningInput

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_S: Final = 300
"""Seconds that Standard Webhooks lets a timestamp lie in the past or ahead."""
MARGIN_S: Final = 15
"""Seconds past the tolerance, so that neither the way nor a clock decides."""
_MINUTE_S, _DAY_S = 60, 86_400


class SignatureWay(NamedTuple):
    """One way to sign a callback, and the check that it belongs to."""

    check: str
    says: str
    sign: Sign


def aged(age_s: int) -> Sign:
    """Return the way to sign as of so many seconds ago; a negative age lies ahead."""
    return lambda given: given.headers(age_s=age_s)


def timestamped(text: str) -> Sign:
    """Return the way to sign a timestamp that is this text."""
    return lambda given: signature_headers(given.secrets, given.message_id, text, given.body)


def without(*names: str) -> Sign:
    """Return the way to leave headers out."""
    return lambda given: {name: value for name, value in given.headers().items() if name not in names}


def instead(name: str, value: Callable[[SigningInput], str]) -> Sign:
    """Return the way to send another header than the good one, after signing."""
    return lambda given: {**given.headers(), name: value(given)}


def resigned(change: Callable[[str], str]) -> Sign:
    """Return the way to change each signature of the list, `v1,<Base64>`."""
    return instead(SIGNATURE, lambda given: " ".join(map(change, given.headers()[SIGNATURE].split())))


def body_signed_as(change: Callable[[bytes], bytes]) -> Sign:
    """Return the way to sign another body than the one that is sent."""
    return lambda given: given._replace(body=change(given.body)).headers()


def signed_text(text: Callable[[SigningInput], bytes]) -> Sign:
    """Return the way to sign something else than id, timestamp and body."""

    def signature(given: SigningInput) -> str:
        return f"v1,{base64.b64encode(hmac.digest(key_of(given.secrets[0]), text(given), 'sha256')).decode()}"

    return instead(SIGNATURE, signature)


def among(*, first: tuple[str, ...] = (), last: tuple[str, ...] = ()) -> Sign:
    """Return the way to sign with further secrets."""
    return lambda given: given._replace(secrets=(*first, *given.secrets, *last)).headers()


def _in_hex(signature: str) -> str:
    return f"v1,{base64.b64decode(signature.removeprefix('v1,')).hex()}"


def other_character(signature: str, place: int = 0) -> str:
    """Return a signature whose digest differs in one character of its Base64; `place` counts from its start."""
    digest = signature.removeprefix("v1,")
    return f"v1,{digest[:place]}{'B' if digest[place] == 'A' else 'A'}{digest[place + 1 :]}"


GOOD_SIGNATURES: Final = (
    SignatureWay("signature-several", "a signature with another secret comes first", among(first=(WRONG_SECRET,))),
    SignatureWay("signature-several", "a signature with another secret comes last", among(last=(WRONG_SECRET,))),
    SignatureWay(
        "signature-several", "a signature of a later version comes first", resigned(lambda v1: f"v2,AAAA {v1}")
    ),
    SignatureWay("signature-in-time", "it was signed 4 minutes ago", aged(4 * _MINUTE_S)),
    SignatureWay("signature-in-time", "it was signed by a clock that is 4 minutes ahead", aged(-4 * _MINUTE_S)),
    SignatureWay(
        "spelling",
        "the names of its headers are in capitals",
        lambda given: {name.upper(): value for name, value in given.headers().items()},
    ),
)
FORGED: Final = (
    SignatureWay("signature-missing", "it has none of the three headers", without(ID, TIMESTAMP, SIGNATURE)),
    SignatureWay("signature-missing", "it has no webhook-signature", without(SIGNATURE)),
    SignatureWay("signature-missing", "it has no webhook-id", without(ID)),
    SignatureWay("signature-missing", "it has no webhook-timestamp", without(TIMESTAMP)),
    SignatureWay("signature-missing", "its webhook-signature is empty", instead(SIGNATURE, lambda given: "")),
    SignatureWay(
        "signature-wrong",
        "it was signed with another secret",
        lambda given: given._replace(secrets=(WRONG_SECRET,)).headers(),
    ),
    SignatureWay(
        "signature-wrong",
        "its body was changed after it was signed",
        body_signed_as(lambda body: body.replace(b"succeed", b"failed")),
    ),
    SignatureWay(
        "signature-wrong",
        "its webhook-id was changed after it was signed",
        instead(ID, lambda given: f"{given.message_id}0"),
    ),
    SignatureWay(
        "signature-wrong",
        "its webhook-timestamp was changed after it was signed",
        instead(TIMESTAMP, lambda given: str(given.now_s - 1)),
    ),
    SignatureWay("signature-wrong", "the body alone is signed", signed_text(lambda given: given.body)),
    SignatureWay(
        "signature-wrong",
        "timestamp and body are signed, without the id",
        signed_text(lambda given: f"{given.now_s}.".encode() + given.body),
    ),
    SignatureWay("signature-wrong", "one character of the signature is another", resigned(other_character)),
    SignatureWay(
        "signature-wrong",
        "a character in the second half of the signature is another",
        resigned(lambda one: other_character(one, 30)),
    ),
    SignatureWay("signature-wrong", "the signature is cut off", resigned(lambda one: one[:25])),
    SignatureWay("signature-wrong", "the signature is only `v1,`", resigned(lambda one: "v1,")),
    SignatureWay("signature-wrong", "the signature has another version, v2", resigned(lambda one: f"v2{one[2:]}")),
    SignatureWay("signature-wrong", "the signature has no version", resigned(lambda one: one[3:])),
    SignatureWay("signature-wrong", "the signature is in hexadecimal", resigned(_in_hex)),
    SignatureWay("signature-wrong", "the signature is no Base64", resigned(lambda one: "v1,%%%")),
    SignatureWay("signature-stale", f"it was signed {TOLERANCE_S + MARGIN_S} s ago", aged(TOLERANCE_S + MARGIN_S)),
    SignatureWay("signature-stale", "it was signed a day ago", aged(_DAY_S)),
    SignatureWay("signature-stale", "it was signed 30 days ago", aged(30 * _DAY_S)),
    SignatureWay(
        "signature-stale", f"its timestamp is {TOLERANCE_S + MARGIN_S} s ahead", aged(-TOLERANCE_S - MARGIN_S)
    ),
    SignatureWay("signature-stale", "its timestamp is 30 days ahead", aged(-30 * _DAY_S)),
    SignatureWay("signature-stale", "its timestamp is 0", timestamped("0")),
    SignatureWay("timestamp-broken", "its timestamp is a word", timestamped("soon")),
    SignatureWay("timestamp-broken", "its timestamp is empty", timestamped("")),
    SignatureWay("timestamp-broken", "its timestamp is 1e400", timestamped("1e400")),
    SignatureWay("timestamp-broken", "its timestamp is nan", timestamped("nan")),
    SignatureWay("timestamp-broken", "its timestamp has 30 digits", timestamped("9" * 30)),
)
