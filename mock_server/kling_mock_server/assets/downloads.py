"""Files behind the URLs of requests: the mock's own in process, others under the fetch policy."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from kling_contracts.facts.sources import Fetch, Resolve
from kling_contracts.facts.world import File, VideoFile
from kling_contracts.unknown import Absent, Unknown
from kling_mock_server.assets.library import Library
from kling_mock_server.assets.synthetic_video import video_of
from kling_mock_server.outgoing.fetch import Download, audio_file
from kling_mock_server.protocol.file_urls import Address, own_address
from kling_mock_server.protocol.names import FILES_PREFIX
from kling_mock_server.state.short_text_cache import cached_for_short

_GONE: Final = Absent("the mock has no such file")
SMALL_VIDEO: Final = 8 * 1024 * 1024
"""Bytes of a video that is downloaded whatever others are doing."""
_MAX_ORIGINS: Final = 100
_ONE_LARGE_VIDEO: Final = threading.Lock()
"""Videos may be a hundred megabytes: no two of those are held at once."""


class Downloads:
    """Resolves the URLs of one mock."""

    def __init__(
        self, library: Library, fetch: Fetch, download: Download, largest: Callable[[str], int | None]
    ) -> None:
        """`largest` returns the size in bytes that a file which holds `audio` or `video` may have; None: any."""
        self.library = library
        self._largest = largest
        self._fetch = fetch
        self._download = download
        self.for_origin = cached_for_short(_MAX_ORIGINS)(self._for_origin)
        """Returns by what is held, `audio` or `video`, what resolves URLs for callers that reach the mock there."""

    def audio(self, url: str, origin: str) -> File | Unknown:
        """Return what a `sound_file` URL holds, for a caller that reaches the mock at `origin`."""
        own = _own(url, origin, self.library.content)
        return self._fetch(url) if own is None else audio_file(own, self._largest("audio"))

    def video(self, url: str, origin: str) -> VideoFile | Unknown:
        """Return what a `video_url` leads to; one that may not be fetched is made up from the URL itself."""
        own = _own(url, origin, self.library.footage)
        if own is not None:
            return video_of(url, own)
        largest = self._largest("video")
        bound = SMALL_VIDEO if largest is None else min(SMALL_VIDEO, largest)
        data = self._download(url, bound)
        if isinstance(data, Unknown) or len(data) <= bound or bound == largest:
            return video_of(url, data, largest)
        # From its beginning again: waiting for others with what there is of it would be holding it.
        with _ONE_LARGE_VIDEO:
            return video_of(url, self._download(url, largest), largest)

    def _for_origin(self, origin: str) -> Mapping[str, Resolve]:
        return {"audio": partial(self.audio, origin=origin), "video": partial(self.video, origin=origin)}

    def sound(self, url: str, origin: str) -> bytes | Unknown:
        """Return the bytes of a `sound_file` URL, to be rendered."""
        own = _own(url, origin, self.library.content)
        return self._download(url, self._largest("audio")) if own is None else own


def _own(url: str, origin: str, read: Callable[[Address], bytes | None]) -> bytes | Unknown | None:
    """Return a file of the mock itself; None for what is somebody else's, another mock's perhaps."""
    address = own_address(url)
    content = read(address) if address else None
    if content is None and origin and url.startswith(f"{origin}{FILES_PREFIX}/"):
        return _GONE
    return content
