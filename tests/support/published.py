"""The vendor's document as it stands on the web: a Markdown page with a YAML block, in full-width punctuation."""

import re

import kling_openapi
from kling_contracts.documents.loading import VENDOR_DOCUMENT

SEED = (kling_openapi.FOLDER / VENDOR_DOCUMENT).read_text(encoding="utf-8")

FULL_WIDTH = {one: chr(ord(one) + 0xFEE0) for one in ",:;()"}
CHINESE = "\u4e00-\u9fff"


def full_width(text):
    """Return a text with the punctuation that stands beside Chinese characters made full-width."""
    return re.sub(rf"(?<=[{CHINESE}])[,:;()]|[,:;()](?=[{CHINESE}])", lambda match: FULL_WIDTH[match[0]], text)


def page(document=SEED, *, widen=True):
    """Return the page: headings and words around a fenced block."""
    return f"# 对口型\n\n## OpenAPI Specification\n\n```yaml\n{full_width(document) if widen else document}\n```\n"
