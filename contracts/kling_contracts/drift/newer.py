"""The newer document as it is handed in: OpenAPI as YAML or JSON, or a Markdown page with a block of it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.documents import loading
from kling_contracts.errors import DocumentError
from kling_contracts.jsonio.positions import Position, nearest

MAX_BYTES: Final = 5_000_000
"""A larger file is no description of a few operations."""
MAX_NODES: Final = 200_000
"""Values of a document, aliases written out; a few lines of YAML can stand for billions."""
_FENCE: Final = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<block>.*?)^[ \t]*(?P=fence)[ \t]*$", re.DOTALL | re.MULTILINE
)


class NewerDocument(NamedTuple):
    """A parsed document, and where its values stand in the file."""

    document: dict[str, Any]
    positions: Mapping[str, Position]
    """By JSON Pointer."""

    def position(self, pointer: str) -> Position:
        """Return where a value stands, or the nearest value above it that stands anywhere."""
        return nearest(self.positions, pointer)


def read(source: bytes, name: str) -> NewerDocument:
    """Return the OpenAPI document that a file holds. Raises `DocumentError` where it holds none."""
    if len(source) > MAX_BYTES:
        raise DocumentError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB; that is no OpenAPI document")
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name}: byte {error.start} is not UTF-8") from None
    try:
        return _document_of(text, name)
    except RecursionError:
        raise DocumentError(f"{name}: nested too deeply") from None


def _document_of(text: str, name: str) -> NewerDocument:
    problems = []
    for line, block in ((0, text), *_blocks(text)):
        try:
            found = _parsed(block, line, name)
        except DocumentError as error:
            problems.append(str(error))
            continue
        if isinstance(found.document.get("paths"), dict):
            return found
        problems.append(f"{name}: an object without paths")
    if len(problems) > 1:
        raise DocumentError(
            f"{name}: neither the file nor one of its {len(problems) - 1} blocks is an OpenAPI document"
        )
    raise DocumentError(f"{problems[0]}; wanted: OpenAPI as YAML or JSON, or a Markdown page with a block of it")


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield the fenced blocks of a Markdown page, each with the number of lines before it."""
    for match in _FENCE.finditer(text):
        indent = match["indent"]
        lines = [line.removeprefix(indent) for line in match["block"].splitlines()]
        yield text.count("\n", 0, match.start("block")), "\n".join(lines) + "\n"


def _parsed(text: str, line: int, name: str) -> NewerDocument:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, loader)
    except yaml.YAMLError as error:
        raise DocumentError(f"{name}: not YAML: {error}") from None
    if root is None:
        raise DocumentError(f"{name}: empty")
    positions: dict[str, Position] = {}
    for pointer, node in _nodes(root, ""):
        if len(positions) >= MAX_NODES:
            raise DocumentError(f"{name}: more than {MAX_NODES} values; that is no OpenAPI document")
        positions[pointer] = Position(line + node.start_mark.line + 1, node.start_mark.column + 1)
    return NewerDocument(loading.parse(text.encode(), name), positions)


def _nodes(root: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    import yaml

    yield pointer, root
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            yield from _nodes(value, f"{pointer}/{str(key.value).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(root, yaml.SequenceNode):
        for index, value in enumerate(root.value):
            yield from _nodes(value, f"{pointer}/{index}")
