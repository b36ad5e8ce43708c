"""`klingkit fuzz --receiver`: attack a receiver of callbacks."""

from typing import TYPE_CHECKING

import click

from kling_mock_server.cli.exit_status import STATUS_INTERRUPTED
from kling_mock_server.cli.fuzz_options import RECEIVER, FuzzOptions, refuse_foreign
from kling_mock_server.cli.progress_line import progress_bar
from kling_mock_server.reports.finding import FindingReport

if TYPE_CHECKING:
    from kling_contracts import Contract


def attack_receiver(url: str, contract: "Contract", options: FuzzOptions) -> tuple[FindingReport, int]:
    """Attack a receiver by the options of the command; return the report and the exit status.

    Raises `click.UsageError` where an option is for other targets, or the receiver cannot be attacked.
    """
    from kling_contracts.audits.audit import INTERRUPTED
    from kling_mock_server.outgoing.webhooks import TIMEOUT_S
    from kling_mock_server.testing.receivers import DEFAULT_N, ReceiverOptions, fuzz_receiver
    from kling_mock_server.testing.receivers.report import receiver_report

    refuse_foreign(RECEIVER)
    chosen = ReceiverOptions(
        secrets=options.webhook_secrets,
        n=options.generated(DEFAULT_N),
        seed=options.seed,
        time_s=options.time_s,
        only_invalid=options.only_invalid,
        allow_valid=options.allow_valid,
        ignore=options.ignore,
        rules=options.rules,
        timeout_s=options.timeout_s or TIMEOUT_S,
    )
    try:
        with progress_bar("fuzz") as show:
            audit = fuzz_receiver(url, chosen, contract=contract, progress=show)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if audit.stopped == INTERRUPTED:
        return receiver_report(audit), STATUS_INTERRUPTED
    return receiver_report(audit), 1 if audit.wrong else 0 if audit.sent else 2
