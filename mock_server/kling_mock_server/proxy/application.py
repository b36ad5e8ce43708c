"""The proxy as a WSGI application: forward, judge, record."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from kling_contracts import Contract, Report, Request
from kling_contracts.judging.report import describe, indented, printable
from kling_mock_server.protocol.envelope import new_request_id
from kling_mock_server.protocol.names import VIOLATIONS_HEADER
from kling_mock_server.proxy.recorder import Recorder
from kling_mock_server.proxy.upstream import Upstream, UpstreamAnswer, UpstreamError
from kling_mock_server.recordings.call import api_path
from kling_mock_server.recordings.har import NO_ANSWER, ReceivedAnswer, SentRequest, entry_json
from kling_mock_server.recordings.recorded_world import RecordedWorld
from kling_mock_server.state.journal import digest_of

CALLBACKS: Final = "/_callbacks/"
"""Below this path callbacks are received and recorded, and nothing is forwarded."""
PROXY_HEADER: Final = "X-Kling-Proxy"
"""Tells a client that an answer is the proxy's own: `blocked`, `failed` or `received`."""
MAX_RECORDED_BYTES: Final = 8 * 1024 * 1024
"""Bytes of an answer that are recorded; what is longer is forwarded all the same."""

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]


class ProxyOptions(NamedTuple):
    """The options of the proxy beside forwarding."""

    block: bool = False
    """Whether it answers in the upstream's stead what breaks the contract."""
    allowed: frozenset[str] = frozenset()
    """Ids of rules that may be broken: negative tests get through."""


def _real_ms() -> float:
    return time.time_ns() / 1_000_000


class ProxyApp:
    """One proxy. It may be shared by threads."""

    def __init__(
        self,
        contract: Contract,
        upstream: Upstream,
        options: ProxyOptions,
        recorder: Recorder | None = None,
        tell: Callable[[str], None] = print,
        now_ms: Callable[[], float] = _real_ms,
    ) -> None:
        """`tell` is given what people should read; `now_ms` is the clock of the recording, Unix time in ms."""
        self._contract = contract
        self._upstream = upstream
        self._options = options
        self._recorder = recorder
        self._tell = tell
        self._now_ms = now_ms
        self._world = RecordedWorld()

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        """Answer one request."""
        request = _request(environ)
        if request.path.startswith(CALLBACKS) and request.method == "POST":
            return self._received(request, environ, start_response)
        sent = SentRequest(request.method, self._upstream.url(_target(environ)), request.headers, request.body)
        report = self._judged(request)
        self._say(request, report)
        if self._options.block and self._broken(report):
            return _blocked(report, start_response)
        began_ms = self._now_ms()
        try:
            answer = self._upstream.send(sent.method, _target(environ), sent.headers, sent.body)
        except UpstreamError as error:
            return self._failed(sent, began_ms, error, start_response)
        headers = [*answer.headers, *([("Content-Length", answer.length)] if answer.length else [])]
        headers += [(VIOLATIONS_HEADER, ", ".join(report.broken))] if report.broken else []
        forwarding = _Forwarding(self, sent, began_ms, answer)
        if request.method == "HEAD" or answer.length == "0":
            forwarding.finish()
        start_response(f"{answer.status} {answer.reason or 'Unknown'}", headers)
        return forwarding

    def record(
        self,
        sent: SentRequest,
        began_ms: float,
        answer: ReceivedAnswer,
        problem: str = "",
        *,
        is_callback: bool = False,
    ) -> None:
        """Write one exchange; the first one that cannot be written is told."""
        self._learn(sent, answer)
        if self._recorder is None:
            return
        entry = entry_json(began_ms, self._now_ms() - began_ms, sent, answer, is_callback=is_callback, problem=problem)
        failed_before = bool(self._recorder.failure)
        if not self._recorder.add(entry) and not failed_before:
            kept = f"{self._recorder.count} whole exchanges are in {self._recorder.file}"
            self._tell(f"recording stopped: {self._recorder.failure}; {kept}; requests are still forwarded")

    def tell(self, text: str) -> None:
        """Say something to people."""
        self._tell(printable(text))

    def _judged(self, request: Request) -> Report:
        path = api_path(request.path, self._contract)
        if path is None:
            return Report()
        account = f"sha256:{digest_of(request.headers.get('authorization', '').partition(' ')[2].strip())}"
        world = self._world.at(account, int(self._now_ms()))
        judged = Request(request.method, path, request.headers, request.body, request.query)
        return self._contract.report(judged, world)

    def _learn(self, sent: SentRequest, answer: ReceivedAnswer) -> None:
        """Take what an answer tells into the world by which later requests are judged."""
        path = api_path(urlsplit(sent.url).path, self._contract)
        methods = self._contract.request_rules.routes.find(path)[0] if path else None
        operation = (methods or {}).get(sent.method)
        if operation is None or not 200 <= answer.status < 300:
            return
        try:
            envelope = json.loads(answer.body)
            if not isinstance(envelope, dict) or envelope.get("code") != 0:
                return
            payload = json.loads(sent.body) if sent.body else {}
        except (ValueError, RecursionError):
            return
        self._world.learn_answer(operation.name, payload, envelope.get("data"), int(self._now_ms()))

    def _broken(self, report: Report) -> bool:
        return any(rule not in self._options.allowed for rule in report.broken)

    def _say(self, request: Request, report: Report) -> None:
        if not report.violations and not report.notes:
            return
        blocked = self._options.block and self._broken(report)
        verdict = "blocked" if blocked else "forwarded" if report.violations else "forwarded, with a note"
        lines = [f"{request.method} {request.path}: {verdict}", *(indented(describe(one)) for one in report.violations)]
        lines += [f"  {note}" for note in report.notes]
        self.tell("\n".join(lines))

    def _received(self, request: Request, environ: Environ, start_response: Start) -> Iterable[bytes]:
        url = f"http://{environ.get('HTTP_HOST', '')}{_target(environ)}"
        sent = SentRequest("POST", url, request.headers, request.body)
        self.record(sent, self._now_ms(), ReceivedAnswer(200, "OK", {}, b""), is_callback=True)
        return _own(start_response, 200, {"received": True}, "received")

    def _failed(
        self, sent: SentRequest, began_ms: float, error: UpstreamError, start_response: Start
    ) -> Iterable[bytes]:
        self.tell(f"{sent.method} {sent.url}: {error}")
        self.record(sent, began_ms, NO_ANSWER, str(error))
        body = {"error": {"message": f"klingkit proxy: {error}", "type": "klingkit_proxy"}}
        return _own(start_response, error.status, body, "failed")


class _Forwarding:
    """The body of an answer on its way to the client: recorded before its last piece is handed over."""

    def __init__(self, app: ProxyApp, sent: SentRequest, began_ms: float, answer: UpstreamAnswer) -> None:
        self._app = app
        self._sent = sent
        self._began_ms = began_ms
        self._answer = answer
        self._kept = bytearray()
        self._length = 0
        self._is_done = False

    def __iter__(self) -> Iterator[bytes]:
        waiting = b""
        try:
            for chunk in self._answer.chunks():
                self._keep(chunk)
                if waiting:
                    yield waiting
                waiting = chunk
        except UpstreamError as error:
            self.finish(str(error))
            self._app.tell(f"{self._sent.method} {self._sent.url}: {error}")
            # The client must see that the answer is not whole: the server hangs up.
            raise
        self.finish()
        if waiting:
            yield waiting

    def close(self) -> None:
        """Called by the server in the end, or when the client has gone."""
        if not self._is_done:
            self.finish("the client went away before the answer was whole")

    def finish(self, problem: str = "") -> None:
        """Record the exchange, once."""
        if self._is_done:
            return
        self._is_done = True
        self._answer.close(whole=not problem)
        headers = {name.lower(): value for name, value in self._answer.headers}
        status = 0 if problem else self._answer.status
        body = bytes(self._kept) if self._length <= MAX_RECORDED_BYTES else b""
        answer = ReceivedAnswer(status, self._answer.reason, headers, body)
        self._app.record(self._sent, self._began_ms, answer, problem)

    def _keep(self, chunk: bytes) -> None:
        self._length += len(chunk)
        if self._length <= MAX_RECORDED_BYTES:
            self._kept += chunk


def _blocked(report: Report, start_response: Start) -> Iterable[bytes]:
    """Refuse a request as the service would."""
    first = report.violations[0]
    body = {"code": first.rule.code, "message": first.message, "request_id": new_request_id()}
    broken = (VIOLATIONS_HEADER, ", ".join(report.broken))
    return _own(start_response, first.rule.status, body, "blocked", broken)


def _own(
    start_response: Start, status: int, body: dict[str, Any], word: str, *headers: tuple[str, str]
) -> Iterable[bytes]:
    """Answer in the upstream's stead; `word` is the value of `PROXY_HEADER`, `headers` are further ones."""
    content = json.dumps(body, ensure_ascii=False).encode()
    usual = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), (PROXY_HEADER, word)]
    start_response(f"{status} {_REASONS.get(status, 'Refused')}", [*usual, *headers])
    return [content]


_REASONS: Final = {200: "OK", 502: "Bad Gateway", 504: "Gateway Timeout"}


def _request(environ: Environ) -> Request:
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
    body: bytes = environ["wsgi.input"].read()
    return Request(environ["REQUEST_METHOD"], path, _headers(environ), body, environ.get("QUERY_STRING", ""))


def _headers(environ: Environ) -> dict[str, str]:
    named = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    plain = {"content-type": environ.get("CONTENT_TYPE", "")}
    return {**{name: value for name, value in plain.items() if value}, **named}


def _target(environ: Environ) -> str:
    """Return path and query as they came; where the server does not say, the path encoded again."""
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    if raw.startswith("/"):
        return str(raw)
    path = quote(environ.get("PATH_INFO", "/").encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path
