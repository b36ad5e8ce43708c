"""`klingkit drill`: run a client through the scenarios."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options
from kling_mock_server.cli.progress_line import progress_bar
from kling_mock_server.cli.report_options import deliver, report_options

if TYPE_CHECKING:
    from kling_mock_server.adapters.handle import Handle
    from kling_mock_server.adapters.options import MockOptions
    from kling_mock_server.failures.scenarios import Scenario
    from kling_mock_server.reports.finding import Place
    from kling_mock_server.testing.drill import Drill, DrillVerdict
    from kling_mock_server.testing.drill.clients import Commands, Ended

DIRECTORY: Final = "{dir}"
"""In a command: a fresh directory of that run."""


class DrillPlan(NamedTuple):
    """How a command is run."""

    words: tuple[str, ...]
    """Program and arguments."""
    url_variable: str
    key_variable: str
    limit_s: float


@click.command()
@click.argument("command", metavar="COMMAND")
@click.option(
    "--scenario",
    "names",
    multiple=True,
    metavar="NAME|FILE",
    help="Only this one, or those of a YAML or JSON file; repeatable.  [default: every one]",
)
@click.option(
    "--timeout",
    "limit_s",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Stop a run after so many seconds.",
)
@click.option("--jobs", default=8, show_default=True, type=click.IntRange(1), help="So many runs at once.")
@click.option(
    "--url-env",
    default="KLING_BASE_URL",
    show_default=True,
    metavar="NAME",
    help="Where the client finds the base URL.",
)
@click.option(
    "--key-env", default="KLING_API_KEY", show_default=True, metavar="NAME", help="Where the client finds its key."
)
@click.option(
    "--pace",
    type=click.Choice(["fast", "real"]),
    default="fast",
    show_default=True,
    help="How fast tasks end: in 0.3 s, or in 2.5 minutes.",
)
@report_options()
@contract_options
def drill(
    command: str,
    names: tuple[str, ...],
    limit_s: float,
    jobs: int,
    url_env: str,
    key_env: str,
    pace: str,
    form: str,
    reports: tuple[str, ...],
    choice: ContractOptions,
) -> None:
    """Run a client through the scenarios, and judge it by what it sent.

    COMMAND makes one video, with base URL and key from the environment, and exits with 0 once it has it. No shell
    reads it; {dir} in it is a fresh directory of that run. Exit status: 0 all good, 1 some bad, 2 misuse, or a client
    that fails without any fault.

    \b
    Example: klingkit drill "python careless_client.py"
    klingkit drill "python careless_client.py" --scenario rate-limited --scenario account-in-arrears
    """
    options: MockOptions = {
        "profile": choice.profile,
        "upstream_state": choice.upstream_state,
        "null_is_absent": choice.null_is_absent,
        "documents": choice.documents,
        "pace": pace,
    }
    plan = DrillPlan(_words(command), url_env, key_env, limit_s)
    verdicts: list[DrillVerdict] = []
    try:
        for verdict in _drilled(plan, _chosen(names), jobs, options):
            verdicts.append(verdict)  # noqa: PERF402 - an interruption keeps those that there are
    except KeyboardInterrupt:
        if verdicts:
            _deliver(command, plan, verdicts, form, reports, is_interrupted=True)
        raise
    _deliver(command, plan, verdicts, form, reports)
    sys.exit(_status(verdicts))


def _chosen(names: Sequence[str]) -> "list[Scenario]":
    from kling_mock_server.failures.scenarios import given
    from kling_mock_server.testing.drill import SCENARIOS

    try:
        return [one for name in dict.fromkeys(names or SCENARIOS) for one in given(name)]
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _drilled(
    plan: DrillPlan, scenarios: "Sequence[Scenario]", jobs: int, options: "MockOptions"
) -> "Iterator[DrillVerdict]":
    """Yield the verdict on the run without a fault, and where that works those under the scenarios."""
    from kling_mock_server.testing.drill import NO_FAULT, Drill
    from kling_mock_server.testing.drill.clients import Commands

    with Drill(**options) as mock, Commands() as commands:
        first = _run(mock, commands, plan, NO_FAULT)
        yield first
        if _works(first):
            yield from (verdict.beyond(first) for verdict in _all(mock, commands, plan, scenarios, jobs))


def _deliver(
    command: str,
    plan: DrillPlan,
    verdicts: "list[DrillVerdict]",
    form: str,
    reports: tuple[str, ...],
    *,
    is_interrupted: bool = False,
) -> None:
    """Print and write the report; of a client that fails without any fault its failure takes the place of the text."""
    from kling_mock_server.testing.drill.report import drill_report, failure

    report = drill_report(command, verdicts, _place(plan.words), is_interrupted=is_interrupted)
    if not _works(verdicts[0]):
        report = report._replace(forms={"text": lambda: ""})
        click.echo(failure(verdicts[0]), err=True)
    deliver(report, form, reports)


def _words(command: str) -> tuple[str, ...]:
    import shlex

    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise click.UsageError(f"cannot read the command: {error}") from None
    if not words:
        raise click.UsageError("the command is empty")
    return words


def _place(words: Sequence[str]) -> "Place | None":
    """Return the first file of the repository that a command names: its source, as far as anybody can tell."""
    from kling_mock_server.reports.finding import Place

    return next((Place(word) for word in words if Path(word).is_file() and not Path(word).is_absolute()), None)


def _all(
    mock: "Drill", commands: "Commands", plan: DrillPlan, scenarios: "Sequence[Scenario]", jobs: int
) -> "Iterator[DrillVerdict]":
    """Yield the verdicts in the order of the scenarios; the runs overlap."""
    from concurrent.futures import ThreadPoolExecutor

    with (
        ThreadPoolExecutor(jobs, thread_name_prefix="klingkit drill") as pool,
        progress_bar("drill", "scenarios") as progress,
    ):
        try:
            running = [pool.submit(_run, mock, commands, plan, scenario) for scenario in scenarios]
            for number, future in enumerate(running):
                progress(number, len(running))
                verdict = future.result()
                progress(number + 1, len(running))
                yield verdict
        except BaseException:
            # Else the pool would wait for what nobody wants any more.
            pool.shutdown(wait=False, cancel_futures=True)
            commands.stop()
            raise


def _run(mock: "Drill", commands: "Commands", plan: DrillPlan, scenario: "Scenario") -> "DrillVerdict":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="klingkit-drill-", ignore_cleanup_errors=True) as directory:

        def run(handle: "Handle") -> "Ended":
            words = [word.replace(DIRECTORY, directory) for word in plan.words]
            variables = {plan.url_variable: handle.url, plan.key_variable: handle.token}
            try:
                return commands.run(words, variables, plan.limit_s)
            except OSError as error:
                raise click.UsageError(f"cannot run {words[0]}: {error.strerror}") from None

        return mock.judge(run, scenario, plan.limit_s)


def _works(first: "DrillVerdict") -> bool:
    return first.outcome == "got the video"


def _status(verdicts: "Sequence[DrillVerdict]") -> int:
    if not _works(verdicts[0]):
        return 2
    return 0 if all(verdict.is_good for verdict in verdicts) else 1
