"""One recorded request and its answer, secrets and audio taken out."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kling_mock_server.reports.finding import Place


class RecordedExchange(NamedTuple):
    """One request and its answer. Parts that were not recorded are None."""

    place: Place
    at_ms: int | None
    """When the request was sent, Unix time in ms."""
    method: str
    url: str
    """As far as it was recorded: a whole URL or a path, the values of its query redacted where they may be secret."""
    headers: Mapping[str, str]
    """The request's headers by lower-case name, secrets as digests."""
    body: bytes
    """The request's body; JSON without secrets and audio."""
    status: int
    """HTTP status; 0: there was no answer."""
    answer: bytes | None
    """The body of the answer, redacted likewise; None where it was not recorded."""
    code: int | None = None
    """The service code, where it is known without the body."""
    message: str = ""
    """The message, where it is known without the body."""
    media: Any = None
    """The file in an answer that is no JSON, as in `files` or `videos` of a world; None: nothing known."""
    has_body: bool = True
    """Whether the body of the request was recorded."""
    is_callback: bool = False
    """Whether the recording itself says that it is a callback."""

    @property
    def path(self) -> str:
        """The path of its URL."""
        return urlsplit(self.url).path

    @property
    def query(self) -> str:
        """The query of its URL."""
        return urlsplit(self.url).query

    @property
    def account(self) -> str:
        """The digest of its key: which account it is of; empty where there was none."""
        return self.headers.get("authorization", "").rpartition(" ")[2]
