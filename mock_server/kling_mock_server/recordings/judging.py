"""Recordings judged: the world rebuilt, each answer predicted and compared, a verdict for each rule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kling_contracts import Contract, Report, Rule
from kling_contracts.facts.lookup import LISTED
from kling_contracts.facts.sources import FactSources
from kling_contracts.judging.report import Unverified
from kling_contracts.unknown import Unknown
from kling_mock_server.protocol.names import CREATE, LIST, QUERY
from kling_mock_server.recordings.answers import AnswerShapes
from kling_mock_server.recordings.call import RecordedCall, call_of, envelope_of
from kling_mock_server.recordings.distances import distances, says_something
from kling_mock_server.recordings.exchange import RecordedExchange
from kling_mock_server.recordings.prediction import Comparing, Outcome
from kling_mock_server.recordings.recorded_world import RecordedWorld, ShownFiles
from kling_mock_server.recordings.task_course import TaskCourses
from kling_mock_server.recordings.verdicts import NotJudged, RecordedDifference, RuleVerdict

_NOT_SHOWN: Final = Unknown("the recording does not show the task's creation")
_NO_TIME: Final = "the recording has no times"


@dataclass
class Judgement:
    """All that recordings say of a contract."""

    contract: Contract
    calls: int = 0
    others: int = 0
    """Exchanges that are no calls of the API: downloads, calls of other services."""
    callbacks: int = 0
    differences: list[RecordedDifference] = field(default_factory=list)
    not_judged: list[NotJudged] = field(default_factory=list)
    verdicts: dict[str, RuleVerdict] = field(default_factory=dict)

    def of(self, rule: Rule) -> RuleVerdict:
        """Return the verdict on a rule, to be added to."""
        return self.verdicts.setdefault(rule.id, RuleVerdict(rule))


def judge(contract: Contract, recordings: Sequence[Sequence[RecordedExchange]]) -> Judgement:
    """Judge recordings, each of which shows a world of its own."""
    judgement = Judgement(contract)
    for recording in recordings:
        _Judging(contract, recording, judgement).run()
    return judgement


class _Judging:
    """One recording."""

    def __init__(self, contract: Contract, exchanges: Sequence[RecordedExchange], judgement: Judgement) -> None:
        self._contract = contract
        self._exchanges = exchanges
        self._judgement = judgement
        self._world = RecordedWorld()
        self._known_tasks: set[str] = set()
        self._comparing = Comparing(contract)
        self._shapes = AnswerShapes(contract)
        self._courses = TaskCourses(contract)

    def run(self) -> None:
        """Read what the answers tell, then compare call by call."""
        calls = [call_of(exchange, self._contract) for exchange in self._exchanges]
        for exchange, call in zip(self._exchanges, calls, strict=True):
            self._learn(exchange, call)
        for exchange, call in zip(self._exchanges, calls, strict=True):
            if call:
                self._judgement.calls += 1
                self._judge(call)
            elif self._is_callback(exchange):
                self._judgement.callbacks += 1
                self._see_callback(exchange)
            else:
                self._judgement.others += 1
        self._judgement.differences += self._courses.differences()

    def _learn(self, exchange: RecordedExchange, call: RecordedCall | None) -> None:
        if call and call.answered.is_accepted:
            self._world.learn_answer(call.operation.name, call.payload, call.answered.data, exchange.at_ms)
        elif exchange.media:
            self._world.learn_media(exchange.url, exchange.media)
        elif self._is_callback(exchange):
            self._world.learn_task_state(envelope_of(exchange.body))

    def _is_callback(self, exchange: RecordedExchange) -> bool:
        if exchange.is_callback:
            return isinstance(envelope_of(exchange.body), Mapping)
        body = envelope_of(exchange.body) if exchange.method == "POST" and exchange.body else None
        return isinstance(body, Mapping) and {"task_id", "task_status"} <= body.keys()

    def _judge(self, call: RecordedCall) -> None:
        exchange = call.exchange
        sources = self._sources(call)
        report = Report((call.refusal,)) if call.refusal else call.operation.report(call.payload, sources)
        if exchange.at_ms is None:
            report = _without_ages(report, call)
        outcome = self._comparing.compare(call, report) if exchange.has_body else Outcome()
        self._judgement.differences += [*outcome.differences, *self._misshapen(call)]
        self._judgement.not_judged += outcome.not_judged
        self._count(call, report, outcome, sources)
        if call.answered.is_accepted and isinstance(call.payload, Mapping):
            self._follow(call)

    def _sources(self, call: RecordedCall) -> FactSources:
        world = self._world.at(call.exchange.account, call.exchange.at_ms)
        if call.files:
            world = replace(world, files=ShownFiles({**self._world.files, **call.files}))
        tasks = {"tasks": lambda name: LISTED if name in self._known_tasks else _NOT_SHOWN}
        return FactSources(world, find=tasks, now_ms=call.exchange.at_ms or 0)

    def _misshapen(self, call: RecordedCall) -> Iterator[RecordedDifference]:
        answered, exchange = call.answered, call.exchange
        if not answered.is_readable:
            yield RecordedDifference("envelope", "", f"answered {answered.status} without the envelope", exchange)
        elif answered.envelope is not None:
            if not self._shapes.declares(call.operation, answered.status):
                yield RecordedDifference(
                    "status",
                    "",
                    f"{call.operation.name} answered {answered.status}, which no document declares",
                    exchange,
                )
            faults = self._shapes.faults(call.operation, answered.status, answered.envelope)
            for fault in faults:
                yield RecordedDifference(
                    "schema", "", f"the answer to {call.operation.name} has another shape: {fault}", exchange
                )

    def _count(self, call: RecordedCall, report: Report, outcome: Outcome, sources: FactSources) -> None:
        """Add a call to the verdicts on the rules that it says something about."""
        for difference in outcome.differences:
            rule = self._rule(call, difference.rule)
            if rule:
                verdict = self._judgement.of(rule)
                verdict.contradicted += 1
                self._measure(call, rule, sources, verdict, is_accepted=difference.kind == "accepted")
        if outcome.differences or outcome.not_judged:
            return
        if outcome.refused_by:
            self._confirm(call, outcome.refused_by, sources, is_accepted=False)
        elif call.answered.is_accepted:
            unverified = {one.rule.id for one in report.unverified}
            for rule in call.operation.rules:
                if rule.id not in unverified and says_something(rule, call.payload):
                    self._confirm(call, rule, sources, is_accepted=True)

    def _confirm(self, call: RecordedCall, rule: Rule, sources: FactSources, *, is_accepted: bool) -> None:
        verdict = self._judgement.of(rule)
        verdict.confirmed += 1
        self._measure(call, rule, sources, verdict, is_accepted=is_accepted)

    def _measure(
        self, call: RecordedCall, rule: Rule, sources: FactSources, verdict: RuleVerdict, *, is_accepted: bool
    ) -> None:
        if call.refusal is None:
            found = distances(call.operation, rule, call.payload, sources)
            verdict.add(found, is_accepted=is_accepted, message=call.answered.message)

    def _rule(self, call: RecordedCall, rule_id: str) -> Rule | None:
        own = next((rule for rule in call.operation.rules if rule.id == rule_id), None)
        return own or self._contract.every_rule.get(rule_id)

    def _follow(self, call: RecordedCall) -> None:
        """Take a call that was carried out into the world and the courses of tasks."""
        name, data, exchange = call.operation.name, call.answered.data, call.exchange
        if name == CREATE:
            external_id = call.payload.get("external_task_id")
            self._world.learn_external_id(exchange.account, external_id)
            if isinstance(data, Mapping):
                self._known_tasks |= {name for name in (data.get("task_id"), external_id) if isinstance(name, str)}
            self._judgement.differences += self._courses.begin(exchange, call.payload, data)
        elif name == QUERY:
            self._judgement.differences += _of_another(call)
            self._courses.see(exchange, data)
        elif name == LIST and isinstance(data, list):
            self._judgement.differences += _out_of_order(call, data)
            for one in reversed(data):
                self._courses.see(exchange, one)

    def _see_callback(self, exchange: RecordedExchange) -> None:
        body = envelope_of(exchange.body)
        for fault in self._shapes.callback_faults(body):
            self._judgement.differences.append(
                RecordedDifference("callback", "", f"a callback has another shape: {fault}", exchange)
            )
        self._courses.see(exchange, body, is_callback=True)


def _without_ages(report: Report, call: RecordedCall) -> Report:
    """Return a report in which nothing is said of ages: the recording has no times."""
    aged = [
        rule
        for rule in call.operation.rules
        if rule.expression and any(r.endswith(".age_ms") for r in rule.expression.reads)
    ]
    ids = {rule.id for rule in aged}
    return report._replace(
        violations=tuple(one for one in report.violations if one.rule.id not in ids),
        unverified=(*report.unverified, *(Unverified(rule, "", _NO_TIME) for rule in aged)),
    )


def _of_another(call: RecordedCall) -> Iterator[RecordedDifference]:
    asked, data = call.payload.get("task_id"), call.answered.data
    if not isinstance(data, Mapping):
        return
    info = data.get("task_info")
    names = [data.get("task_id"), info.get("external_task_id") if isinstance(info, Mapping) else None]
    if asked not in names:
        yield RecordedDifference("course", "", f"asked for task {asked}, told of {data.get('task_id')}", call.exchange)


def _out_of_order(call: RecordedCall, data: list[Any]) -> Iterator[RecordedDifference]:
    created = [one.get("created_at") for one in data if isinstance(one, Mapping)]
    times = [time for time in created if isinstance(time, int)]
    if times != sorted(times, reverse=True):
        yield RecordedDifference("course", "", "a list does not begin with the newest task", call.exchange)
    parameter = call.operation.parameters.get("pageSize")
    size = call.payload.get("pageSize", parameter.default if parameter else None)
    if isinstance(size, int) and len(data) > size:
        yield RecordedDifference("course", "", f"a page of {size} has {len(data)} tasks", call.exchange)
