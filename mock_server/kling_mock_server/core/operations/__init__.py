"""The operations that the mock can carry out. `OPERATIONS` is the one list."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from kling_contracts import Contract, Operation
from kling_contracts.errors import DocumentError
from kling_mock_server.assets.library import FileKind, Library
from kling_mock_server.core.operations.by_example import AnswerByExample
from kling_mock_server.core.operations.creating import Create
from kling_mock_server.core.operations.identifying import Identify
from kling_mock_server.core.operations.looking_up import List, Query
from kling_mock_server.core.operations.speaking import Speak
from kling_mock_server.core.operations.work import Work
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.names import CREATE, IDENTIFY, LIST, QUERY, TTS


class OperationEntry(NamedTuple):
    """One operation that the mock can carry out."""

    work: Callable[[Operation, Resources], Work]
    """The sources of its facts, and what it does."""
    files: Mapping[str, FileKind] = MappingProxyType({})
    """The kinds of files that its answers lead to, by the name that their URLs have for them."""


OPERATIONS: Final[Mapping[str, OperationEntry]] = {
    CREATE: OperationEntry(Create, {"results": FileKind("video/mp4", Library.result_video)}),
    QUERY: OperationEntry(Query),
    LIST: OperationEntry(List),
    IDENTIFY: OperationEntry(
        Identify,
        {
            "videos": FileKind("video/mp4", Library.source_video),
            "faces": FileKind("image/png", Library.portrait),
        },
    ),
    TTS: OperationEntry(Speak, {"audios": FileKind("audio/wav", Library.audio)}),
}
"""By the short name of the operation."""

FILES: Final = {kind: file for entry in OPERATIONS.values() for kind, file in entry.files.items()}
"""Every kind of file that the mock serves."""


def works_of(contract: Contract, resources: Resources) -> Mapping[str, Work]:
    """Return the work for every operation of a contract, by its short name.

    One that is not in `OPERATIONS` is answered with the document's own example. Raises `DocumentError` where there is
    none, and where tasks are to be created that no rule limits.
    """
    if CREATE in contract.by_name and contract.limiting_rule is None:
        raise DocumentError("x-account-rules has no rule, and by it the mock refuses a task where too many run")
    return {operation.name: _work(operation, resources) for operation in contract.operations}


def _work(operation: Operation, resources: Resources) -> Work:
    entry = OPERATIONS.get(operation.name)
    if entry:
        return entry.work(operation, resources)
    if operation.answer_example is None:
        raise DocumentError(
            f"the mock cannot answer the operation {operation.name!r}: it is none of {', '.join(OPERATIONS)}, and the "
            "document has no example of a good answer to it (content, application/json, example)"
        )
    return AnswerByExample(operation, resources)
