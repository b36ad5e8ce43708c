"""Names in the schemas of answers: a member that an answer shows is one that entries of a world have."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

from kling_contracts.errors import DocumentError
from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Audio, Face, File, Session, VideoFile, World
from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import Path, nearest


def check_answer_names(document: Mapping[str, Any], facts: Collection[str]) -> None:
    """Look at `x-entry`, `x-shows`, `x-there` and `x-file` of a document; `facts` are the declared ones.

    Raises `DocumentError` for the first name that nothing has.
    """
    known = {_FACT: facts, _WORLD: _TABLES, _ENTRY: _MEMBERS}
    for path, what, name in _named(document):
        if name not in known[what]:
            raise DocumentError(f"{pointer(path).rstrip('/')}: {what} has {name!r}{nearest(name, known[what])}")


def _named(document: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Yield the place of every name in what the paths lead to, what it should be a name of, and the name."""
    begins: list[Path] = [("paths",)]
    # It grows while it is walked: a reference leads to a component once.
    for begin in begins:
        for path, node in _objects(_at(document, begin), begin):
            for extension, key, what, name in _names_in(node):
                yield (*path, extension, key), what, name
            target = tuple(str(node.get("$ref", "")).removeprefix("#/").split("/"))
            if target[0] and target not in begins:
                begins.append(target)


def _names_in(node: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for extension in _PLACES.keys() & node.keys():
        said = node[extension] if isinstance(node[extension], dict) else {"": node[extension]}
        for key, what in _PLACES[extension].items():
            if isinstance(said.get(key), str):
                yield extension, key, what, said[key]


def _at(node: Any, path: Path) -> Any:
    """Return what is at a path; None where nothing is, as in documents without the companions."""
    for step in path:
        node = node.get(step) if isinstance(node, dict) else None
    return node


def _objects(node: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _objects(child, (*path, key))


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
