"""The contract: the effective document, compiled; `collect_violations` returns, `check` raises."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from kling_contracts.documents import loading as documents
from kling_contracts.errors import DocumentError, RuleError
from kling_contracts.facts.sources import FactSources, Fetch, unfetched
from kling_contracts.facts.world import World
from kling_contracts.http import Request
from kling_contracts.judging.answer_names import check_answer_names
from kling_contracts.judging.operation import Operation, operations_of
from kling_contracts.judging.reading import NULL_IS_ABSENT
from kling_contracts.judging.report import ContractViolation, Report, Violation
from kling_contracts.judging.request_rules import RequestRules, Routes
from kling_contracts.rules.price import Price
from kling_contracts.rules.rule import Compiler, Rule
from kling_contracts.rules.service_codes import ServiceCode, service_codes

Document = Mapping[str, Any]

REQUEST_RULES: Final = (
    "path",
    "method",
    "authorization-missing",
    "authorization-invalid",
    "authorization-not-yet-valid",
    "authorization-expired",
    "content-type",
    "body.required",
    "body-json",
    "body-too-large",
)
"""The rules on any request: what they say stands in the documents, what they judge in code."""


WorldLike = World | Mapping[str, Any] | None
"""A world, its JSON form, or none."""


@dataclass(frozen=True, eq=False)
class Contract:
    """One compiled document. Build it with `Contract.load`; it is immutable and may be shared by threads."""

    document: Document
    """The effective document: OpenAPI 3.1, all rules included."""
    operations: tuple[Operation, ...]
    request_rules: RequestRules
    """The request rules, judged before there is a payload."""
    account_rules: Mapping[str, Rule]
    """Rules by which an account refuses a valid request, by id: too many tasks at once."""
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    """Parts that are made of the contract once and end with it, such as the factories of its cases."""

    @classmethod
    def load(
        cls,
        profile: str = "documented",
        *,
        upstream_state: bool = True,
        null_is_absent: bool = False,
        folder: Path | str | None = None,
    ) -> "Contract":
        """Load the contract of a profile.

        `upstream_state=False` drops the rules on the account's state that only upstream documents.
        `null_is_absent=True` lets a documented member that is null count as absent, as the profile `upstream` does.
        `folder` holds the documents, by default the installed ones. Raises `ValueError` for an unknown profile and
        `DocumentError` where the documents are wrong.
        """
        home = None if folder is None else Path(folder)
        document, is_shipped = documents.load(profile, upstream_state=upstream_state, folder=home)
        if null_is_absent:
            document = {**document, NULL_IS_ABSENT: True}
        try:
            return cls.compile(document, is_right=is_shipped)
        except RuleError as error:
            place = documents.place_of_rule(error.rule_id, home) if error.rule_id else ""
            raise RuleError(f"{place}: {error}" if place else str(error), error.rule_id) from None

    @classmethod
    def compile(cls, document: Document, *, is_right: bool = False) -> "Contract":
        """Compile an effective document. Raises `DocumentError` where it is wrong.

        Each operation is compiled at its first use where the document is known to be right.
        """
        try:
            operations = tuple(operations_of(document, is_right=is_right))
            if not is_right:
                for operation in operations:
                    _ = operation.judge, operation.reader
                check_answer_names(document, {fact.name for one in operations for fact in one.facts.declared})
            compiler = Compiler({}, 0, operations[0].statuses)
            rules = {rule.id: rule for rule in compiler.request_rules(document.get("x-request-rules", []))}
            _refuse_missing(rules)
            account = {rule.id: rule for rule in compiler.request_rules(document.get("x-account-rules", []))}
        except (KeyError, IndexError, TypeError) as error:
            raise DocumentError(f"the effective document lacks {error}") from error
        return cls(document, operations, RequestRules(rules, Routes(operations)), MappingProxyType(account))

    @property
    def operation(self) -> Operation:
        """The operation that a bare payload belongs to: the first of the document."""
        return self.operations[0]

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """Every rule of the first operation by id, those of the request first, then those of the payload."""
        return self.rules_of([self.operation])

    def rules_of(self, operations: Iterable[Operation]) -> Mapping[str, Rule]:
        """Return the rules of some operations by id, those of the request first; as in `every_rule` where two share
        an id."""
        payload_rules = chain.from_iterable(operation.rules for operation in operations)
        found = dict(self.request_rules.rules)
        for rule in payload_rules:
            found.setdefault(rule.id, rule)
        return MappingProxyType(found)

    @cached_property
    def every_rule(self) -> Mapping[str, Rule]:
        """Every rule by id, of all operations; where two share an id (`body.type`), the earlier operation's."""
        others = {rule.id: rule for operation in reversed(self.operations) for rule in operation.rules}
        return MappingProxyType({**self.rules, **self.account_rules, **others, **self.rules})

    @cached_property
    def mock_rules(self) -> Mapping[str, Rule]:
        """Rules of the mock's own refusals, by id: its files, its control surface, its own failures."""
        if "x-mock-rules" not in self.document:
            return Contract.load().mock_rules
        compiler = Compiler({}, 0, self.operation.statuses)
        rules = compiler.request_rules(self.document.get("x-mock-rules", []))
        return MappingProxyType({rule.id: rule for rule in rules})

    @cached_property
    def codes(self) -> Mapping[int, ServiceCode]:
        """Every service code of a refusal, by number: its status, its message, and whether a retry can help."""
        rules = (*self.request_rules.rules.values(), *self.account_rules.values())
        return MappingProxyType(service_codes(self.document, ((rule.code, rule.message) for rule in rules)))

    def rule_on(self, name: str, fact: str) -> Rule | None:
        """Return the first rule of an operation that asks whether the world has a fact, `facts.task`; else None."""
        rules = self.by_name[name].rules if name in self.by_name else ()
        return next((rule for rule in rules if rule.expression and fact in rule.expression.reads), None)

    @property
    def limiting_rule(self) -> Rule | None:
        """The rule that refuses a task because as many run as may; None where the documents have none."""
        return next(iter(self.account_rules.values()), None)

    @cached_property
    def prices(self) -> Mapping[str, Price]:
        """The price of a call, by the short name of the operation; an operation of unknown price is left out."""
        bodies = (body for item in self.document["paths"].values() for body in item.values() if "x-price" in body)
        return MappingProxyType({body["x-name"]: Price.from_json(body["x-price"]) for body in bodies})

    @cached_property
    def by_name(self) -> Mapping[str, Operation]:
        """The operations by their short names."""
        return MappingProxyType({operation.name: operation for operation in self.operations})

    @cached_property
    def largest_file(self) -> int | None:
        """The size in bytes that a rule allows a file of an audio; None where no rule does."""
        return self.largest("audio")

    def largest(self, holds: str) -> int | None:
        """Return the size in bytes that a rule allows a file that holds `audio` or `video`; None where no rule does."""
        sizes = [operation.facts.largest(holds) for operation in self.operations]
        return max((size for size in sizes if size is not None), default=None)

    def limit_on(self, fact: str) -> int | None:
        """Return the most that the first operation with a rule on it allows a fact; None where none has one."""
        limits = (operation.limit_on(fact) for operation in self.operations)
        return next((limit for limit in limits if limit is not None), None)

    def report(self, request: Request | Any, world: WorldLike = None, *, fetch: Fetch = unfetched) -> Report:
        """Judge a `Request`, or a payload that is already decoded, against a world or its JSON form.

        Without a world every rule that needs one is unverified. `fetch` resolves URLs that the world does not
        list. Raises `TypeError` for a payload that is not a JSON value, `ValueError` for a mapping that is no world.
        """
        sources = _sources(world, fetch)
        asked = self._asked(request)
        return Report((asked,)) if isinstance(asked, Violation) else asked[0].report(asked[1], sources)

    def collect_violations(
        self, request: Request | Any, world: WorldLike = None, *, fetch: Fetch = unfetched
    ) -> tuple[Violation, ...]:
        """Return the violations of `report`; empty means valid."""
        sources = _sources(world, fetch)
        asked = self._asked(request)
        return (asked,) if isinstance(asked, Violation) else asked[0].violations(asked[1], sources)

    def _asked(self, request: Request | Any) -> tuple[Operation, Any] | Violation:
        """Return the operation that a request is for and its payload, or the broken request rule."""
        if not isinstance(request, Request):
            return self.operations[0], request
        routed = self.request_rules.route(request)
        if isinstance(routed, Violation):
            return routed
        token = self.request_rules.token(request) if routed.operation.secured else ""
        if isinstance(token, Violation):
            return token
        payload = self.request_rules.payload(request, routed)
        return payload if isinstance(payload, Violation) else (routed.operation, payload)

    def check(self, request: Request | Any, world: WorldLike = None, *, fetch: Fetch = unfetched) -> None:
        """Raise `ContractViolation` where `collect_violations` returns anything."""
        violations = self.collect_violations(request, world, fetch=fetch)
        if violations:
            raise ContractViolation(violations)


def _sources(world: WorldLike, fetch: Fetch) -> FactSources:
    # Most worlds are one already.
    given = world if isinstance(world, World) else World.of(world)
    return FactSources(given) if fetch is unfetched else FactSources(given, fetch={"audio": fetch})


def _refuse_missing(rules: Mapping[str, Rule]) -> None:
    missing = [rule_id for rule_id in REQUEST_RULES if rule_id not in rules]
    if missing:
        raise DocumentError(f"x-request-rules lacks {', '.join(missing)}")
