"""Operations: a method on a path, with the compiled rules of its payload."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.judge import Tree
from kling_contracts.rules import Compiler, Rule, Statuses
from kling_contracts.world import World

Document = Mapping[str, Any]

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Operation(NamedTuple):
    """One method on one path, with the rules of its payload in document order."""

    id: str
    method: str
    paths: tuple[str, ...]
    """The documented path first, then the others that it also answers at."""
    media_types: tuple[str, ...]
    secured: bool
    """Whether it needs a bearer token."""
    example: Any
    """The document's own example of a payload."""
    example_world_json: Any
    """The world in which that example is valid."""
    statuses: Statuses
    tree: Tree

    @property
    def example_world(self) -> World:
        """The world in which the example is valid. Raises `ValueError` where the document's is wrong."""
        return World.from_json(self.example_world_json)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule on the payload."""
        return self.tree.rules


def operations_of(document: Document) -> Iterator[Operation]:
    """Yield every operation of an effective document. Raises `RuleError` where a rule is wrong."""
    for path, item in document["paths"].items():
        for method in filter(item.__contains__, _METHODS):
            yield _operation(document, path, method, item[method])


def _operation(document: Document, path: str, method: str, body: Document) -> Operation:
    components = document["components"]
    statuses = Statuses.of(body["responses"], components.get("responses", {}))
    (media_type, content), *_ = body["requestBody"]["content"].items()
    compiler = Compiler(components["schemas"]["Facts"], body["x-violation-code"], statuses)
    return Operation(
        id=body["operationId"],
        method=method.upper(),
        paths=(path, *body.get("x-also-at", ())),
        media_types=(media_type,),
        secured=bool(body.get("security", document.get("security"))),
        example=content.get("example"),
        example_world_json=content.get("x-world", {}),
        statuses=statuses,
        tree=Tree.grow(content["schema"], compiler),
    )
