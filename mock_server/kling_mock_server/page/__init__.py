"""The inspector page: its files, as they are served. They are plain HTML, CSS and ES modules; nothing builds them."""

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

INDEX: Final = "index.html"
"""The name of the document; it names its other files by paths relative to the mock's root."""

MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_FOLDER: Final = Path(__file__).parent


class PageFile(NamedTuple):
    """One file of the page: its media type and its bytes."""

    media_type: str
    content: bytes


@cache
def page_files() -> dict[str, PageFile]:
    """Return every file of the page by name, `index.html` among them; read from the package once."""
    files = (file for file in sorted(_FOLDER.iterdir()) if file.suffix in MEDIA_TYPES)
    return {file.name: PageFile(MEDIA_TYPES[file.suffix], file.read_bytes()) for file in files}
