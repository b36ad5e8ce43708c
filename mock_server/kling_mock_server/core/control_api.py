"""The control surface under `/_mock/`: it acts on the account of the bearer token it is called with."""

import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from typing import Any, Final, NamedTuple, TypeVar

from kling_contracts import Contract, Request, Response, Violation, __version__
from kling_contracts.facts.record_json import record_from_json
from kling_contracts.facts.world import Audio, Session, World
from kling_contracts.facts.world_notes import world_notes
from kling_contracts.jsonio import strict_json
from kling_contracts.jsonio.keywords import Checker
from kling_contracts.rule_table import rule_row, rule_rows
from kling_contracts.rules.lookup import nearest
from kling_mock_server.core import inbox
from kling_mock_server.core.journal_query import journal_json, parse_query
from kling_mock_server.core.operations.work import Work
from kling_mock_server.core.own_answers import CONTROL_CALL, CONTROL_METHOD, CONTROL_PATH, refusal
from kling_mock_server.core.payload_check import check_json
from kling_mock_server.core.resources import Resources
from kling_mock_server.core.task_list import tasks_json
from kling_mock_server.core.value_limit import MAX_CONTROL_VALUES, most_values
from kling_mock_server.failures.playback import begin_scenario
from kling_mock_server.protocol.envelope import SUCCEED, answer, new_request_id, plain
from kling_mock_server.protocol.names import CONTROL_PREFIX
from kling_mock_server.state.account import Account
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.tokens import bearer_of
from kling_mock_server.state.world_size import refuse_large

T = TypeVar("T")


MAX_ID_LENGTH: Final = 1024
"""Characters of the id of a session, an audio or an inbox in the path of a call."""
MAX_YAML_BYTES: Final = 256 * 1024
"""Bytes of a body that may be YAML, a scenario: a megabyte of YAML takes seconds to read."""


class MisuseError(Exception):
    """A call of the control surface that cannot be carried out: HTTP status, and one line per mistake."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Call(NamedTuple):
    """One call: the account it acts on, the id in its path, its decoded body."""

    account: Account
    id: str
    request: Request

    def json(self) -> Any:
        """Decode the body. Raises `MisuseError` where it is not JSON."""
        try:
            return strict_json.decode(self.request.body)
        except strict_json.BodyError as error:
            raise MisuseError(400, f"the body is not JSON: {error}") from None

    def json_or_yaml(self) -> Any:
        """Decode a body that is JSON, or a YAML object. Raises `MisuseError` where it is neither, or very long."""
        from kling_contracts.documents.loading import parse

        if len(self.request.body) > MAX_YAML_BYTES:
            raise MisuseError(
                400, f"the body has {len(self.request.body)} bytes; at most {MAX_YAML_BYTES} are read here"
            )
        try:
            return self.json()
        except MisuseError as misuse:
            try:
                return parse(self.request.body, "the body")
            except (ValueError, RecursionError) as error:
                if self.request.body.lstrip()[:1] in (b"{", b"[", b""):
                    raise misuse from None
                says = "the body: nested too deeply" if isinstance(error, RecursionError) else str(error)
                raise MisuseError(400, says) from None

    def parsed(self, parse: Callable[[Any], Any]) -> Any:
        """Decode the body and parse it. Raises `MisuseError` with what `parse` says is wrong."""
        value = self.json()
        return _understood(lambda: parse(value))


class NotedWorld(NamedTuple):
    """An account's world as JSON, and notes on what was just put into it."""

    world: dict[str, Any]
    notes: tuple[str, ...]


def _understood(work: Callable[[], T]) -> T:
    """Return what `work` does. Raises `MisuseError` with its text where it raises `ValueError`."""
    try:
        return work()
    except ValueError as error:
        raise MisuseError(400, str(error)) from None


class Control:
    """The control surface of one mock."""

    def __init__(self, contract: Contract, accounts: Accounts, resources: Resources, works: Mapping[str, Work]) -> None:
        self._contract = contract
        self._works = works
        self._resources = resources
        self._accounts = accounts
        price = resources.task_price
        self._open: Mapping[tuple[str, str], Callable[[str], Any]] = {
            ("GET", ""): self._index,
            ("GET", "/health"): self._health,
            ("GET", "/rules"): lambda _: self._rows,
            ("GET", "/rules/{id}"): self._rule,
            ("GET", "/scenarios"): _scenarios,
        }
        self._calls: Mapping[tuple[str, str], Callable[[Call], Any]] = {
            ("GET", "/world"): lambda call: call.account.world_json(),
            ("PUT", "/world"): _put_world,
            ("PUT", "/sessions/{id}"): _put_session,
            ("PUT", "/audios/{id}"): _put_audio,
            ("GET", "/clock"): _clock,
            ("POST", "/clock"): _advance,
            ("GET", "/limits"): _limits,
            ("PUT", "/limits"): _limit,
            ("GET", "/scenario"): _scenario,
            ("PUT", "/scenario"): _play,
            ("DELETE", "/scenario"): _stop_playing,
            ("POST", "/check"): self._check,
            ("GET", "/inbox/{id}"): lambda call: inbox.posts_json(call.account, call.id),
            ("POST", "/inbox/{id}"): lambda call: inbox.put(call.account, call.id, call.request),
            ("POST", "/reset"): _reset,
            ("GET", "/journal"): self._journal,
            ("GET", "/tasks"): lambda call: _understood(lambda: tasks_json(call.account, call.request.query, price)),
        }

    def respond(self, request: Request) -> Response:
        """Answer one call; a mistake is a 4xx that says what to do."""
        request_id = new_request_id()
        try:
            return self._answer(request, request_id)
        except MisuseError as misuse:
            rule = self._contract.mock_rules[_RULES[misuse.status]]
            return refusal(rule, str(misuse), request_id, misuse.headers)

    def _answer(self, request: Request, request_id: str) -> Response:
        path = request.path.removeprefix(CONTROL_PREFIX).rstrip("/")
        template, name = _template(path)
        method = "GET" if request.method == "HEAD" else request.method
        if (method, template) == _DOCUMENT:
            return plain(200, self._contract.document)
        if (method, template) in self._open:
            return answer(200, 0, SUCCEED, request_id, self._open[method, template](name))
        if (method, template) not in self._calls:
            self._refuse_unknown(template)
        account = self._account(request, template)
        if len(name) > MAX_ID_LENGTH:
            raise MisuseError(400, f"the id in the path has {len(name)} characters; at most {MAX_ID_LENGTH} are kept")
        if most_values(request.body) > MAX_CONTROL_VALUES:
            raise MisuseError(400, f"the body has more than {MAX_CONTROL_VALUES} values, commas in texts counted")
        if isinstance(account, Violation):
            hint = "; the control surface acts on an account: send the key that your client sends"
            return answer(account.rule.status, account.rule.code, account.message + hint, request_id)
        data = self._calls[method, template](Call(account, name, request))
        if isinstance(data, NotedWorld) and data.notes:
            noted = {"code": 0, "message": SUCCEED, "request_id": request_id, "data": data.world, "notes": data.notes}
            return plain(200, noted)
        return answer(200, 0, SUCCEED, request_id, data.world if isinstance(data, NotedWorld) else data)

    def _account(self, request: Request, template: str) -> Account | Violation:
        rules = self._contract.request_rules
        # Requests that carried no usable token are journalled too; only here can they be read.
        if template == "/journal" and not request.headers.get("authorization"):
            return self._accounts.nobody
        # Callbacks carry no token either.
        if template == _INBOX:
            return self._accounts.nobody
        token = rules.token(request)
        # Never refused for time: otherwise nobody could set right a clock that was moved too far.
        return token if isinstance(token, Violation) else self._accounts.admit_at_any_time(bearer_of(token), rules)

    def _refuse_unknown(self, path: str) -> None:
        methods = [method for method, known in self._known() if known == path]
        if methods:
            allowed = ", ".join(methods)
            raise MisuseError(405, f"{CONTROL_PREFIX}{path} takes {allowed}", {"Allow": allowed})
        raise MisuseError(404, f"nothing is at {CONTROL_PREFIX}{path}; GET {CONTROL_PREFIX}/ lists what there is")

    def _index(self, _: str) -> dict[str, Any]:
        return {"calls": sorted(f"{CONTROL_PREFIX}{path} {method}" for method, path in self._known())}

    def _known(self) -> list[tuple[str, str]]:
        return [_DOCUMENT, *self._open, *self._calls]

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return rule_rows(self._contract)

    @cached_property
    def _mock_rows(self) -> list[dict[str, Any]]:
        return [rule_row("", rule) for rule in self._contract.mock_rules.values()]

    def _rule(self, rule_id: str) -> dict[str, Any]:
        rows = [row for row in (*self._rows, *self._mock_rows) if row["id"] == rule_id]
        if not rows:
            hint = nearest(rule_id, self._contract.every_rule) or f"GET {CONTROL_PREFIX}/rules lists them"
            raise MisuseError(404, f"there is no rule {rule_id!r}; {hint}")
        # Two operations that share an id share what the rule says.
        return rows[0]

    def _check(self, call: Call) -> dict[str, Any]:
        return _understood(lambda: check_json(call.request, call.account, self._contract, self._works))

    def _journal(self, call: Call) -> dict[str, Any]:
        query = _understood(lambda: parse_query(call.request.query, self._contract))
        return journal_json(call.account.journal, query)

    def _health(self, _: str) -> dict[str, Any]:
        return {"status": "ok", "version": __version__, "operations": [o.id for o in self._contract.operations]}


_DOCUMENT: Final = ("GET", "/openapi.json")
_INBOX: Final = "/inbox/{id}"
_RULES: Final = {400: CONTROL_CALL, 404: CONTROL_PATH, 405: CONTROL_METHOD}
_ADVANCE: Final = Checker(
    {
        "type": "object",
        "required": ["advance_ms"],
        "additionalProperties": False,
        "properties": {"advance_ms": {"type": "integer", "minimum": 0, "maximum": 2**53}},
    }
)


@cache
def _limits_checker() -> Checker:
    return Checker(
        {
            "type": "object",
            "required": ["concurrency"],
            "additionalProperties": False,
            "properties": {"concurrency": {"type": ["integer", "null"], "minimum": 0, "maximum": 10_000}},
        }
    )


def _template(path: str) -> tuple[str, str]:
    match = re.fullmatch(r"(/(?:sessions|audios|rules|inbox))/([^/]+)", path)
    return (f"{match[1]}/{{id}}", match[2]) if match else (path, "")


def _put_world(call: Call) -> NotedWorld:
    return _noted(call, call.parsed(call.account.put_world_json))


def _session(value: Any) -> Session:
    refuse_large({"sessions": {"": value}})
    return record_from_json(Session, value)


def _put_session(call: Call) -> NotedWorld:
    session = call.parsed(_session)
    call.account.put_session(call.id, session)
    return _noted(call, World(sessions={call.id: session}))


def _put_audio(call: Call) -> NotedWorld:
    audio = call.parsed(partial(record_from_json, Audio))
    call.account.put_audio(call.id, audio)
    return _noted(call, World(audios={call.id: audio}))


def _noted(call: Call, put: World) -> NotedWorld:
    """Return the world of the account, with notes on what was put into it."""
    return NotedWorld(call.account.world_json(), world_notes(put))


def _clock(call: Call) -> dict[str, Any]:
    clock = call.account.clock
    return {"now_ms": clock.now_ms(), "standing": clock.standing_ms is not None, "advanced_ms": clock.advanced_ms}


def _advance(call: Call) -> dict[str, Any]:
    call.account.clock.advance(int(_checked(call, _ADVANCE)["advance_ms"]))
    return _clock(call)


def _checked(call: Call, checker: Checker) -> Any:
    value = call.json()
    faults = checker.broken(value)
    if faults:
        raise MisuseError(400, "\n".join(f"{fault.pointer or '/'}: {fault.message}" for fault in faults))
    return value


def _limits(call: Call) -> dict[str, Any]:
    return {"concurrency": call.account.state.read().concurrency, "running": call.account.tasks.running()}


def _limit(call: Call) -> dict[str, Any]:
    concurrency = _checked(call, _limits_checker())["concurrency"]
    call.account.tasks.limit(None if concurrency is None else int(concurrency))
    return _limits(call)


def _scenarios(_: str) -> list[dict[str, Any]]:
    from kling_mock_server.failures.scenarios.listing import scenario_rows

    return scenario_rows()


def _scenario(call: Call) -> dict[str, Any]:
    state = call.account.state.read()
    return {"scenario": state.scenario, "progress": state.progress}


def _play(call: Call) -> dict[str, Any]:
    from kling_mock_server.failures.scenarios import chosen

    value = call.json_or_yaml()
    begin_scenario(call.account.state, _understood(lambda: chosen(value)))
    return _scenario(call)


def _stop_playing(call: Call) -> dict[str, Any]:
    begin_scenario(call.account.state, None)
    return _scenario(call)


def _reset(call: Call) -> dict[str, Any]:
    call.account.reset()
    return call.account.world_json()
