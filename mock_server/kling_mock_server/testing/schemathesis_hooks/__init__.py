"""Hooks for Schemathesis: it sends our cases besides its own, and compares every answer with the contract's verdict.

The server has a control surface and a closed list of tokens (`klingkit serve --token klingkit`): every request is
sent into a world of its own. Importing this package registers everything.
"""

from functools import partial
from typing import Any, Final

import click
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData, UnsupportedMethodResponse

from kling_mock_server.testing.schemathesis_hooks.bench import KEY, TOKEN, Bench
from kling_mock_server.testing.schemathesis_hooks.carrying import (
    bench_of,
    carry,
    has_own_world,
    keep_bench,
    ours,
    prepare,
    verdict_on,
)
from kling_mock_server.testing.schemathesis_hooks.verdict import ContractVerdict

__all__ = ["TOKEN", "ContractDisagreement", "contract_rules"]

_FORMATS: Final = {"session_id": "kling-session-id", "face_id": "kling-face-id", "audio_id": "kling-audio-id"}


@schemathesis.auth(refresh_interval=None, retry_on=[])
class Key:
    """Sends the one welcome token; a configured header could neither be left out nor replaced."""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        """Return the header."""
        return KEY

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        """Put the header into a case."""
        case.headers["Authorization"] = data


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Compile the contract, and give the ids formats: else nothing that Schemathesis makes gets past them."""
    bench = Bench.of(raw_schema)
    keep_bench(raw_schema, bench)
    for field, known in bench.ids.items():
        schemathesis.openapi.format(_FORMATS[field], st.sampled_from(known))
    _give_formats(raw_schema["paths"])


def _give_formats(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _give_formats(item)
    elif isinstance(node, dict):
        for name in _FORMATS.keys() & node.get("properties", {}).keys():
            node["properties"][name]["format"] = _FORMATS[name]
        for child in node.values():
            _give_formats(child)


@schemathesis.hook
def before_add_examples(context: schemathesis.HookContext, examples: list[schemathesis.Case]) -> None:
    """Send the boundary catalogue before the document's own example: the last is sent first."""
    operation = _operation(context)
    rows = bench_of(operation).rows(ours(operation).name)
    examples += [carry(operation, TestPhase.EXAMPLES, row) for row in reversed(rows)]


@schemathesis.hook
def before_generate_case(
    context: schemathesis.HookContext, strategy: st.SearchStrategy[schemathesis.Case]
) -> st.SearchStrategy[schemathesis.Case]:
    """Send our cases half of the time."""
    operation = _operation(context)
    drawn = bench_of(operation).drawn(ours(operation).name)
    return st.one_of(strategy, drawn.map(partial(carry, operation, TestPhase.FUZZING)))


def _operation(context: schemathesis.HookContext) -> schemathesis.APIOperation:
    assert context.operation is not None, "cases are made for an operation"
    return context.operation


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Make the world that the request is judged in."""
    if has_own_world(case):
        prepare(case, kwargs)


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: schemathesis.Case, response: schemathesis.Response
) -> bool:
    """Drop findings that Schemathesis cannot judge: a refusal by rules that the contract finds broken, too.

    For a method that is not offered the vendor says 404 / 1202, and Schemathesis expects 405. A look-up that follows
    another call is judged by tasks that only the account knows: it may name rules that the contract cannot verify.
    """
    if isinstance(failure, EnsureResourceAvailability):
        # The world of another request has made the task forgotten.
        return False
    if not isinstance(failure, RejectedPositiveData | UnsupportedMethodResponse):
        return True
    verdict = verdict_on(case, response)
    return not (verdict.possible_refusal if not has_own_world(case) else verdict.agreed_refusal)


class ContractDisagreement(Failure):
    """The server answered otherwise than the contract says."""

    kind_title = "Answer differs from the contract"

    __slots__ = ("rules",)

    def __init__(self, *, operation: str, verdict: ContractVerdict) -> None:
        super().__init__(operation=operation, message=str(verdict))
        self.rules = verdict.disputed

    @property
    def _unique_key(self) -> str:
        # One finding per rule, not one for all of them.
        return self.rules


@schemathesis.check
class contract_rules:
    """Every answer is the contract's verdict, and enough of its rules were broken at least once.

    `fail_under`: per cent of the rules that requests to the called operations can break; under it the run
    fails. Named as it is configured, like Schemathesis' own.
    """

    def __init__(self, fail_under: float = 0) -> None:
        self._fail_under = fail_under
        self._called: set[str] = set()
        self._broken: dict[str, bool] = {}

    def after_response(
        self, ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
    ) -> None:
        """Compare one answer; the rules of an operation count from its first call on."""
        if not has_own_world(case):
            return
        verdict = verdict_on(case, response)
        if verdict.disagreement:
            raise ContractDisagreement(operation=case.operation.label, verdict=verdict)
        name = ours(case.operation).name
        if name not in self._called:
            self._called.add(name)
            self._broken = dict.fromkeys(bench_of(case.operation).rules(name), False) | self._broken
        self._broken.update(dict.fromkeys(verdict.report.broken, True))

    def after_run(self, ctx: schemathesis.CheckContext) -> None:
        """Tell which rules no request broke; fail where they are too many."""
        total, broken = len(self._broken), sum(self._broken.values())
        percent = 100 * broken / total if total else 0.0
        never = ", ".join(rule for rule, seen in self._broken.items() if not seen)
        told = f"{broken} of {total} rules broken and refused, {percent:.1f} %; never: {never or 'none'}"
        assert percent >= self._fail_under, f"{told}\n\nfail_under is {self._fail_under}"
        click.echo(f"\nContract: {told}\n")
