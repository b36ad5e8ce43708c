"""Rule coverage in a pytest session: counts of workers added up, the table, the reports and the exit status."""

from collections.abc import Sequence
from typing import Any

import pytest

from kling_mock_server.reports.formats import refuse_unwritable, write_file
from kling_mock_server.testing.coverage_report import coverage_report, coverage_text, problems
from kling_mock_server.testing.coverage_settings import read_settings
from kling_mock_server.testing.rule_coverage import RuleCoverage

WORKER_OUTPUT = "kling_coverage"
"""The key under which a worker of pytest-xdist leaves its counts for the session that started it."""


class CoveragePlugin:
    """The part of the plugin that is registered where rule coverage was asked for."""

    def __init__(self, coverage: RuleCoverage, subject: str, reports: Sequence[str], fail_under: float | None) -> None:
        self.coverage = coverage
        self.subject = subject
        self.reports = reports
        self.fail_under = fail_under
        self.unwritten: list[str] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what a worker of pytest-xdist counted; one that crashed has left nothing."""
        self.coverage.add(getattr(node, "workeroutput", {}).get(WORKER_OUTPUT, {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the counts over where this is a worker; else write the reports, and fail where they are too low."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[WORKER_OUTPUT] = self.coverage.exported()
            return
        self._write()
        if session.exitstatus == pytest.ExitCode.OK and self._problems():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Show the rule coverage."""
        terminalreporter.section("kling rule coverage")
        terminalreporter.line(coverage_text(self.coverage))
        for problem in self._problems():
            terminalreporter.line(problem, red=True)

    def _write(self) -> None:
        report = coverage_report(self.coverage, self.subject, self.fail_under)
        for name in self.reports:
            try:
                write_file(report, name)
            except OSError as error:
                self.unwritten.append(f"cannot write {name}: {error.strerror}")

    def _problems(self) -> list[str]:
        return [*problems(self.coverage, self.fail_under), *self.unwritten]


def plugin_for(config: pytest.Config) -> CoveragePlugin:
    """Return the plugin for a session. Raises `pytest.UsageError` where its settings cannot be used."""
    option = config.option
    reports = option.kling_coverage_report or []
    try:
        settings = read_settings(config.rootpath / "pyproject.toml")
        for name in reports:
            refuse_unwritable(name)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    fail_under = settings.fail_under if option.kling_coverage_fail_under is None else option.kling_coverage_fail_under
    return CoveragePlugin(RuleCoverage(settings.exclude), config.rootpath.name, reports, fail_under)
