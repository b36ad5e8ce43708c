"""Names on the wire: paths of the mock's own, response headers, and the short names of operations."""

from typing import Final

CONTROL_PREFIX: Final = "/_mock"
"""All that is the mock's own is at this path or below it."""
FILES_PREFIX: Final = f"{CONTROL_PREFIX}/files"
PAGE_PREFIX: Final = f"{CONTROL_PREFIX}/page/"

VIOLATIONS_HEADER: Final = "X-Contract-Violations"
"""Ids of every rule that the request broke, in document order."""
UNVERIFIED_HEADER: Final = "X-Contract-Unverified"
"""Ids of the rules that could be judged neither way."""
SCENARIO_HEADER: Final = "X-Mock-Scenario"
"""By it, a request asks for the failure of a scenario."""
NOT_PLAYED_HEADER: Final = "X-Kling-Wire"
"""Tells a client that an answer should have left in another way."""

CREATE: Final = "create"
QUERY: Final = "query"
LIST: Final = "list"
IDENTIFY: Final = "identify"
TTS: Final = "tts"
DOWNLOAD: Final = "download"
"""A request for one of the mock's files."""
RENDER: Final = "render"
"""Rendering a result, which is journalled where it fails."""
CALLBACK: Final = "callback"
"""A request that the mock sends."""
