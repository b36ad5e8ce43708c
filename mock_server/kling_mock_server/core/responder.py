"""Request in, response out: the mock itself, without any HTTP library."""

import logging
from collections.abc import Callable
from functools import cached_property, partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from kling_contracts import Contract, Note, Report, Request, Response, Violation
from kling_contracts.facts.sources import Fetch, unfetched
from kling_contracts.judging.report import printable
from kling_contracts.rules.rule import SOME_ID, Rule
from kling_mock_server.core import cors, file_endpoint, page_endpoint
from kling_mock_server.core.assembly import resources_of
from kling_mock_server.core.exchange import Caller, Exchange
from kling_mock_server.core.late_downloads import HUNG_UP, LateDownloads
from kling_mock_server.core.operations import works_of
from kling_mock_server.core.operations.work import Done, Work
from kling_mock_server.core.own_answers import CONTROL_CALL, INTERNAL_ERROR, STORE_DOWN, check_mock_rules, refusal
from kling_mock_server.core.resources import Resources
from kling_mock_server.core.text_limits import TextLimits
from kling_mock_server.core.value_limit import ValueLimit
from kling_mock_server.failures.playback import PlayedStep, ScenarioPlayer
from kling_mock_server.failures.wire import wire_details
from kling_mock_server.failures.wire.late_response import LateResponse
from kling_mock_server.protocol.answer_summary import answer_details
from kling_mock_server.protocol.envelope import SUCCEED, answer, new_request_id
from kling_mock_server.protocol.file_urls import Address, address_of
from kling_mock_server.protocol.names import (
    CONTROL_PREFIX,
    DOWNLOAD,
    FILES_PREFIX,
    PAGE_PREFIX,
    SCENARIO_HEADER,
    UNVERIFIED_HEADER,
    VIOLATIONS_HEADER,
)
from kling_mock_server.protocol.task_json import task_details
from kling_mock_server.state.account import Seen
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.journal import Entry, digest_of
from kling_mock_server.state.stores.store import StoreDownError
from kling_mock_server.state.tasks import RefusedTask
from kling_mock_server.state.tokens import bearer_of

if TYPE_CHECKING:
    from kling_mock_server.core.control_api import Control

_LOG: Final = logging.getLogger("klingkit")
_LOOKUPS: Final = ("GET", "HEAD")
"""Methods of requests that change nothing."""
_ASKED_SCENARIO: Final = SCENARIO_HEADER.lower()
_Answer = TypeVar("_Answer", Response, Response | LateResponse)
SPARE_BYTES: Final = 1024 * 1024
"""Bytes that a body may hold beside the largest audio file in Base64."""


class _Outcome(NamedTuple):
    """The result of judging a payload, and of carrying it out where it is right."""

    report: Report
    done: Done | None = None
    """None where the payload is not right, or its task was refused: the report says why."""
    is_stale: bool = False
    """Whether the account has changed between judging and storing, so that judging again may say more."""


class Responder:
    """One mock. It may be shared by threads.

    Raises `DocumentError` for a contract that creates tasks and has no rule on how many may run, and for one with an
    operation that the mock can neither carry out nor answer by an example of the document.
    """

    def __init__(
        self, contract: Contract, accounts: Accounts, fetch: Fetch = unfetched, resources: Resources | None = None
    ) -> None:
        check_mock_rules(contract)
        self.contract = contract
        self.accounts = accounts
        self.resources = resources or resources_of(contract, accounts, fetch=fetch)
        self.largest_body = (contract.largest_file or 0) * 4 // 3 + SPARE_BYTES
        """Bytes of a body beyond which an adapter need not read it: `refuse` answers for it."""
        self._works = works_of(contract, self.resources)
        self._text_limits = TextLimits(contract)
        self._value_limit = ValueLimit(contract)
        self._scenarios = ScenarioPlayer(contract)
        self._late_downloads = LateDownloads()
        self.watch: Callable[[Entry], None] | None = None
        """Called with every exchange that is journalled, its body whole."""

    @cached_property
    def _control(self) -> "Control":
        # At its first call: many mocks are never looked into.
        from kling_mock_server.core.control_api import Control

        return Control(self.contract, self.accounts, self.resources, self._works)

    def respond(self, request: Request) -> Response:
        """Answer one request as the documented API would."""
        answer = self._in_time(self._normal(request), detaches=False)
        return answer.waited_for() if isinstance(answer, LateResponse) else answer

    def respond_over_socket(self, request: Request, *, detaches: bool = False) -> Response | LateResponse:
        """Answer like `respond`; the control surface has nothing for pages and names that are not this machine's.

        An answer that has to wait is a late one where the caller `detaches` the connection.
        """
        request = self._normal(request)
        if _is_own(request.path) and not cors.is_preflight(request):
            refused = self.resources.control_access.refusal(request, self.contract.mock_rules)
            if refused:
                return refused
        return self._in_time(request, detaches=detaches)

    def _in_time(self, request: Request, *, detaches: bool) -> Response | LateResponse:
        shared = self.resources.page_origins.shared
        if cors.is_preflight(request):
            return self.resources.page_origins.preflight(request)
        answer = self._respond(request, detaches=detaches)
        return answer.then(partial(shared, request)) if isinstance(answer, LateResponse) else shared(request, answer)

    def refuse(self, request: Request, rule_id: str) -> Response:
        """Refuse a request whose body was never read, by a request rule."""
        return self.resources.page_origins.shared(request, self._refuse(self._normal(request), rule_id))

    def refuse_malformed(self, status: int, why: str) -> Response:
        """Refuse what is no HTTP request, with the HTTP status and the reason that the server found."""
        rule = self.contract.request_rules.rules["body-json"]
        return answer(status, rule.code, f"The request is not valid HTTP: {why}", new_request_id())

    def _normal(self, request: Request) -> Request:
        """Return a request whose path begins with one slash, and whose origin is the one to be told."""
        if self.resources.public_url:
            request = request._replace(origin=self.resources.public_url)
        return _with_one_slash(request)

    def _respond(self, request: Request, *, detaches: bool) -> Response | LateResponse:
        if request.path.startswith(f"{FILES_PREFIX}/"):
            return self._guarded(request, partial(self._downloaded, request, detaches=detaches))
        return self._guarded(request, lambda: self._answer_own(request) or self._answer(request))

    def _refuse(self, request: Request, rule_id: str) -> Response:
        def refused() -> Response:
            exchange = Exchange.begin(request, self._caller(request))
            return self._refused(exchange, self._by_rule(self.contract.every_rule[rule_id]))

        return self._guarded(request, refused)

    def _guarded(self, request: Request, answer: Callable[[], _Answer]) -> _Answer | Response:
        try:
            return answer()
        except StoreDownError as error:
            return self._store_down(error)
        except Exception as error:
            return self.fail(f"{request.method} {request.path}", error)

    def fail(self, what: str, error: BaseException) -> Response:
        """Answer for an error that nobody foresaw; the log has it under the request id of the answer."""
        request_id, rule = new_request_id(), self.contract.mock_rules[INTERNAL_ERROR]
        _LOG.error("an error of klingkit itself in request %s (%s)", request_id, printable(what), exc_info=error)
        return refusal(rule, f"{rule.message} {request_id}", request_id)

    def stop_rendering(self) -> None:
        """Let downloads wait no longer than for the videos that are being rendered now."""
        self.resources.renderer.close()

    def close(self) -> None:
        """Stop sending callbacks and rendering, and let go of the store."""
        self.resources.callback_worker.close()
        self.stop_rendering()
        self.resources.renderer.wait_for_shared()
        self.accounts.store.close()

    def _answer_own(self, request: Request) -> Response | None:
        """Answer what is the mock's own and no part of the API; None for the API's requests."""
        if not _is_own(request.path):
            return page_endpoint.page() if page_endpoint.wants_page(request) else None
        if request.path.startswith(PAGE_PREFIX):
            return page_endpoint.page_file(request, self.contract.mock_rules)
        return self._control.respond(request)

    def _answer(self, request: Request) -> Response:
        began_s = perf_counter()
        caller = self._caller(request)
        routed = self.contract.request_rules.route(request)
        if isinstance(routed, Violation):
            return self._refused(Exchange.begin(request, caller, began_s=began_s), Report((routed,)))
        name = routed.operation.name
        if caller.refusal:
            exchange = Exchange.begin(request, caller, name, began_s=began_s)
            return self._refused(exchange, Report((caller.refusal,)))
        work = self._works[name]
        crowded = self._value_limit.broken(request.body) if len(request.body) > self._value_limit.most else None
        payload = crowded or self.contract.request_rules.payload(request, routed)
        is_read = not isinstance(payload, Violation)
        seen = work.seen(caller.account, payload) if is_read else caller.account.seen(())
        begun = self._begin(request, caller, name, seen, payload if is_read else None, began_s)
        return begun if isinstance(begun, Response) else self._carry_out(begun, work, payload)

    def _carry_out(self, exchange: Exchange, work: Work, payload: Any) -> Response:
        """Answer a request whose `payload` was read, or is the violation for which it cannot be."""
        request = exchange.request
        if exchange.played and not exchange.played.carries_out:
            return self._played(exchange, exchange.played, None, Report())
        if isinstance(payload, Violation):
            return self._refused(exchange, Report((payload,)))
        if len(request.body) > self._text_limits.harmless_bytes and (broken := self._text_limits.broken(payload)):
            return self._refused(exchange, Report((broken,)))
        outcome = self._attempt(exchange, work, payload)
        if outcome.is_stale:
            # Once more: a concurrent request may have used the external id, or replaced the world, since judging.
            outcome = self._attempt(exchange.seen_anew(work.seen(exchange.account, payload)), work, payload)
        if outcome.done is None:
            return self._refused(exchange, outcome.report)
        return self._accepted(exchange, outcome.report, outcome.done)

    def _caller(self, request: Request) -> Caller:
        """Find the account first: whatever is wrong with a request, its sender reads it in their own journal."""
        token = self.contract.request_rules.token(request)
        if isinstance(token, Violation):
            return Caller(self.accounts.nobody, "", token)
        bearer = bearer_of(token)
        account = self.accounts.admit(bearer, self.contract.request_rules)
        if isinstance(account, Violation):
            return Caller(self.accounts.nobody, bearer.digest, account, bearer.notes)
        return Caller(account, bearer.digest, None, bearer.notes)

    def _begin(
        self,
        request: Request,
        caller: Caller,
        operation: str,
        seen: Seen,
        payload: Any,
        began_s: float,
    ) -> Exchange | Response:
        """Begin the exchange; where the account plays a scenario, or the request names one, a step of it takes it.

        A request that names a scenario which there is not, or that has no such step, is refused.
        """
        asked = request.headers.get(_ASKED_SCENARIO)
        played: PlayedStep | str | None = None
        if asked is not None:
            played = self._scenarios.step_asked_for(asked.strip(), operation)
        elif seen[0].scenario is not None:
            played = self._scenarios.take_step(caller.account.state, operation)
        unknown = played if isinstance(played, str) else ""
        taken = None if isinstance(played, str) else played
        exchange = Exchange.begin(request, caller, operation, seen, taken, payload, began_s)
        return self._misasked(exchange, unknown) if unknown else exchange

    def _misasked(self, exchange: Exchange, because: str) -> Response:
        rule, message = self.contract.mock_rules[CONTROL_CALL], f"{SCENARIO_HEADER}: {because}"
        report = Report((Violation(rule, "", message),))
        self._record(exchange, exchange.entry(rule.status, rule.code, message, report))
        return refusal(rule, message, exchange.request_id)

    def _attempt(self, exchange: Exchange, work: Work, payload: Any) -> _Outcome:
        """Judge a payload and, where it is right, carry it out."""
        judged = work.judge(exchange, payload)
        if judged.report.violations:
            return _Outcome(judged.report)
        done = work.carry_out(exchange, judged)
        if isinstance(done, RefusedTask):
            report = self._by_rule(self._refusing(exchange.operation, done), judged.payload)
            return _Outcome(report, is_stale=bool(done.fact))
        return _Outcome(judged.report, done)

    def _refusing(self, operation: str, refused: RefusedTask) -> Rule:
        rule = self.contract.rule_on(operation, refused.fact) if refused.fact else self.contract.limiting_rule
        assert rule is not None, "a task is refused by a rule of the contract alone"
        return rule

    def _store_down(self, error: StoreDownError) -> Response:
        rule = self.contract.mock_rules[STORE_DOWN]
        return refusal(rule, f"{rule.message}: {error}")

    def _by_rule(self, rule: Rule, payload: Any = None) -> Report:
        given = payload.get(rule.node, SOME_ID) if isinstance(payload, dict) else SOME_ID
        return Report((Violation(rule, "", rule.sentence(given=given)),))

    def _accepted(self, exchange: Exchange, report: Report, done: Done) -> Response:
        good = answer(200, 0, SUCCEED, exchange.request_id, done.data, {**done.headers, **_unverified(report)})
        if exchange.played:
            return self._played(exchange, exchange.played, good, report)
        if done.entry:
            self._show(exchange, done.entry)
        else:
            self._record(exchange, exchange.entry(200, 0, SUCCEED, report, task_details(done.data)))
        return good

    def _refused(self, exchange: Exchange, report: Report) -> Response:
        first = report.violations[0]
        headers = {
            VIOLATIONS_HEADER: ", ".join(report.broken),
            "Link": f'<{CONTROL_PREFIX}/rules/{first.rule.id}>; rel="help"',
            **_unverified(report),
        }
        if first.rule.id == "method":
            headers["Allow"] = self.contract.request_rules.allowed(exchange.request.path)
        status, code, message = first.rule.status, first.rule.code, first.message
        refusal = answer(status, code, message, exchange.request_id, headers=headers)
        if exchange.played:
            return self._played(exchange, exchange.played, refusal, report)
        self._record(exchange, exchange.entry(status, code, message, report))
        return refusal

    def _downloaded(self, request: Request, *, detaches: bool) -> Response | LateResponse:
        began_s = perf_counter()
        address = address_of(request.path)
        account = (address and self.accounts.in_folder(address.folder)) or self.accounts.nobody
        token = digest_of(request.headers.get("authorization", "").partition(" ")[2].strip())
        begun = self._begin(request, Caller(account, token), DOWNLOAD, account.seen(()), None, began_s)
        if isinstance(begun, Response):
            return begun
        exchange = begun
        if exchange.played and not exchange.played.carries_out:
            return self._played(exchange, exchange.played, None, Report())
        return self._late_downloads.answer(
            file_endpoint.awaited(request, address, account, self.resources),
            lambda notes: self._guarded(request, partial(self._sent, exchange, address, notes)),
            lambda: self._record(exchange, exchange.entry(0, 0, HUNG_UP, Report())),
            detaches=detaches,
        )

    def _sent(self, exchange: Exchange, address: Address | None, notes: tuple[Note, ...]) -> Response:
        """Answer a download that has nothing more to wait for."""
        response, report = file_endpoint.download(exchange.request, address, self.resources), Report(notes=notes)
        if exchange.played:
            return self._played(exchange, exchange.played, response, report)
        details = answer_details(response, is_file=True)
        self._record(exchange, exchange.entry(response.status, 0, "", report, details))
        return response

    def _played(self, exchange: Exchange, taken: PlayedStep, good: Response | None, report: Report) -> Response:
        """Answer as the scenario's step says, from the good answer where the request was carried out."""
        played = self._scenarios.answer(taken.step, good, exchange.request_id, exchange.payload)
        response, is_file = played.response, exchange.operation == DOWNLOAD
        details = {**answer_details(response, is_file=is_file), **wire_details(response)}
        entry = exchange.entry(response.status, played.code, played.message, report, details)
        self._record(exchange, entry)
        return response

    def _record(self, exchange: Exchange, entry: Entry) -> None:
        try:
            exchange.account.journal.record(entry)
        except StoreDownError:
            # A full store can be read: what was only looked up needs no entry to be true.
            if exchange.request.method not in _LOOKUPS:
                raise
        self._show(exchange, entry)

    def _show(self, exchange: Exchange, entry: Entry) -> None:
        if self.watch:
            body = exchange.request.body
            self.watch(entry if entry.body is body else entry._replace(body=body))


def _is_own(path: str) -> bool:
    """Return whether what is at a path is the mock's own, and no part of the API."""
    return path.startswith(CONTROL_PREFIX) and path[len(CONTROL_PREFIX) :][:1] in ("", "/")


def _with_one_slash(request: Request) -> Request:
    """Return a request whose path begins with one slash: a base URL that ends in one gives it two."""
    if not request.path.startswith("//"):
        return request
    return request._replace(path="/" + request.path.lstrip("/"))


def _unverified(report: Report) -> dict[str, str]:
    if not report.unverified:
        return {}
    return {UNVERIFIED_HEADER: ", ".join(dict.fromkeys(unverified.rule.id for unverified in report.unverified))}
