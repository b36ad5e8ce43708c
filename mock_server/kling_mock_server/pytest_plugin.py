"""The pytest plugin: fixtures that hand out a mock, a marker for refusals that are meant, and rule coverage.

Every pytest start in the environment loads this module, so it imports pytest alone; the rest waits for a fixture.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kling_mock_server.adapters.handle import Handle, InProcess
    from kling_mock_server.adapters.options import MockOptions
    from kling_mock_server.adapters.servers import Servers
    from kling_mock_server.core.responder import Responder
    from kling_mock_server.state.journal import Entry
    from kling_mock_server.testing.drill import Drill
    from kling_mock_server.testing.expected_violations import ViolationRecorder
    from kling_mock_server.testing.rule_coverage import RuleCoverage

RECORDER = pytest.StashKey["ViolationRecorder"]()
"""On a test: what it did to its mocks."""
COVERAGE = pytest.StashKey["RuleCoverage"]()
"""On the configuration, where rule coverage was asked for."""
WORKER_OUTPUT = "kling_coverage"
"""The key under which a worker of pytest-xdist leaves its counts for the session that started it."""


@pytest.fixture(scope="session")
def kling_options() -> "MockOptions":
    """MockOptions of `create_app` for every mock. Override it to choose: `return {"profile": "upstream"}`."""
    return {}


@pytest.fixture(scope="session")
def kling_base_url() -> str:
    """The base URL of `kling_respx` and `kling_mock`, by default the vendor's own server. Override it to choose."""
    from kling_mock_server.adapters.options import new_responder

    url: str = new_responder().contract.document["servers"][0]["url"]
    return url


@pytest.fixture
def kling_mock(
    request: pytest.FixtureRequest, kling_options: "MockOptions", kling_base_url: str
) -> Iterator["InProcess"]:
    """A mock without a socket: `.app` for any client that can call WSGI, `.client()` for httpx."""
    from kling_mock_server.adapters.flask_app import create_app
    from kling_mock_server.adapters.handle import InProcess
    from kling_mock_server.adapters.options import token_for

    handle = InProcess(create_app(**kling_options), kling_base_url, token_for(kling_options))
    with closing(handle.responder), _recorded(request, handle.responder):
        yield handle


@pytest.fixture
def kling_server(
    request: pytest.FixtureRequest, kling_options: "MockOptions", _kling_servers: "Servers"
) -> Iterator["Handle"]:
    """An account of a mock that listens on a free port of this machine; tests share the server, not the account."""
    with (
        _kling_servers.account(kling_options) as handle,
        _recorded(request, handle.responder, _kling_servers.is_late),
    ):
        yield handle


@pytest.fixture
def kling_respx(
    request: pytest.FixtureRequest, kling_options: "MockOptions", kling_base_url: str
) -> Iterator["Handle"]:
    """A mock that answers httpx, sync and async, for every URL under `kling_base_url`; no other URL is let through."""
    import respx

    from kling_mock_server.adapters.respx_router import mount

    with respx.mock(assert_all_called=False) as router:
        handle = mount(router, kling_base_url, **kling_options)
        with closing(handle.responder), _recorded(request, handle.responder):
            yield handle


@pytest.fixture
def kling_drill(kling_options: "MockOptions") -> Iterator["Drill"]:
    """Judges a client under a scenario: `kling_drill(client, "flaky").check()`; the client takes URL and token."""
    from kling_mock_server.testing.drill import Drill

    with Drill(**kling_options) as drill:
        yield drill


@pytest.fixture(scope="session")
def _kling_servers() -> Iterator["Servers"]:
    from kling_mock_server.adapters.servers import Servers

    with Servers() as servers:
        yield servers


@contextmanager
def _recorded(
    request: pytest.FixtureRequest, responder: "Responder", is_late: "Callable[[Entry], bool]" = lambda _: False
) -> Iterator[None]:
    """Let the test answer for what the mock refuses meanwhile."""
    from kling_mock_server.testing.expected_violations import ViolationRecorder

    recorder = request.node.stash.setdefault(RECORDER, ViolationRecorder(responder.contract.every_rule))
    coverage = request.config.stash.get(COVERAGE, None)

    def watch(entry: "Entry") -> None:
        if not is_late(entry):
            recorder.record(entry)
            if coverage is not None:
                coverage.see(entry, responder.contract)

    responder.watch = watch
    yield
    responder.watch = None
    # The test's own calls are judged with the test; these were sent by other fixtures at their end.
    _fail_with(recorder.unexpected(_announced(request.node)), recorder)


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Fail a test that passed, for what the mock refused or did not refuse."""
    # Last, and no wrapper: pluggy writes wrappers in two ways, and no way suits every pytest from 7.4 on.
    _judge(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[Any]") -> None:
    """Show what the mock refused where a test failed anyway."""
    if call.when == "call" and call.excinfo is not None:
        _show(item)


def _show(item: pytest.Item) -> None:
    recorder = item.stash.get(RECORDER, None)
    if recorder and recorder.refusals():
        item.add_report_section("call", "kling", recorder.refusals())
        recorder.forget()


def _judge(item: pytest.Item) -> None:
    announced = _announced(item)
    recorder = item.stash.get(RECORDER, None)
    if not all(mark.args for mark in item.iter_markers("kling_violates")):
        pytest.fail("kling_violates: name the rules that are meant to be broken", pytrace=False)
    if recorder:
        _fail_with(recorder.unexpected(announced) or recorder.missing(announced), recorder)
    elif announced:
        pytest.fail("kling_violates: the test uses none of kling_mock, kling_server, kling_respx", pytrace=False)


def _fail_with(text: str, recorder: "ViolationRecorder") -> None:
    recorder.forget()
    if text:
        pytest.fail(text, pytrace=False)


def _announced(item: pytest.Item) -> tuple[str, ...]:
    return tuple(rule_id for mark in item.iter_markers("kling_violates") for rule_id in mark.args)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options on rule coverage."""
    group = parser.getgroup("kling", "klingkit")
    group.addoption(
        "--kling-coverage",
        action="store_true",
        help="Show which rules the suite exercised: how many requests held each, and how many broke it.",
    )
    group.addoption(
        "--kling-coverage-fail-under",
        type=float,
        metavar="PERCENT",
        help="Fail where fewer of all sides (two a rule: held and broken) were seen. Implies --kling-coverage.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; get ready to count."""
    config.addinivalue_line(
        "markers", "kling_violates(rule_id, ...): requests of this test break these rules, and no others."
    )
    option = config.option
    if (option.kling_coverage or option.kling_coverage_fail_under is not None) and not option.collectonly:
        from kling_mock_server.testing.rule_coverage import RuleCoverage

        config.stash[COVERAGE] = RuleCoverage()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker of pytest-xdist counted; one that crashed has left nothing."""
    coverage = node.config.stash.get(COVERAGE, None)
    if coverage is not None:
        coverage.add(getattr(node, "workeroutput", {}).get(WORKER_OUTPUT, {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts over where this is a worker; else fail where they are too low."""
    coverage = session.config.stash.get(COVERAGE, None)
    if coverage is None:
        return
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[WORKER_OUTPUT] = coverage.counts
    elif session.exitstatus == pytest.ExitCode.OK and _is_too_low(session.config, coverage):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
    """Show the rule coverage."""
    coverage = config.stash.get(COVERAGE, None)
    if coverage is None:
        return
    terminalreporter.section("kling rule coverage")
    terminalreporter.line(coverage.text())
    if _is_too_low(config, coverage):
        wanted = config.option.kling_coverage_fail_under
        terminalreporter.line(f"too low: --kling-coverage-fail-under asks for {wanted:g} %", red=True)


def _is_too_low(config: pytest.Config, coverage: "RuleCoverage") -> bool:
    wanted: float | None = config.option.kling_coverage_fail_under
    return wanted is not None and coverage.percent < wanted
