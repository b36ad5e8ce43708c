"""The only place that downloads: bounded in size and time, no redirects, no proxy."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from kling_contracts.facts.file_content import described_format, measured_audio
from kling_contracts.facts.sources import Fetch, unfetched
from kling_contracts.facts.world import File
from kling_contracts.unknown import Absent, Unknown
from kling_mock_server.outgoing.connection import connected, target_of
from kling_mock_server.outgoing.hosts import leads_to_loopback

if TYPE_CHECKING:
    from http.client import HTTPResponse

TIMEOUT_S: Final = 5.0
"""How long one download may take in all."""

POLICIES: Final = ("loopback", "any", "none")
"""The hosts whose URLs are fetched: this machine's, all, none."""

Download = Callable[[str, int | None], "bytes | Unknown"]
"""Takes a URL and a size in bytes; of a longer file it returns a little more than that. `Absent` where the URL does
not answer, `Unknown` where it may not be fetched."""

MAX_URL_LENGTH: Final = 64 * 1024
"""Characters of a URL; no server takes a longer one."""
_CHUNK: Final = 64 * 1024
_SHOWN: Final = 200
"""Characters that are shown of the place that a redirect leads to."""
_REFUSED: Final = Unknown("the fetch policy does not allow its host")
_TOO_LONG: Final = Absent("the URL is longer than any server takes")


def fetcher(policy: str, largest: int | None) -> Fetch:
    """Return how URLs of audio are resolved under a policy of `POLICIES`; raises `ValueError` for another.

    `largest` (bytes): a file that is longer is not read to its end.
    """
    download = downloader(policy)
    return unfetched if policy == "none" else lambda url: audio_file(download(url, largest), largest)


def downloader(policy: str) -> Download:
    """Return how URLs are downloaded under a policy of `POLICIES`; raises `ValueError` for another."""
    if policy not in POLICIES:
        raise ValueError(f"unknown fetch policy {policy!r}; there are: {', '.join(POLICIES)}")
    if policy == "none":
        return lambda url, largest: unfetched(url)
    return lambda url, largest: _fetched(url, largest, loopback_only=policy == "loopback")


def audio_file(data: bytes | Unknown, largest: int | None) -> File | Unknown:
    """Return what the bytes of a download are as audio; of more than `largest` bytes no more than their format."""
    if isinstance(data, Unknown):
        return data
    if largest is not None and len(data) > largest:
        from kling_contracts.media import audio, iso_media

        brand = iso_media.major_brand(data)
        return File(described_format(data, audio.identify(data)), len(data), None, None, brand=brand)
    return measured_audio(data)


def _fetched(url: str, largest: int | None, *, loopback_only: bool) -> bytes | Unknown:
    # At first use: most mocks and checks never open a URL.
    from http.client import HTTPException

    if len(url) > MAX_URL_LENGTH:
        return _TOO_LONG
    try:
        parts = urlsplit(url)
        if loopback_only and not leads_to_loopback(parts.hostname or ""):
            return _REFUSED
        return _downloaded(parts, largest)
    except (OSError, ValueError, HTTPException) as error:
        return Absent(why(error))
    except Exception as error:
        # Not of the network: another library of this process forbids sockets, for one. Nobody has seen the file.
        logging.getLogger("klingkit").exception("a download failed")
        return Unknown(f"it was not downloaded: {type(error).__name__}: {error}")


def why(error: Exception) -> str:
    """Return in words why a connection came to nothing."""
    import socket
    import ssl

    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused: nothing listens there"
    if isinstance(error, TimeoutError):
        return f"there was no complete answer within {TIMEOUT_S:g} s"
    if isinstance(error, socket.gaierror):
        return "the name of its host cannot be looked up"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, ConnectionError):
        return "the connection was closed before there was an answer"
    if isinstance(error, OSError):
        return f"the connection failed: {error.strerror or error}"
    if isinstance(error, ValueError):
        return f"the URL is not valid: {error}"
    return f"the answer is not HTTP: {type(error).__name__}"


def _downloaded(parts: SplitResult, largest: int | None) -> bytes | Unknown:
    with connected(parts, TIMEOUT_S) as connection:
        connection.request("GET", target_of(parts), headers={"User-Agent": "klingkit"})
        response = connection.getresponse()
        return _content(response, largest) if response.status == 200 else Absent(_other_status(response))


def _other_status(response: "HTTPResponse") -> str:
    said = f"the server answered {response.status} {response.reason}".rstrip()
    target = response.headers.get("Location")
    return f"{said}, a redirect to {target[:_SHOWN]}, which is not followed" if target else said


def _content(response: "HTTPResponse", largest: int | None) -> bytes | Unknown:
    data = bytearray()
    while chunk := response.read1(_CHUNK):
        data += chunk
        if largest is not None and len(data) > largest:
            return bytes(data)
    if response.length:
        return Absent(f"the connection ended after {len(data)} of {len(data) + response.length} bytes")
    return bytes(data)
