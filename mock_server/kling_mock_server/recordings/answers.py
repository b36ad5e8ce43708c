"""Whether an answer has the shape that the documents declare for its operation and status."""

from functools import cached_property
from typing import Any

from kling_contracts import Contract, Operation
from kling_contracts.jsonio.keywords import Checker


class AnswerShapes:
    """The schemas of the answers of one contract, compiled at first use."""

    def __init__(self, contract: Contract) -> None:
        self._document = contract.document
        self._checkers: dict[tuple[str, int], Checker | None] = {}

    def faults(self, operation: Operation, status: int, envelope: Any) -> list[str]:
        """Return a sentence for each member that is not as declared; nothing for a status that nobody declares."""
        key = (operation.name, status)
        if key not in self._checkers:
            self._checkers[key] = self._checker(operation, status)
        checker = self._checkers[key]
        return _sentences(checker, envelope) if checker else []

    def callback_faults(self, body: Any) -> list[str]:
        """Return likewise what is wrong with the body of a callback."""
        return _sentences(self._callback, body) if self._callback else []

    def declares(self, operation: Operation, status: int) -> bool:
        """Return whether the documents declare a status for an operation."""
        return str(status) in self._responses(operation)

    @cached_property
    def _callback(self) -> Checker | None:
        for item in self._document["paths"].values():
            for body in item.values():
                for callback in body.get("callbacks", {}).values():
                    for expression in callback.values():
                        return self._of(expression["post"]["requestBody"]["content"])
        return None

    def _responses(self, operation: Operation) -> dict[str, Any]:
        responses: dict[str, Any] = self._document["paths"][operation.paths[0]][operation.method.lower()]["responses"]
        return responses

    def _checker(self, operation: Operation, status: int) -> Checker | None:
        declared = self._responses(operation).get(str(status))
        if declared is None:
            return None
        if "$ref" in declared:
            declared = self._document["components"]["responses"][declared["$ref"].rpartition("/")[2]]
        return self._of(declared.get("content", {}))

    def _of(self, contents: dict[str, Any]) -> Checker | None:
        content: dict[str, Any] = next(iter(contents.values()), {})
        if "schema" not in content:
            return None
        schemas = self._document["components"]["schemas"]
        return Checker({**content["schema"], "components": {"schemas": schemas}})


def _sentences(checker: Checker, value: Any) -> list[str]:
    return [f"{fault.pointer or 'the body'}: {fault.message}" for fault in checker.broken(value)]
