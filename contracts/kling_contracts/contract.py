"""The contract: the effective document, compiled; `collect_violations` returns, `check` raises."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kling_contracts import document as documents
from kling_contracts.errors import DocumentError
from kling_contracts.facts import Fetch, Meter, unfetched
from kling_contracts.gate import Gate, Refusal
from kling_contracts.http import Request
from kling_contracts.operation import Operation, operations_of
from kling_contracts.rules import Compiler, Rule
from kling_contracts.violations import ContractViolation, Report, Violation
from kling_contracts.world import World

Document = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Contract:
    """One compiled document. Build it with `Contract.load`; it is immutable and may be shared by threads."""

    document: Document
    """The effective document: OpenAPI 3.1, all rules included."""
    operations: tuple[Operation, ...]
    gate: Gate
    """What is judged before there is a payload."""

    @classmethod
    def load(
        cls, profile: str = "documented", *, upstream_state: bool = True, folder: Path | None = None
    ) -> "Contract":
        """Load the contract of a profile.

        `upstream_state=False` drops the rules on the account's state that only upstream documents. `folder`
        holds the documents, by default the installed ones. Raises `ValueError` for an unknown profile and
        `DocumentError` where the documents are wrong.
        """
        return cls.compile(documents.effective(profile, upstream_state=upstream_state, folder=folder))

    @classmethod
    def compile(cls, document: Document) -> "Contract":
        """Compile an effective document. Raises `DocumentError` where it is wrong."""
        try:
            operations = tuple(operations_of(document))
            compiler = Compiler({}, 0, operations[0].statuses)
            rules = {rule.id: rule for rule in compiler.request_rules(document.get("x-request-rules", []))}
        except (KeyError, IndexError, TypeError) as error:
            raise DocumentError(f"the effective document lacks {error}") from error
        return cls(document, operations, Gate(rules, _routes(operations)))

    @property
    def operation(self) -> Operation:
        """The operation that a bare payload belongs to: the first of the document."""
        return self.operations[0]

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """Every rule by id, those of the request first, then those of the payload, in document order."""
        return MappingProxyType({**self.gate.rules, **{rule.id: rule for rule in self.operation.rules}})

    @cached_property
    def largest_file(self) -> int | None:
        """The size in bytes that a rule allows an audio file, None where no rule does."""
        return max(self._limits_on("facts.file.size_bytes"), default=None)

    def report(self, request: Request | Any, world: World | None = None, *, fetch: Fetch = unfetched) -> Report:
        """Judge a `Request`, or a payload that is already decoded, against a world.

        Without a world every rule that needs one is unverified. `fetch` resolves URLs that the world does not
        list. Raises `TypeError` for a payload that is not a JSON value.
        """
        if not isinstance(request, Request):
            return self.operation.tree.report(request, Meter(world, fetch, self.largest_file))
        try:
            operation = self.gate.route(request)
            if operation.secured:
                self.gate.token(request)
            payload = self.gate.payload(request, operation)
        except Refusal as refusal:
            return Report((refusal.violation,))
        return operation.tree.report(payload, Meter(world, fetch, self.largest_file))

    def collect_violations(
        self, request: Request | Any, world: World | None = None, *, fetch: Fetch = unfetched
    ) -> tuple[Violation, ...]:
        """Return the violations of `report`; empty means valid."""
        return self.report(request, world, fetch=fetch).violations

    def check(self, request: Request | Any, world: World | None = None, *, fetch: Fetch = unfetched) -> None:
        """Raise `ContractViolation` where `collect_violations` returns anything."""
        violations = self.collect_violations(request, world, fetch=fetch)
        if violations:
            raise ContractViolation(violations)

    def _limits_on(self, fact: str) -> Iterator[int]:
        for rule in self.operation.rules:
            for condition in rule.expression.conditions if rule.expression else ():
                if fact in condition.reads:
                    yield from condition.limits


def _routes(operations: tuple[Operation, ...]) -> dict[str, dict[str, Operation]]:
    routes: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        for path in operation.paths:
            routes.setdefault(path, {})[operation.method] = operation
    return routes
