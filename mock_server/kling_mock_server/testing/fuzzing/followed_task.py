"""A task followed to its end, made of what the server itself has answered: no world of ours has to be known to it.

The links of the documents say which members of an answer the next call may name. The world that the answers tell is
rebuilt, and a payload is carried over to it, so that a refusal is wrong whatever else the server knows.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from secrets import token_hex
from typing import Any, Final, NamedTuple

from kling_contracts import Contract, Operation, World
from kling_contracts.audits.audit import Kind
from kling_contracts.cases.answers import Expected, ExpectedAnswers
from kling_contracts.cases.case import Case
from kling_contracts.cases.generator import generate
from kling_contracts.cases.places import NOTHING, value_at
from kling_contracts.cases.shown_members import callback_checker, callback_fields, file_members, members_there
from kling_contracts.jsonio import strict_json
from kling_contracts.unknown import Unknown
from kling_mock_server.recordings.recorded_world import RecordedWorld
from kling_mock_server.testing.fuzzing.answered_files import AnsweredFiles
from kling_mock_server.testing.fuzzing.callback_listener import CallbackListener
from kling_mock_server.testing.fuzzing.followed_links import (
    BodyLink,
    body_links,
    example_case,
    small_first,
    unknown_ids,
)
from kling_mock_server.testing.fuzzing.given_world import GivenWorld
from kling_mock_server.testing.fuzzing.sequences import Ask, Maker, Wrong, followed, look_up_case, makers
from kling_mock_server.testing.fuzzing.target import Answer
from kling_mock_server.testing.fuzzing.trials import WorldMapper

MAX_TRIES: Final = 6
"""Calls of one operation until two were accepted."""
_ACCEPTED: Final = 2
_DRAWN: Final = 60
"""Generated cases among which a payload is looked for."""
_POLL_S: Final = 0.05
"""Seconds between two queries of a server on this machine."""
_POLL_ELSEWHERE_S: Final = 1.0
TOO_MANY: Final = 429


class Surroundings(NamedTuple):
    """The means by which a task is followed."""

    ask: Ask
    fit: WorldMapper
    """Makes the first calls fit for the server."""
    advance: Callable[[], bool]
    """Moves the server's clock on until its tasks end, where it can be; returns whether time passes there at all."""
    listener: CallbackListener | None
    wait_s: float
    """How long the end of a task, and its last callback, are waited for."""
    is_alone: bool
    """Whether nobody else's tasks are listed."""


class FollowedTask:
    """Follows what one server makes of the calls that lead to a task, and the task itself."""

    def __init__(self, contract: Contract, operations: Sequence[Operation], around: Surroundings) -> None:
        self._contract = contract
        self._operations = tuple(operations)
        self._around = around
        self._told: list[str] = []
        self.unjudged: dict[str, str] = {}
        """By a name of its own, each part that could not be followed, and why."""

    def wrong(self) -> Iterator[Wrong]:
        """Call one operation after the other; yield what does not fit the answers before."""
        links = list(body_links(self._contract, self._operations))
        for target in dict.fromkeys(link.target.id for link in links):
            into = [link for link in links if link.target.id == target]
            yield from self._led_to(into[0].target, into)

    def _led_to(self, target: Operation, links: Sequence[BodyLink]) -> Iterator[Wrong]:
        world = self._learnt(links)
        maker = next((one for one in makers(self._contract, self._operations) if one.operation is target), None)
        row = self._row(target, maker, world)
        if row is None:
            sources = " and ".join(link.source.name for link in links)
            self.unjudged[f"{target.name} after {sources}"] = (
                f"no answer of {sources} led to a payload of {target.name}"
            )
            return
        if maker is None:
            answer = self._around.ask(row)
            yield from self._refused(row, links, answer)
            return
        answers: list[Answer] = []
        shown = [one for one in self._operations if self._around.is_alone or one is maker.looked_up_by]
        yield from followed(self._contract, tuple(shown), maker._replace(row=row), partial(self._asked, answers))
        yield from self._refused(row, links, answers[0])
        if answers[0].accepted:
            yield from self._end(maker._replace(row=row), answers[0])

    def _asked(self, answers: list[Answer], case: Case) -> Answer:
        answers.append(self._around.ask(case))
        return answers[-1]

    # The world that the answers tell.

    def _learnt(self, links: Sequence[BodyLink]) -> World:
        now_ms = int(time.time() * 1000)
        recorded = RecordedWorld()
        for link in links:
            accepted = 0
            for case in islice(self._sources(link.source), MAX_TRIES):
                answer = self._around.ask(case)
                if answer.accepted:
                    accepted += 1
                    data = answer.body.get("data")
                    recorded.learn_answer(link.source.name, case.payload, data, now_ms)
                    self._told.append(f"{link.source.name} answered {json.dumps(data, ensure_ascii=False):.300}")
                if accepted == _ACCEPTED:
                    break
        return _as_told(recorded, now_ms)

    def _sources(self, operation: Operation) -> Iterator[Case]:
        drawn = generate(0, _DRAWN, self._contract, operation=operation.name, valid=True)
        cases = (*example_case(operation), *drawn)
        trials = filter(None, map(self._around.fit, cases))
        # A given world may say nothing of what these calls name; the server may know the documents' own example.
        yield from (trial.case for trial in trials if not trial.case.breaks)
        yield from cases

    def _row(self, target: Operation, maker: Maker | None, world: World) -> Case | None:
        """Return a payload that no rule refuses in the world that was told; None where there is none."""
        if not world.sessions and not world.audios:
            return None
        given = GivenWorld(world, self._contract)
        drawn = small_first(target, generate(0, _DRAWN, self._contract, operation=target.name, valid=True))
        for case in (*example_case(target), *drawn):
            fitted = given.fitted(case)
            if fitted:
                return self._with_own(fitted, target, maker)
        return None

    def _with_own(self, case: Case, target: Operation, maker: Maker | None) -> Case:
        """Return a case with an id that nobody has used, and a URL that is called back."""
        own = {maker.unique: f"klingkit-{token_hex(8)}"} if maker else {}
        if self._around.listener:
            own |= dict.fromkeys(callback_fields(target, self._contract.document), self._around.listener.url)
        body = json.dumps({**case.payload, **own}).encode()
        return replace(case, request=case.request._replace(body=body), why="Made of what the server has answered.")

    # The task.

    def _refused(self, row: Case, links: Sequence[BodyLink], answer: Answer) -> Iterator[Wrong]:
        if answer.accepted or answer.status == TOO_MANY:
            return
        unknown = [rule for link in links for rule in unknown_ids(self._contract, link, answer)]
        text = "\n".join([str(answer), *self._told])
        yield Wrong(Kind.CRASHED if answer.crash else Kind.REFUSED, unknown[0] if unknown else "", row, text)

    def _end(self, maker: Maker, made: Answer) -> Iterator[Wrong]:
        """Wait for the end of a task; yield what is wrong with its result and its callbacks."""
        case = look_up_case(maker, made)
        name = f"{maker.looked_up_by.name} of a result"
        if not self._around.advance():
            self.unjudged[name] = "the clock of the loaded world stands, and the server does not move it on"
            return
        answer = self._awaited(case, maker.looked_up_by)
        if answer is None:
            self.unjudged[name] = f"the task had no result after {self._around.wait_s:g} s; --timeout waits longer"
            return
        expected = Expected(200, 0, files=tuple(file_members(self._contract, maker.looked_up_by)))
        wrong = dict(ExpectedAnswers(self._contract).broken_schema(case, answer.status, answer.body))
        for where, text in (wrong or AnsweredFiles().wrong(expected, answer.body)).items():
            yield Wrong(Kind.CONTENT, f"{maker.looked_up_by.name} {where.replace('/0', '/-')}", case, f"{where} {text}")
        if self._around.listener:
            yield from self._called_back(maker, self._around.listener, value_at(answer.body, "/data"))

    def _awaited(self, case: Case, look_up: Operation) -> Answer | None:
        until = time.monotonic() + self._around.wait_s
        while True:
            answer = self._around.ask(case)
            if answer.accepted and members_there(self._contract, look_up, answer.body):
                return answer
            if time.monotonic() > until or not answer.accepted:
                return None
            time.sleep(_POLL_S if self._around.is_alone else _POLL_ELSEWHERE_S)

    def _called_back(self, maker: Maker, listener: CallbackListener, last: Any) -> Iterator[Wrong]:
        """Yield what is wrong with the callbacks of a task; `last` is what a query says of it in the end."""
        place = f"{maker.operation.name} callback"
        expected = Expected(200, 0, data=last)

        def differences(body: bytes) -> list[tuple[str, str]]:
            return list(expected.differences({"data": _read(body)}))

        def tells(body: bytes) -> bool:
            return not differences(body)

        if listener.wait_for(lambda bodies: any(map(tells, bodies)), self._around.wait_s):
            yield from self._misshapen(maker, listener.bodies, place)
        elif listener.bodies:
            # Other tasks of the run are called back at the same URL, and tell more that is different.
            nearest = min(map(differences, reversed(listener.bodies)), key=len)
            wrong = [f"{where} {text}" for where, text in nearest]
            told = "\n".join(["none is what the query says; the nearest one:", *wrong])
            yield Wrong(Kind.CONTENT, place, maker.row, told)
        else:
            text = f"none came to {listener.url} within {self._around.wait_s:g} s after the end of the task"
            yield Wrong(Kind.CONTENT, place, maker.row, text)

    def _misshapen(self, maker: Maker, bodies: Sequence[bytes], place: str) -> Iterator[Wrong]:
        checker = callback_checker(self._contract, maker.operation)
        for body in bodies:
            for fault in checker.broken(_read(body)) if checker else ():
                text = f"{fault.pointer} {fault.message}\ncallback: {body.decode(errors='replace'):.1000}"
                yield Wrong(Kind.CONTENT, f"{place} {fault.pointer}", maker.row, text)


def _read(body: bytes) -> Any:
    try:
        return strict_json.decode(body)
    except ValueError:
        return NOTHING


def _as_told(recorded: RecordedWorld, now_ms: int) -> World:
    """Return the world that answers have told: a video is at least as long as its faces can be seen."""
    sessions = {}
    for name, session in recorded.sessions.items():
        ends = [face.end_ms for face in session.faces.values()]
        if ends and not any(isinstance(one, Unknown) for face in session.faces.values() for one in face):
            sessions[name] = session._replace(video_ms=max(ends))
    audios = {name: one for name, one in recorded.audios.items() if not isinstance(one.duration_ms, Unknown)}
    return World(now_ms=now_ms, sessions=sessions, audios=audios)
