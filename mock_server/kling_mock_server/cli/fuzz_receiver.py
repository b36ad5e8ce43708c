"""`klingkit fuzz --receiver`: attack a receiver of callbacks."""

from typing import TYPE_CHECKING, Any, Final

import click

from kling_mock_server.cli.exit_status import STATUS_INTERRUPTED
from kling_mock_server.cli.progress_line import progress_bar
from kling_mock_server.reports.finding import FindingReport

if TYPE_CHECKING:
    from kling_contracts import Contract

_OF_OTHER_TARGETS: Final = {
    "world_file": "--world",
    "token": "--token",
    "kind": "--as",
    "operations": "--operation",
    "callback_url": "--callback-url",
}


def attack_receiver(url: str, contract: "Contract", options: dict[str, Any]) -> tuple[FindingReport, int]:
    """Attack a receiver by the options of the command; return the report and the exit status.

    Raises `click.UsageError` where an option is for other targets, or the receiver cannot be attacked.
    """
    from kling_mock_server.testing.receivers import DEFAULT_N, ReceiverOptions, fuzz_receiver
    from kling_mock_server.testing.receivers.report import receiver_report

    _refuse_others(options)
    n, time_s = options["n"], options["time_s"]
    chosen = ReceiverOptions(
        secrets=options["webhook_secrets"],
        n=DEFAULT_N if n is None and time_s is None else n,
        time_s=time_s,
        **{name: options[name] for name in ("seed", "only_invalid", "allow_valid", "ignore", "rules")},
    )
    if options["timeout_s"]:
        chosen = chosen._replace(timeout_s=options["timeout_s"])
    try:
        with progress_bar("fuzz") as show:
            audit = fuzz_receiver(url, chosen, contract=contract, progress=show)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if audit.stopped == "interrupted":
        return receiver_report(audit), STATUS_INTERRUPTED
    return receiver_report(audit), 1 if audit.wrong else 0 if audit.sent else 2


def _refuse_others(options: dict[str, Any]) -> None:
    context = click.get_current_context()
    for name, shown in _OF_OTHER_TARGETS.items():
        if options[name] and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{shown} says nothing about a receiver of callbacks")
