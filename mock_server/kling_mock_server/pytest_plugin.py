"""The pytest plugin: fixtures that hand out a mock, a marker for refusals that are meant, and rule coverage.

Every pytest start in the environment loads this module, so it imports pytest alone; the rest waits for a fixture.
"""

from collections.abc import Callable, Generator, Iterator
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
SECTION = "Captured kling call"
"""The heading of what the mock refused of a test that failed."""
COVERAGE: "pytest.StashKey[RuleCoverage]" = pytest.StashKey()
"""On the configuration, where rule coverage was asked for."""


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
    """A mock that answers httpx and httpx2 for every URL under `kling_base_url`; no other URL is let through."""
    from urllib.parse import urlsplit

    import respx

    from kling_mock_server.adapters import httpx2_router
    from kling_mock_server.adapters.respx_router import mount
    from kling_mock_server.adapters.unseen_clients import refused_lookups

    with (
        respx.mock(assert_all_called=False) as router,
        refused_lookups(urlsplit(kling_base_url).hostname or "") as unseen,
    ):
        handle = mount(router, kling_base_url, **kling_options)
        with (
            closing(handle.responder),
            httpx2_router.answered(handle.responder, kling_base_url),
            _recorded(request, handle.responder),
        ):
            yield handle
    # The test may have swallowed the error: the host that it asked for was not the mock's.
    if unseen:
        pytest.fail(str(unseen[0]), pytrace=False)


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
                coverage.see(entry, responder.contract, request.node.nodeid)

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


# Written in the old way of pluggy, the only one that every pytest from 7.4 on takes.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[Any]") -> Generator[None, Any, None]:
    """Show what the mock refused where a test failed anyway."""
    outcome = yield
    if call.when == "call" and call.excinfo is not None:
        _show(item, outcome.get_result())


def _show(item: pytest.Item, report: "pytest.TestReport") -> None:
    recorder = item.stash.get(RECORDER, None)
    if recorder is None or not recorder.refusals():
        return
    failure: Any = report.longrepr
    if hasattr(failure, "addsection"):
        # Part of the failure itself, for pytest's JUnit file has that alone.
        failure.addsection(SECTION, recorder.refusals(), "-")
    else:
        report.sections.append((SECTION, recorder.refusals()))
    recorder.forget()


def _judge(item: pytest.Item) -> None:
    announced = _announced(item)
    recorder = item.stash.get(RECORDER, None)
    if not all(mark.args for mark in item.iter_markers("kling_violates")) or not all(map(_is_text, announced)):
        pytest.fail("kling_violates: name the rules that are meant to be broken, each as a text", pytrace=False)
    if recorder:
        _fail_with(recorder.unexpected(announced) or recorder.missing(announced), recorder)
    elif announced:
        pytest.fail("kling_violates: the test uses none of kling_mock, kling_server, kling_respx", pytrace=False)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


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
        help="Fail where fewer of all sides (two for each rule: held and broken) were seen. Implies --kling-coverage.",
    )
    group.addoption(
        "--kling-coverage-report",
        action="append",
        metavar="FILE",
        help="Write the rule coverage to a file, with the tests that held or broke each rule; repeatable. The ending "
        "chooses the format: .json, .xml (JUnit), .md, .txt, .sarif. Implies --kling-coverage.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; get ready to count."""
    config.addinivalue_line(
        "markers", "kling_violates(rule_id, ...): requests of this test break these rules, and no others."
    )
    option = config.option
    wanted = option.kling_coverage or option.kling_coverage_report or option.kling_coverage_fail_under is not None
    if wanted and not option.collectonly:
        from kling_mock_server.testing.coverage_plugin import plugin_for

        plugin = plugin_for(config)
        config.stash[COVERAGE] = plugin.coverage
        config.pluginmanager.register(plugin, "kling_coverage")
