"""The long description of the package: README.md without what leads nowhere outside of the repository."""

import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE: Final = re.compile(r"^!\[[^\]]*\]\((?!https?://)[^)]+\)\n+", re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]+)\]\((?!https?://|#)[^)]+\)")


def long_description(readme: str) -> str:
    """Return the text with relative links as their words, and without relative pictures: an index has no such files."""
    return _LINK.sub(r"\1", _PICTURE.sub("", readme))


class CustomMetadataHook(MetadataHookInterface):
    """Called by hatchling whenever it builds."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme`, which pyproject.toml leaves open."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": long_description(text)}
