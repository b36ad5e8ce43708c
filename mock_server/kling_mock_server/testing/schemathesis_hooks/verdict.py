"""The contract's verdict on a request that was sent, compared with the answer."""

import json
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from kling_contracts import Report, Request, Response, World
from kling_contracts.cases.case import Case
from kling_contracts.judging.report import describe
from kling_mock_server.protocol.names import CONTROL_PREFIX, VIOLATIONS_HEADER
from kling_mock_server.testing.schemathesis_hooks.bench import Bench


class ContractVerdict(NamedTuple):
    """The contract's judgement of a request, and the server's answer. Its header names are in lower case."""

    report: Report
    response: Response
    world: World
    labelled: Case | None
    """The case that was sent; None where Schemathesis made the request."""
    allowed: str
    """The methods that the request's path has."""

    @classmethod
    def on(cls, request: Request, response: Response, labelled: Case | None, bench: Bench) -> "ContractVerdict":
        """Judge a request in the world it was sent into."""
        world = labelled.world if labelled else bench.world
        return cls(
            bench.report(request, world), response, world, labelled, bench.contract.request_rules.allowed(request.path)
        )

    @property
    def disagreement(self) -> str:
        """The mistake in the answer, in one line; empty where there is none."""
        return next(self._disagreements(), "")

    @property
    def agreed_refusal(self) -> bool:
        """Whether the contract refuses the request, and the server did so for the same rules."""
        return bool(self.report.violations) and not self.disagreement

    @property
    def possible_refusal(self) -> bool:
        """Whether the server refused for rules that the contract finds broken or cannot verify."""
        named = set(filter(None, self._header(VIOLATIONS_HEADER).split(", ")))
        unverified = {one.rule.id for one in self.report.unverified}
        return bool(named) and named <= {*self.report.broken, *unverified}

    @property
    def disputed(self) -> str:
        """The rules that only one side finds broken; where both find the same, the first of them."""
        broken, named = self.report.broken, self._header(VIOLATIONS_HEADER)
        return _listed(set(broken) ^ set(filter(None, named.split(", "))) or broken[:1])

    def _disagreements(self) -> Iterator[str]:
        broken, status, code = self.report.broken, self.response.status, self._code
        if self.labelled and self.labelled.breaks != set(broken):
            yield f"made to break {_listed(self.labelled.breaks)}, but the contract finds {_listed(broken)}"
        if broken:
            yield from self._wrong_refusal(status, code)
        elif (status, code) != (200, 0):
            yield f"refused with {status} / {code}, but it breaks no rule"

    def _wrong_refusal(self, status: int, code: Any) -> Iterator[str]:
        broken, rule = self.report.broken, self.report.violations[0].rule
        if (status, code) == (200, 0):
            yield f"accepted, but it breaks {_listed(broken)}"
        if (status, code) != (rule.status, rule.code):
            yield f"refused with {status} / {code}, but {rule.id} is refused with {rule.status} / {rule.code}"
        named, allowed = self._header(VIOLATIONS_HEADER), self._header("Allow")
        if named != ", ".join(broken):
            yield f"{VIOLATIONS_HEADER} names {named or 'nothing'}, but it breaks {', '.join(broken)}"
        if rule.id == "method" and allowed != self.allowed:
            yield f"Allow names {allowed or 'nothing'}, but the path has {self.allowed}"

    @property
    def _code(self) -> Any:
        try:
            return json.loads(self.response.body)["code"]
        except (ValueError, LookupError, TypeError):
            return None

    def _header(self, name: str) -> str:
        return self.response.headers.get(name.lower(), "")

    def __str__(self) -> str:
        """Return the disagreement with all that is needed to understand it."""
        why = [self.labelled.why] if self.labelled else []
        violations = [describe(violation) for violation in self.report.violations]
        world = f"In this world (PUT {CONTROL_PREFIX}/world): {json.dumps(self.world.to_json(), ensure_ascii=False)}"
        return "\n\n".join([self.disagreement, *why, *violations, world])


def _listed(rules: Collection[str]) -> str:
    return ", ".join(sorted(rules)) or "no rule"
