"""The maker of one contract's cases: a plan and its changes in, a labelled case out."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from kling_contracts.cases.case import Case
from kling_contracts.cases.generation.changes import Change
from kling_contracts.cases.generation.faults import SERVER_RULES, faults_of
from kling_contracts.cases.generation.limits import Limits
from kling_contracts.cases.generation.payloads import payload_of, world_of
from kling_contracts.cases.generation.plans import Below, Plan, margins, pick
from kling_contracts.cases.generation.transport import request_of
from kling_contracts.contract import Contract
from kling_contracts.rules.rule import Rule


class Maker:
    """Makes cases. It may be shared by threads."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.limits = Limits.of(contract)
        self.faults = faults_of(contract, self.limits)
        self.breakable = tuple(rule for rule, ways in self.faults.items() if ways and rule not in SERVER_RULES)
        """The rules to choose from where none is asked for: those that `Contract.report` judges."""
        self._of_all = [self.faults[rule] for rule in self.breakable]
        self._of_payloads = [self.faults[rule.id] for rule in contract.operation.rules if self.faults[rule.id]]
        self._quotes = {rule.id: _quotes(rule) for rule in contract.rules.values()}
        self._alone = {rule: frozenset([rule]) for rule in contract.rules}
        self._path = contract.operation.paths[0]

    def ways(self, rule: str | None, http: bool) -> Sequence[Sequence[Change]]:
        """Return the ways to break a rule, rule by rule; None: any rule, those of the request itself only with `http`.

        Raises `ValueError` where there is no such rule or no way to break it.
        """
        if rule is None:
            return self._of_all if http else self._of_payloads
        ways = self.faults.get(rule)
        if ways is None:
            raise ValueError(f"the contract has no rule {rule!r}")
        if not ways:
            raise ValueError(f"nobody has thought of a way to break {rule!r}")
        return [ways]

    def valid(self, plan: Plan, why: str = "Every rule holds.") -> Case:
        """Return the case of a plan as it is."""
        return Case(request_of(payload_of(plan), self._path), world_of(plan), _NOTHING, why)

    def changed(self, plan: Plan, by: int, change: Change, sound: Case | None = None) -> Case:
        """Return the case of a plan changed by so much; 0 takes a bounded change to its limit and breaks nothing.

        `sound` is the valid case of the plan, where it exists already: much of it may stay the same.
        """
        begun = plan._replace(source=change.source) if change.source else plan
        altered = change.plan(begun, self.limits, by)
        if sound and change.of_request:
            request = sound.request
        else:
            request = request_of(change.payload(payload_of(altered), by), self._path)
        world = sound.world if sound and altered is begun else world_of(altered)
        breaks = self._alone[change.rule] if by else _NOTHING
        if altered is not begun:
            breaks = breaks.union(self._broken(altered))
        quote = self._quotes.get(change.rule, _NO_WORDS)[altered.source != "audio_id"]
        return Case(change.request(request, by), world, breaks, change.sentence(by), quote)

    def _broken(self, plan: Plan) -> list[str]:
        found = margins(plan, self.limits)
        return [rule for rule in found if found[rule] < 0 and rule in self.faults]


_NOTHING: Final[frozenset[str]] = frozenset()
_NO_WORDS: Final = ("", "")


def _quotes(rule: Rule) -> tuple[str, str]:
    """The vendor's words where an audio_id is given, and where a sound_file is: some rules quote both fields."""
    words = [quote.text for quote in rule.quotes] or [""]
    of_file = [quote.text for quote in rule.quotes if quote.at.endswith(".sound_file")]
    return words[0], (of_file or words)[0]


def maker_of(contract: Contract | None) -> Maker:
    """Return the maker of a contract, by default of the documented one."""
    return _documented() if contract is None else Maker(contract)


@cache
def _documented() -> Maker:
    return Maker(Contract.load())


def draw_change(below: Below, ways: Sequence[Change]) -> tuple[int, Change]:
    """Draw how far and in which way a rule is broken."""
    change = pick(below, ways)
    return 1 + below(change.farthest), change
