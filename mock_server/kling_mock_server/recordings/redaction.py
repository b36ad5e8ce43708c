"""Redaction of a recording before anybody sees it: keys, signatures, audio."""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from kling_contracts.facts.file_content import URL, base64_bytes, measured_audio, measured_video
from kling_contracts.facts.world import File
from kling_contracts.jsonio import strict_json
from kling_mock_server.state.request_redaction import kept_headers

MAX_TEXT_LENGTH: Final = 2048
"""Characters of a text that are kept; a longer one is redacted like audio."""
REDACTED: Final = "redacted"
_KEPT_PARAMETERS: Final = frozenset({"pageNum", "pageSize", "task_ids"})
"""Parameters of the API itself; the value of any other may be a signature."""
_SECRET_MEMBER: Final = re.compile(r"(?:^|_)(?:api_?key|access_?key|secret|password|token|signature)$", re.IGNORECASE)
_AUDIO_MEMBER: Final = "sound_file"


def redacted_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by lower-case name, every value that may be a secret as the digest of it.

    A header that is redacted already stays as it is, so that a recording may be read and written again.
    """
    lower = {name.lower(): str(value) for name, value in headers.items()}
    fresh = {name: value for name, value in lower.items() if "sha256:" not in value}
    return {**lower, **kept_headers(fresh)}


def redacted_url(url: str) -> str:
    """Return a URL without user, password and fragment, and without values of parameters that the API does not have."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return REDACTED
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = "&".join(f"{name}={value if name in _KEPT_PARAMETERS else REDACTED}" for name, value in pairs)
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def redacted_body(content: bytes) -> bytes:
    """Return a body with its secrets and its audio taken out; what is no JSON is kept by length and digest alone."""
    if not content:
        return b""
    try:
        value = strict_json.decode(content)
    except strict_json.BodyError:
        return json.dumps({**_digest(content), "unreadable": True}).encode()
    return json.dumps(redacted_value(value), ensure_ascii=False).encode("utf-8", "surrogatepass")


def redacted_value(value: Any, name: str = "") -> Any:
    """Return a JSON value with its secrets and its audio taken out; `name` is the member that holds it."""
    if isinstance(value, dict):
        return value if REDACTED in value else {key: redacted_value(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [redacted_value(item, name) for item in value]
    if not isinstance(value, str) or not value:
        return value
    if _is_secret(name):
        return REDACTED
    if URL.match(value):
        return redacted_url(value)
    if name == _AUDIO_MEMBER:
        return _audio(value)
    return _digest(value.encode("utf-8", "surrogatepass")) if len(value) > MAX_TEXT_LENGTH else value


def measured_media(content: bytes, media_type: str) -> dict[str, Any] | None:
    """Return what a downloaded file is, as a world's entry without its kind; None for neither audio nor video."""
    kind = media_type.partition("/")[0].strip().lower()
    if kind == "audio":
        return {"audio": measured_audio(content)._asdict()}
    if kind == "video":
        measured = measured_video(content)._asdict()
        return {"video": {key: member for key, member in measured.items() if key != "faces"}}
    return None


def audio_of(value: Any) -> tuple[str, File | None]:
    """Return the kind (`base64`, `data_url` or `other`) of a redacted audio, and what it was measured to be."""
    kind = str(value.get("kind", "other"))
    if kind != "base64":
        return kind, None
    file = File(
        str(value.get("format", "unknown")),
        int(value.get("size_bytes", 0)),
        value.get("duration_ms"),
        value.get("decodes"),
        brand=value.get("brand"),
    )
    return kind, file


@lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    return _SECRET_MEMBER.search(name) is not None


def _audio(text: str) -> dict[str, Any]:
    digest = _digest(text.encode("utf-8", "surrogatepass"))
    data = base64_bytes(text)
    if data is None:
        return {**digest, "kind": "data_url" if text[:5].lower() == "data:" else "other"}
    file = measured_audio(data)._asdict()
    return {**digest, "kind": "base64", **{key: member for key, member in file.items() if key != "flagged"}}


def _digest(content: bytes) -> dict[str, Any]:
    return {REDACTED: f"sha256:{hashlib.sha256(content).hexdigest()}", "length": len(content)}
