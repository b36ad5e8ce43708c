"""Auditing a validator: does it refuse what breaks a rule, and nothing else?"""

import inspect
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sized
from typing import Any, Final

from kling_contracts.audits.audit import Audit, Kind, Progress, no_progress
from kling_contracts.audits.audit_run import run_audit
from kling_contracts.audits.awaiting import finished
from kling_contracts.audits.findings import ACCEPTED, CallVerdict, FindingCounter
from kling_contracts.cases.case import Case
from kling_contracts.cases.catalogue import catalogue
from kling_contracts.cases.factory import factory_of
from kling_contracts.cases.generator import generate
from kling_contracts.contract import Contract
from kling_contracts.facts.world import World
from kling_contracts.rules.lookup import refuse_unknown_rules

Validator = Callable[..., Any]

KINDS: Final = (Kind.ACCEPTED, Kind.REFUSED, Kind.CRASHED)


def audit(
    validator: Validator,
    *,
    n: int = 1000,
    seed: int = 0,
    contract: Contract | None = None,
    ignore: Collection[str] = (),
    progress: Progress = no_progress,
) -> Audit:
    """Hold a payload validator against the boundary catalogue and `n` generated cases.

    It is called, and awaited where it is asynchronous, with a decoded payload, and with the world as JSON where its
    signature takes a second argument. Its answer is read in this way:

    - It raises: the payload is refused. Python's own exceptions (`KeyError`, `TypeError`) are crashes, except
      `ValueError` and `AssertionError`.
    - It returns a bool, or a tuple that begins with one: that is the verdict.
    - It returns text, another collection or an iterator: the errors; empty means accepted.
    - It returns None, the payload itself or an object that is no collection (a parsed model): accepted.

    A validator that takes no world must refuse what the contract refuses without one; whatever hangs on ids, on a
    video or on a stored audio is not judged. `ignore` names rules that it is not meant to know; `progress` is told
    after each case how far the audit is. Raises `ValueError` where one of the rules does not exist, and
    `InterruptedAuditError`, with the result so far, at Ctrl-C.
    """
    contract = contract or factory_of(None).contract
    refuse_unknown_rules(ignore, contract.rules)
    auditing = _ValidatorAudit(validator, contract, frozenset(ignore))
    generated = generated_payloads(contract, n, seed)
    return run_audit(payload_rows(contract), generated, n, auditing.judge, auditing.result, progress)


class _ValidatorAudit:
    def __init__(self, validator: Validator, contract: Contract, ignore: frozenset[str]) -> None:
        self.validator = validator
        self.contract = contract
        self.ignore = ignore
        self.findings = FindingCounter(contract)
        self.world_argument = world_argument_of(validator)

    def judge(self, case: Case) -> None:
        """Have one payload judged; a validator that does not know what is wrong with it is not judged by it."""
        payload, world_argument = case.payload, self.world_argument
        breaks = case.breaks if world_argument else frozenset(self.contract.report(payload).broken)
        knows = (breaks & case.breaks) - self.ignore
        if knows or not breaks | case.breaks:
            others = [world_argument(case.world)] if world_argument else []
            self.findings.add(case, knows, judgement(self.validator, payload, *others))

    def result(self) -> Audit:
        """Return what was found so far."""
        return self.findings.audit(name_of(self.validator), KINDS, self._because)

    def _because(self, rule: str) -> str:
        if rule in self.ignore:
            return "it was asked to be left out"
        if self.contract.rules[rule].kind == "request":
            return ""
        return "the payload alone does not show it; take the world as a second argument to have it judged"


def payload_rows(contract: Contract) -> Iterator[Case]:
    """Yield the rows of the catalogue that are about a payload alone."""
    return _about_payloads(contract, catalogue(contract))


def generated_payloads(contract: Contract, n: int, seed: int) -> Iterator[Case]:
    """Yield those of `n` generated cases that are about a payload alone."""
    return _about_payloads(contract, generate(seed, n, contract))


def _about_payloads(contract: Contract, cases: Iterable[Case]) -> Iterator[Case]:
    about = {rule.id for rule in contract.operation.rules}
    return (case for case in cases if case.breaks <= about)


def judgement(validator: Validator, payload: Any, *others: Any) -> CallVerdict:
    """Return what a validator makes of one payload."""
    try:
        returned = finished(validator(payload, *others))
    except (Exception, SystemExit) as error:
        return CallVerdict(False if is_refusal(error) else None, error_line(error))
    return _read(returned, payload)


def is_refusal(error: BaseException) -> bool:
    """Return whether raising this is an answer; an exception of Python itself tells of a bug, `ValueError` apart."""
    return isinstance(error, ValueError | AssertionError) or type(error).__module__ != "builtins"


def error_line(error: BaseException) -> str:
    """Return an exception and where it was raised, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first} ({frame.filename.rpartition('/')[2]}, line {frame.lineno})"


def world_argument_of(validator: Validator) -> Callable[[World], Any] | None:
    """Return the function that makes a validator's second argument; None where it takes the payload alone.

    The second argument is the world where it is required or called so: a `World` where it is annotated as one,
    otherwise JSON.
    """
    try:
        parameters = list(inspect.signature(validator).parameters.values())
    except (TypeError, ValueError):
        return None
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if len(positional) < 2 or (
        positional[1].default is not inspect.Parameter.empty and "world" not in positional[1].name
    ):
        return None
    return _as_it_is if "World" in str(positional[1].annotation) else World.to_json


def _as_it_is(world: World) -> World:
    return world


def name_of(target: object) -> str:
    """Return what a callable is called."""
    return getattr(target, "__qualname__", None) or type(target).__qualname__


def _read(returned: Any, payload: Any) -> CallVerdict:
    if isinstance(returned, tuple) and returned and isinstance(returned[0], bool):
        return CallVerdict(returned[0], _shown(returned))
    if isinstance(returned, bool):
        return CallVerdict(returned)
    if returned is None or returned is payload or returned == payload:
        return ACCEPTED
    if isinstance(returned, Iterator):
        returned = list(returned)
    return CallVerdict(not (isinstance(returned, Sized) and len(returned)), _shown(returned))


def _shown(returned: Any) -> str:
    text = repr(returned)
    return f"returned {text[:200]}{'...' if len(text) > 200 else ''}"
