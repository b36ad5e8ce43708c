"""Auditing a payload builder: does it build what is possible, and refuse what is not?"""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from kling_contracts.audits.audit import Audit, Kind, Progress, no_progress
from kling_contracts.audits.audit_run import run_audit
from kling_contracts.audits.awaiting import finished
from kling_contracts.audits.builder_arguments import BuilderArguments
from kling_contracts.audits.findings import CallVerdict, FindingCounter
from kling_contracts.audits.validators import (
    error_line,
    generated_payloads,
    is_refusal,
    name_of,
    payload_rows,
)
from kling_contracts.cases.case import Case
from kling_contracts.cases.factory import factory_of
from kling_contracts.contract import Contract
from kling_contracts.jsonio import strict_json
from kling_contracts.rules.lookup import refuse_unknown_rules
from kling_contracts.rules.rule import Rule

Builder = Callable[..., Any]

_KINDS: Final = (Kind.ACCEPTED, Kind.REFUSED, Kind.CRASHED)
_TRIED: Final = 5


def audit_builder(
    builder: Builder,
    *,
    n: int = 1000,
    seed: int = 0,
    contract: Contract | None = None,
    ignore: Collection[str] = (),
    progress: Progress = no_progress,
) -> Audit:
    """Drive a payload builder by intents: this face, this clip, start here.

    Its parameters say what it takes (`session_id`, `face_id`, `audio_id`, `start`, `end`, `insert`, `volume`, ...);
    times are ms, seconds where the name ends in `_s` or the annotation is float. A possible intent must become a
    payload that breaks no rule. An impossible one must be refused with `ValueError`, or become a payload that
    breaks none: as far as the builder can know, by what it is told (`video_ms`, `face_window`, `world`). Those
    of the catalogue go first, then `n` generated ones; `progress` is told after each how far the audit is.

    Raises `ValueError` where a required parameter is not understood, and `InterruptedAuditError`, with the result so
    far, at Ctrl-C.
    """
    contract = contract or factory_of(None).contract
    refuse_unknown_rules(ignore, contract.rules)
    intents = BuilderArguments.of(builder)
    auditing = _BuilderAudit(builder, intents, contract, frozenset(ignore))
    # Not every case can be said with the parameters that there are.
    generated = auditing.sayable(generated_payloads(contract, _TRIED * n, seed))

    rows = auditing.sayable(payload_rows(contract))
    return run_audit(rows, islice(generated, n), n, auditing.drive, auditing.result, progress)


def is_builder(target: Callable[..., Any]) -> bool:
    """Return whether a callable's signature is that of a payload builder."""
    try:
        BuilderArguments.of(target)
    except (TypeError, ValueError):
        return False
    return True


class _BuilderAudit:
    def __init__(self, builder: Builder, intents: BuilderArguments, contract: Contract, ignore: frozenset[str]) -> None:
        self.builder = builder
        self.intents = intents
        self.contract = contract
        self.ignore = ignore
        self.findings = FindingCounter(contract)

    def sayable(self, cases: Iterable[Case]) -> Iterator[tuple[Case, inspect.BoundArguments]]:
        """Yield the cases that the builder's parameters can ask for, with its arguments."""
        for case in cases:
            arguments = self.intents.arguments(case)
            if arguments is not None:
                yield case, arguments

    def result(self) -> Audit:
        """Return what was found so far.

        The arguments and the built payload say it all; the payload of the case is only the source of the intent.
        """
        audit = self.findings.audit(name_of(self.builder), _KINDS, self.because)
        return replace(audit, ways=lambda case: ())

    def drive(self, said: tuple[Case, inspect.BoundArguments]) -> None:
        """Have one intent built; a builder that does not know that it is impossible is not judged by it."""
        case, arguments = said
        knows = frozenset(rule for rule in case.breaks if self._is_told(self.contract.rules[rule])) - self.ignore
        if case.breaks and not knows:
            return
        asked = f"asked for: {_call(arguments)}"
        built = self._build(arguments)
        if isinstance(built, CallVerdict):
            self.findings.add(case, knows, built._replace(detail=f"{asked}\n{built.detail}"))
        elif broken := self._broken(built, case):
            self.findings.add(case, broken, CallVerdict(True, f"{asked}\nbuilt: {built!r}"))
        else:
            # It found something possible in place of an impossible intent: as good as a refusal.
            self.findings.add(case, knows, CallVerdict(not case.breaks))

    def because(self, rule: str) -> str:
        """Return why no intent was about a rule; "" where none can be."""
        if rule in self.ignore:
            return "it was asked to be left out"
        return "" if self.contract.rules[rule].kind != "cel" else "no intent that this builder takes is about it"

    def _build(self, arguments: inspect.BoundArguments) -> Any:
        """Return the JSON value that was built; where there is none, a `CallVerdict` on that."""
        try:
            built = finished(self.builder(*arguments.args, **arguments.kwargs))
        except (Exception, SystemExit) as error:
            return CallVerdict(False if is_refusal(error) else None, error_line(error))
        try:
            return _payload(built)
        except (TypeError, ValueError) as error:
            return CallVerdict(None, f"built no payload: {error}")

    def _broken(self, built: Any, case: Case) -> frozenset[str]:
        """The rules that the payload breaks, of an impossible intent those that the builder could know of."""
        broken = frozenset(self.contract.report(built, case.world).broken) - self.ignore
        if not case.breaks:
            return broken
        alone = set(self.contract.report(built).broken)
        return frozenset(rule for rule in broken if rule in alone or self._is_told(self.contract.rules[rule]))

    def _is_told(self, rule: Rule) -> bool:
        reads = rule.expression.reads if rule.expression else ()
        return all(self.intents.tells(name) for name in reads if name.startswith("facts."))


def _payload(built: Any) -> Any:
    """Return what was built as a JSON value. Raises `ValueError` where it is none."""
    if isinstance(built, str | bytes):
        return strict_json.decode(built.encode() if isinstance(built, str) else built)
    if not isinstance(built, Mapping):
        raise ValueError(f"it returned {type(built).__name__}, not a dict or JSON text")
    return dict(built)


def _call(arguments: inspect.BoundArguments) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.arguments.items() if name not in _LONG)


_LONG: Final = ("world", "world_json")
