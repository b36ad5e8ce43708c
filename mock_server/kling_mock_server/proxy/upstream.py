"""The one host that the proxy calls: a request sent once, its answer streamed, no retry and no redirect followed."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from kling_mock_server.protocol.names import VIOLATIONS_HEADER

if TYPE_CHECKING:
    import urllib3

CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 120.0
"""Seconds that the upstream may be silent."""
MAX_CONNECTIONS: Final = 32
_CHUNK: Final = 64 * 1024
_HOP_BY_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "content-length", "accept-encoding", "expect"),
    }
)
"""Headers that end here (RFC 9110, section 7.6.1), and those that a request of our own has anew."""
MAYBE: Final = "It may have been carried out all the same: look before you send it again."


class UpstreamError(Exception):
    """There is no whole answer; `status` is what a gateway answers then (502 or 504)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UpstreamAnswer:
    """An answer whose body is still to be read."""

    def __init__(self, response: "urllib3.BaseHTTPResponse", where: str) -> None:
        self._response = response
        self._where = where
        self.status = response.status
        self.reason = response.reason or ""
        skipped = {*_HOP_BY_HOP, VIOLATIONS_HEADER.lower()}
        self.headers = [(name, value) for name, value in response.headers.items() if name.lower() not in skipped]
        self.length = response.headers.get("content-length")

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes. Raises `UpstreamError` where it ends too early."""
        import urllib3

        try:
            while chunk := self._response.read(_CHUNK, decode_content=False):
                yield chunk
                if self._response.length_remaining == 0:
                    return
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UpstreamError(502, f"{self._where} broke off its answer: {_short(error)}") from None

    def close(self, *, whole: bool) -> None:
        """Let the connection go; one with an answer that was not read to its end cannot be used again."""
        if whole:
            self._response.release_conn()
        else:
            self._response.close()


class Upstream:
    """One host, by the URL that was said on the command line.

    Raises `ValueError` where that is not an http(s) URL, `ModuleNotFoundError` where urllib3 is not installed.
    """

    def __init__(self, url: str, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        # At first use: only the proxy needs it, and it comes with an extra.
        import urllib3

        parts = urlsplit(url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or parts.username
        ):
            raise ValueError(f"{url} is not the base URL of a service, https://host with or without a path")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._prefix = parts.path.rstrip("/")
        kind = urllib3.HTTPSConnectionPool if parts.scheme == "https" else urllib3.HTTPConnectionPool
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s)
        self._timeout_s = read_timeout_s
        self._never = urllib3.Retry.from_int(False, redirect=False)
        self._pool: Any = kind(parts.hostname, parts.port, timeout=timeout, maxsize=MAX_CONNECTIONS, block=False)

    def url(self, target: str) -> str:
        """Return the URL of a path and query."""
        return f"{self.origin}{self._prefix}{target}"

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> UpstreamAnswer:
        """Send a request once. Raises `UpstreamError` where no answer begins."""
        import urllib3
        from urllib3 import exceptions

        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
        # A recording must be readable: the body is asked for without an encoding.
        kept["Accept-Encoding"] = "identity"
        if body or method in ("POST", "PUT", "PATCH"):
            kept["Content-Length"] = str(len(body))
        try:
            response: urllib3.BaseHTTPResponse = self._pool.urlopen(
                method, self._prefix + target, body=body or None, headers=kept,
                retries=self._never, redirect=False, preload_content=False, decode_content=False,
            )  # fmt: skip
        except exceptions.NewConnectionError as error:
            raise UpstreamError(502, f"cannot reach {self.origin}: {_short(error)}. Nothing was sent.") from None
        except exceptions.ConnectTimeoutError:
            raise UpstreamError(
                504, f"cannot reach {self.origin} within {CONNECT_TIMEOUT_S:g} s. Nothing was sent."
            ) from None
        except exceptions.ReadTimeoutError:
            raise UpstreamError(504, f"{self.origin} was silent for {self._timeout_s:g} s. {MAYBE}") from None
        except exceptions.SSLError as error:
            raise UpstreamError(
                502, f"cannot speak TLS with {self.origin}: {_short(error)}. Nothing was sent."
            ) from None
        except (exceptions.HTTPError, OSError, ValueError) as error:
            raise UpstreamError(502, f"{self.origin} did not answer in HTTP: {_short(error)}. {MAYBE}") from None
        return UpstreamAnswer(response, self.origin)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close()


def _short(error: Exception) -> str:
    """Return the last part of an error: urllib3 puts the objects before it."""
    text = str(error.args[-1] if error.args else error)
    return text.rpartition(": ")[2] or type(error).__name__
