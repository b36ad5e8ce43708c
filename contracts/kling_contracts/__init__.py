"""The contract of Kling's advanced lip-sync endpoint, compiled from the vendor's document."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_contracts.audits import Audit, audit, audit_builder
    from kling_contracts.cases.case import Case
    from kling_contracts.cases.catalogue import catalogue
    from kling_contracts.cases.generator import generate
    from kling_contracts.contract import Contract
    from kling_contracts.errors import DocumentError, OverlayError, RuleError
    from kling_contracts.facts.world import World
    from kling_contracts.http import Request, Response
    from kling_contracts.judging.operation import Operation
    from kling_contracts.judging.report import ContractViolation, Note, Report, Unverified, Violation
    from kling_contracts.rules.rule import Quote, Rule

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "Case",
    "Contract",
    "ContractViolation",
    "DocumentError",
    "Note",
    "Operation",
    "OverlayError",
    "Quote",
    "Report",
    "Request",
    "Response",
    "Rule",
    "RuleError",
    "Unverified",
    "Violation",
    "World",
    "audit",
    "audit_builder",
    "catalogue",
    "generate",
]

_LATE = {
    "Audit": "audits",
    "Case": "cases.case",
    "Contract": "contract",
    "ContractViolation": "judging.report",
    "DocumentError": "errors",
    "Note": "judging.report",
    "Operation": "judging.operation",
    "OverlayError": "errors",
    "Quote": "rules.rule",
    "Report": "judging.report",
    "Request": "http",
    "Response": "http",
    "Rule": "rules.rule",
    "RuleError": "errors",
    "Unverified": "judging.report",
    "Violation": "judging.report",
    "World": "facts.world",
    "audit": "audits",
    "audit_builder": "audits",
    "catalogue": "cases.catalogue",
    "generate": "cases.generator",
}
"""The module of each name, imported when the name is first used: `klingkit --help` and the pytest plugin need none."""


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    return value
