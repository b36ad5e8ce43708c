"""URLs of the mock's own files: results, voices, source videos, pictures of faces."""

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from kling_mock_server.protocol.names import FILES_PREFIX

EXTENSIONS: Final = {"results": "mp4", "audios": "wav", "videos": "mp4", "faces": "png"}
"""The extension of every kind of file."""
_PATH: Final = re.compile(
    rf"{FILES_PREFIX}/(?P<folder>[0-9a-z]+)/(?P<kind>{'|'.join(EXTENSIONS)})/(?P<name>.+)", re.DOTALL
)


class Address(NamedTuple):
    """One file: the folder of its account, its kind, and the id that it is known by."""

    folder: str
    kind: str
    name: str

    def url(self, origin: str) -> str:
        """Return its URL below the origin under which a caller reached the mock."""
        name = quote(self.name, safe="", errors="replace")
        return f"{origin}{FILES_PREFIX}/{self.folder}/{self.kind}/{name}.{EXTENSIONS[self.kind]}"


def address_of(path: str) -> Address | None:
    """Return the file that a decoded path leads to; None for any other path."""
    match = _PATH.fullmatch(path)
    if not match:
        return None
    name, _, extension = match["name"].rpartition(".")
    return Address(match["folder"], match["kind"], name) if extension == EXTENSIONS[match["kind"]] else None


def own_address(url: str) -> Address | None:
    """Return the file that a URL leads to if its host is this mock, under whatever name its caller knows it."""
    path = url.partition("#")[0].partition("?")[0]
    start = path.find(f"{FILES_PREFIX}/")
    return address_of(unquote(path[start:])) if start >= 0 else None
