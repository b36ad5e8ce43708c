"""Names in the schemas of answers: a member that an answer shows is one that entries of a world have."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

from kling_contracts.errors import DocumentError
from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Audio, Face, File, Session, VideoFile, World
from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import Path, nearest

Known = Mapping[str, Collection[str]]


def check_answer_names(document: Mapping[str, Any], facts: Collection[str]) -> None:
    """Look at `x-entry`, `x-shows`, `x-there` and `x-file` of a document; `facts` are the declared ones.

    Raises `DocumentError` for the first name that nothing has.
    """
    known = {_FACT: facts, _WORLD: _TABLES, _ENTRY: _MEMBERS}
    for path, what, name in _named(document, ()):
        if name not in known[what]:
            raise DocumentError(f"{pointer(path)}: {what} has {name!r}{nearest(name, known[what])}")


def _named(node: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the place of every name, what it should be a name of, and the name."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _named(item, (*path, index))
    if not isinstance(node, dict):
        return
    for extension, places in _PLACES.items():
        said = node.get(extension)
        named = said if isinstance(said, dict) else {"": said}
        for key, what in places.items():
            if isinstance(name := named.get(key), str):
                yield (*path, extension, *filter(None, [key])), what, name
    for key, child in node.items():
        yield from _named(child, (*path, key))


_FACT: Final = "no operation"
_WORLD: Final = "no world"
_ENTRY: Final = "no entry of a world"
_PLACES: Final[Mapping[str, Mapping[str, str]]] = {
    "x-entry": {"fact": _FACT, "table": _WORLD, "newest": _ENTRY, "each": _ENTRY},
    "x-shows": {"": _ENTRY, "given": _ENTRY, "seconds": _ENTRY, "world": _WORLD},
    "x-there": {"": _ENTRY},
    "x-file": {"since": _ENTRY},
}
"""By extension: the keys under which it names something, the empty one where it is a name itself."""
_TABLES: Final = tuple(field.name for field in fields(World))
_RECORDS: Final = (Task, Session, Face, Audio, File, VideoFile)
_MEMBERS: Final = tuple({name: None for record in _RECORDS for name in vars(record) if not name.startswith("_")})
