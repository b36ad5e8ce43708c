"""Fuzzing a server: the boundary catalogue first, then generated cases, each answer held against its label."""

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import cached_property
from itertools import chain, cycle, islice
from typing import Final, NamedTuple

from kling_contracts import Contract, Operation, World
from kling_contracts.audits.audit import INTERRUPTED, Audit
from kling_contracts.cases.case import Case
from kling_contracts.cases.catalogue import catalogue, server_catalogue
from kling_contracts.cases.factory import factory_of
from kling_contracts.cases.generator import ALL, generate
from kling_contracts.cases.requests import OTHER_TOKEN, TOKEN
from kling_contracts.rules.lookup import refuse_unknown_rules
from kling_mock_server.outgoing.hosts import is_loopback
from kling_mock_server.testing.fuzzing.callback_listener import CallbackListener
from kling_mock_server.testing.fuzzing.followed_links import body_links, known_afterwards
from kling_mock_server.testing.fuzzing.followed_task import FollowedTask, Surroundings
from kling_mock_server.testing.fuzzing.judging import Judging
from kling_mock_server.testing.fuzzing.report import server_ways
from kling_mock_server.testing.fuzzing.sequences import followed, makers
from kling_mock_server.testing.fuzzing.target import Answer, Target, TargetError
from kling_mock_server.testing.fuzzing.trials import (
    AdaptedCase,
    WorldMapper,
    as_it_is,
    is_jwt,
    only_broken,
    with_token,
    within,
    without_world,
)

TIMEOUT_S: Final = 10.0
MAX_LOST: Final = 10
"""Requests in a row without any answer after which a server is left alone."""
UNTIL_ENDS_MS: Final = 600_000
"""How far the clock of a mock is moved on, so that a task ends: no pace is slower."""
MAX_PAID: Final = 10
"""Broken requests that a server elsewhere may accept, and charge for, before it is left alone."""

Progress = Callable[[int, int | None], None]
"""Told how many cases are done, and of how many; None where the time decides."""


class Options(NamedTuple):
    """How a server is attacked."""

    n: int | None = 1000
    """How many generated cases follow the catalogue, of all operations; None: as many as `time_s` allows."""
    seed: int = 0
    time_s: float | None = None
    token: str = ""
    """A bearer token that the server welcomes; empty: any will do."""
    world: World | None = None
    """The world behind the server's ids, where no world can be loaded into it."""
    only_invalid: bool = False
    """Send nothing that a server that keeps the contract would accept."""
    allow_valid: bool = False
    """Send valid payloads to a server elsewhere, too."""
    ignore: Collection[str] = ()
    """Rules that the server is not meant to know."""
    rules: Collection[str] = ()
    """The rules of which a broken case breaks at least one; empty: all cases."""
    operations: Collection[str] = ()
    """The short names of the operations that are called; empty, or with `all`: all that have one of `rules`."""
    timeout_s: float = TIMEOUT_S
    """How long an answer may take, and the end of a task is waited for."""
    callback_url: str = ""
    """A URL that leads to the port of this machine that it names; empty: a server on this machine finds any port."""


_DEFAULT: Final = Options()


def fuzz_server(
    url: str, options: Options = _DEFAULT, *, contract: Contract | None = None, progress: Progress | None = None
) -> Audit:
    """Attack a server; returns what it let through, refused, crashed on or answered otherwise than documented.

    Worlds are loaded through `/_mock/world` where the server has it. Elsewhere the cases are carried over to
    `options.world`; without one, only what is wrong in any world is judged. Raises `TargetError` where the server
    is not on this machine and neither `only_invalid` nor `allow_valid` is chosen, before anything is sent, and
    where it cannot be reached, and `ValueError` where the contract has no such rule or operation.
    """
    contract = contract or factory_of(None).contract
    operations = _called(contract, options)
    target = Target(url, timeout_s=options.timeout_s, paths=contract.request_rules.routes.paths)
    _refuse_paid(target, options)
    with ExitStack() as stack:
        stack.callback(target.close)
        listener = None
        if options.callback_url:
            listener = stack.enter_context(closing(CallbackListener(options.callback_url)))
        target.reach()
        return _Attack(target, contract, operations, options, listener).run(progress)


def _called(contract: Contract, options: Options) -> tuple[Operation, ...]:
    """Return the operations that are called."""
    unknown = sorted(set(options.operations) - {ALL} - contract.by_name.keys())
    if unknown:
        raise ValueError(f"the contract has no operation {', '.join(unknown)}; it has: {', '.join(contract.by_name)}")
    named = () if ALL in options.operations else options.operations
    chosen = [one for one in contract.operations if one.name in named] or contract.operations
    refuse_unknown_rules([*options.ignore, *options.rules], contract.rules_of(chosen))
    rules = set(options.rules)
    return tuple(one for one in chosen if not rules or not rules.isdisjoint(contract.rules_of([one])))


def _refuse_paid(target: Target, options: Options) -> None:
    if not (is_loopback(target.host) or options.only_invalid or options.allow_valid):
        raise TargetError(
            f"{target.host} is not this machine, and a valid payload may cost money there; nothing was sent. "
            "--only-invalid sends nothing that should be accepted, --allow-valid sends everything"
        )


class _Attack:
    def __init__(
        self,
        target: Target,
        contract: Contract,
        operations: tuple[Operation, ...],
        options: Options,
        listener: CallbackListener | None,
    ) -> None:
        self.target = target
        self.contract = contract
        self.operations = operations
        self.options = options
        self.listener = listener
        self.controlled = options.world is None and target.has_control()
        # Two attacks on one mock must not share an account.
        self.token = options.token or (f"{TOKEN}-{secrets.token_hex(4)}" if self.controlled else "")
        self.loaded: tuple[World, str] | None = None
        self.judging = Judging(contract, operations, known_sender=self.controlled)
        self.most_paid = None if is_loopback(target.host) or options.allow_valid else MAX_PAID
        self.unfollowed: dict[str, str] = {}
        self.ends_at = None if options.time_s is None else time.monotonic() + options.time_s

    def run(self, progress: Progress | None) -> Audit:
        """Send everything, unless there is a reason to stop."""
        stopped = ""
        total = None if self.options.n is None else len(self._rows) + self.options.n
        try:
            for number, trial in self._trials():
                self.judging.judge(trial, self._ask(trial))
                stopped = self._reason_to_stop()
                if stopped:
                    break
                if progress:
                    progress(number, total)
            if not stopped:
                self._follow()
        except KeyboardInterrupt:
            stopped = INTERRUPTED
        self._clean_up()
        audit = self.judging.audit(self.target.base, self._left_out(), self._because())
        ways = server_ways(self.target.base, self.contract, controlled=self.controlled)
        return replace(audit, stopped=stopped, ways=ways, unjudged={**audit.unjudged, **self.unfollowed})

    def _follow(self) -> None:
        """Send what only several requests tell, where valid requests are sent."""
        if self.options.only_invalid or self.options.rules:
            return
        if self.controlled:
            self._follow_in_worlds()
        self._follow_task()

    def _follow_task(self) -> None:
        is_local, world = is_loopback(self.target.host), self.options.world
        fit = within(world, self.contract) if world else as_it_is
        with ExitStack() as stack:
            listener = self.listener
            if is_local and not listener:
                listener = stack.enter_context(closing(CallbackListener()))
            # A server of somebody's own may take worlds and nothing else.
            with suppress(TargetError):
                if self.controlled:
                    self.target.reset(self.token)
            around = Surroundings(
                self._ask_next, fit, self._advance, listener, self.options.timeout_s, is_alone=is_local
            )
            task = FollowedTask(self.contract, self.operations, around)
            for wrong in task.wrong():
                self.judging.note(wrong)
            self.unfollowed = task.unjudged

    def _advance(self) -> bool:
        """Move the clock on; return whether time passes: that of a world which was loaded stands still."""
        try:
            if self.controlled:
                self.target.advance(UNTIL_ENDS_MS, self.token)
        except TargetError:
            return False
        return True

    def _follow_in_worlds(self) -> None:
        for maker in makers(self.contract, self.operations):
            self._put(maker.row.world)
            for wrong in followed(self.contract, self.operations, maker, self._ask_next):
                self.judging.note(wrong)
        for link in body_links(self.contract, self.operations):
            for wrong in known_afterwards(self.contract, link, self._put, self._ask_next):
                self.judging.note(wrong)
        self.loaded = None

    def _put(self, world: World) -> None:
        self.target.put_world(world, self.token)

    def _ask_next(self, case: Case) -> Answer:
        return self.target.ask(with_token(case, self.token).request)

    def _trials(self) -> Iterator[tuple[int, AdaptedCase]]:
        fit = only_broken(self._fit()) if self.options.only_invalid else self._fit()
        for number, case in enumerate(self._cases(), 1):
            trial = fit(case) if self._is_wanted(case) else None
            if trial:
                yield number, trial

    def _is_wanted(self, case: Case) -> bool:
        rules, ignore = self.options.rules, self.options.ignore
        if is_jwt(case) and (self.options.token or not self.controlled):
            # A token of another issuer is judged only where every issuer is welcome.
            return False
        return case.breaks.isdisjoint(ignore) and not (rules and case.breaks and case.breaks.isdisjoint(rules))

    def _cases(self) -> Iterator[Case]:
        return chain(self._rows, islice(self._generated(), self.options.n))

    def _generated(self) -> Iterator[Case]:
        """Yield cases without end: of each operation as many as it has rules, in turn."""
        streams = [generate(self.options.seed, _ENDLESS, self.contract, operation=one.name) for one in self.operations]
        turns = [
            ((turn + 1) / len(one.rules), index)
            for index, one in enumerate(self.operations)
            for turn in range(len(one.rules))
        ]
        return (next(streams[index]) for _, index in cycle(sorted(turns)))

    @cached_property
    def _rows(self) -> Sequence[Case]:
        rows = [catalogue(self.contract, operation=one.name) for one in self.operations]
        if self.controlled:
            rows += [server_catalogue(self.contract, operation=one.name) for one in self.operations]
        return tuple(chain.from_iterable(rows))

    def _fit(self) -> WorldMapper:
        if self.controlled:
            return as_it_is
        world = self.options.world
        return within(world, self.contract) if world else without_world(self.contract)

    def _ask(self, trial: AdaptedCase) -> Answer:
        case = with_token(trial.case, self.token)
        if self.controlled:
            self._load(case.world, TOKEN if is_jwt(case) else self.token)
        answer = self._ask_beside(case) if case.others and self._has_others else self.target.ask(case.request)
        if not answer.refused:
            self.loaded = None
        return answer

    def _ask_beside(self, case: Case) -> Answer:
        """Send a case while the server knows of other accounts."""
        tokens = [token.replace(TOKEN, self.token) for token in case.others]
        for token, world in zip(tokens, case.others.values(), strict=True):
            self.target.put_world(world, token)
        answer = self.target.ask(case.request)
        for token in tokens:
            self.target.reset(token)
        return answer

    @cached_property
    def _has_others(self) -> bool:
        """Whether the server takes the world of another account; else its ids are merely unknown."""
        try:
            self.target.reset(OTHER_TOKEN.replace(TOKEN, self.token))
        except TargetError:
            return False
        return self.controlled

    def _load(self, world: World, token: str) -> None:
        # A refused request has changed nothing, so the world may still be there.
        if self.loaded != (world, token):
            self.target.put_world(world, token)
            self.loaded = (world, token)

    def _clean_up(self) -> None:
        if self.controlled:
            with suppress(TargetError):
                self.target.reset(self.token)
                self.target.reset(TOKEN)

    def _reason_to_stop(self) -> str:
        if self.ends_at is not None and time.monotonic() > self.ends_at:
            return "the time is over"
        if self.judging.lost >= MAX_LOST:
            return f"{MAX_LOST} requests in a row were not answered"
        if self.most_paid is not None and self.judging.let_through >= self.most_paid:
            return f"{MAX_PAID} broken payloads were accepted and may have cost money; --allow-valid goes on"
        return ""

    def _left_out(self) -> dict[str, str]:
        about = frozenset[str]().union(*(factory_of(self.contract, one.name).about for one in self.operations))
        others = self.judging.rules.keys() - set(self.options.rules) if self.options.rules else ()
        asked = dict.fromkeys([*others, *self.options.ignore], "it was asked to be left out")
        # No request can break it, as the type of a text in a path.
        return asked | dict.fromkeys(self.judging.rules.keys() - about, "")

    def _because(self) -> str:
        if self.controlled:
            return "no case about it was sent"
        if self.options.world:
            return "the ids of the given world make no case of it"
        return "that takes ids which the server knows; --world FILE says what they stand for"


_ENDLESS: Final = 10**12
