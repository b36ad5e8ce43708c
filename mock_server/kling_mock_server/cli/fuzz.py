"""`klingkit fuzz`: attack a server, a payload validator or a payload builder."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options
from kling_mock_server.cli.exit_status import STATUS_INTERRUPTED
from kling_mock_server.cli.fuzz_options import CALLABLE, SERVER, FuzzOptions, refuse_foreign, refuse_unfollowed
from kling_mock_server.cli.fuzz_receiver import attack_receiver
from kling_mock_server.cli.input_files import read_world
from kling_mock_server.cli.progress_line import progress_bar
from kling_mock_server.cli.report_options import deliver, report_options
from kling_mock_server.cli.secrets_given import secret

if TYPE_CHECKING:
    from kling_contracts import Contract
    from kling_contracts.audits import Audit
    from kling_mock_server.reports.finding import Place


@click.command()
@click.argument("target", default="", metavar="[URL | MODULE:CALLABLE]")
@click.option("--receiver", default="", metavar="URL", help="Attack a receiver of callbacks, in place of a target.")
@click.option(
    "--webhook-secret",
    "webhook_secrets",
    multiple=True,
    envvar="KLINGKIT_WEBHOOK_SECRET",
    type=secret,
    metavar="TEXT",
    help="The receiver's secret (whsec_...): callbacks are signed, and forged ones sent; repeatable, @FILE reads it.",
)
@click.option(
    "-n",
    "n",
    type=click.IntRange(0),
    help="Generated cases after the catalogue.  [default: 1000; for a receiver 200]",
)
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same cases.")
@click.option(
    "--time",
    "time_s",
    type=click.FloatRange(0, min_open=True),
    help="Stop after so many seconds (server, receiver).",
)
@click.option("--token", default="", help="A bearer token that the server welcomes.")
@click.option("--world", "world_file", type=click.Path(), help="What the ids of a server without /_mock/ stand for.")
@click.option(
    "--callback-url",
    default="",
    metavar="URL",
    help="How a server elsewhere reaches this machine, at the port of URL: its callbacks are judged.",
)
@click.option("--only-invalid", is_flag=True, help="Send nothing that should be accepted (paid servers).")
@click.option("--allow-valid", is_flag=True, help="Send valid payloads to a server that is not this machine, too.")
@click.option(
    "--ignore", multiple=True, metavar="RULE", help="A rule that the target is not meant to know; repeatable."
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="RULE",
    help="Break only this rule (server), or make only this check (receiver); repeatable.",
)
@click.option(
    "--operation",
    "operations",
    multiple=True,
    metavar="NAME",
    help="Call only this operation, by its short name (server); repeatable.  [default: all]",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, min_open=True),
    help="Seconds that an answer may take.  [default: 10; of a receiver 5]",
)
@click.option(
    "--as", "kind", type=click.Choice(["validator", "builder"]), help="What the callable is, if not as it looks."
)
@report_options()
@contract_options
def fuzz(
    target: str,
    receiver: str,
    form: str,
    reports: tuple[str, ...],
    choice: ContractOptions,
    **given: Any,
) -> None:
    """Attack a server, or a Python payload validator or builder, with valid and precisely broken requests.

    A receiver of callbacks is sent good and precisely broken callbacks instead.

    The same catalogue of boundaries goes first, then generated cases. Exit status: 0 no finding, 1 findings,
    2 misuse, 130 interrupted (what was found so far is shown).

    \b
    Example: klingkit fuzz http://127.0.0.1:8080
    klingkit fuzz http://127.0.0.1:8080 --operation tts
    klingkit fuzz https://staging.example --only-invalid --token "$KEY" --world ours.json
    klingkit fuzz test_validator:validate
    klingkit fuzz test_validator:build --report fuzz.xml
    klingkit fuzz --receiver http://127.0.0.1:9000/hook --webhook-secret @secret.txt
    """
    from kling_mock_server.testing.fuzzing.report import fuzz_report

    if bool(target) == bool(receiver):
        raise click.UsageError("give one thing to attack: URL, MODULE:CALLABLE or --receiver URL")
    contract, options = choice.load(), FuzzOptions(**given)
    if receiver:
        report, status = attack_receiver(receiver, contract, options)
        deliver(report, form, reports)
        sys.exit(status)
    try:
        audit = _attack(target, contract, options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    deliver(fuzz_report(audit, _place(target)), form, reports)
    sys.exit(_status(audit))


def _attack(target: str, contract: "Contract", options: FuzzOptions) -> "Audit":
    if "://" in target:
        return _attack_server(target, contract, options)
    return _attack_callable(target, contract, options)


def _attack_server(url: str, contract: "Contract", options: FuzzOptions) -> "Audit":
    from kling_mock_server.testing.fuzzing import TIMEOUT_S, Options, fuzz_server

    refuse_foreign(SERVER)
    refuse_unfollowed(options)
    chosen = Options(
        n=options.generated(_USUAL_N),
        seed=options.seed,
        time_s=options.time_s,
        token=options.token,
        world=read_world(options.world_file),
        only_invalid=options.only_invalid,
        allow_valid=options.allow_valid,
        ignore=options.ignore,
        rules=options.rules,
        operations=options.operations,
        timeout_s=options.timeout_s or TIMEOUT_S,
        callback_url=options.callback_url,
    )
    with progress_bar("fuzz") as show:
        return fuzz_server(url, chosen, contract=contract, progress=_in_steps(show))


def _attack_callable(name: str, contract: "Contract", options: FuzzOptions) -> "Audit":
    from dataclasses import replace

    from kling_contracts.audits import InterruptedAuditError, audit, audit_builder, is_builder

    target = _imported(name)
    refuse_foreign(CALLABLE)
    kind = options.kind or ("builder" if is_builder(target) else "validator")
    run = audit_builder if kind == "builder" else audit
    n = _USUAL_N if options.n is None else options.n
    seed, ignore = options.seed, options.ignore
    try:
        with progress_bar("fuzz") as show:
            result = run(target, n=n, seed=seed, contract=contract, ignore=ignore, progress=_in_steps(show))
    except InterruptedAuditError as interrupted:
        result = interrupted.audit
    return replace(result, target=name)


def _in_steps(show: Callable[[int, int | None], None]) -> Callable[[int, int | None], None]:
    def progress(number: int, total: int | None) -> None:
        if number % _STEP == 0 or number == total:
            show(number, total)

    return progress


_USUAL_N: Final = 1000
"""Generated cases for a server, validator or builder."""
_STEP: Final = 25
"""Cases between one update of the progress bar and the next."""


def _imported(name: str) -> Callable[..., Any]:
    import importlib
    import os

    module_name, _, attribute = name.partition(":")
    if not attribute or attribute.isdecimal():
        hint = f"did you mean http://{name}?" if attribute else "it is neither a URL nor module:callable"
        raise click.UsageError(f"{name}: {hint}")
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"cannot load {name}: {error}") from None
    if not callable(found):
        raise click.UsageError(f"{name} is not callable")
    _refuse_nonsense(name, found)
    return found  # type: ignore[no-any-return]


def _refuse_nonsense(name: str, found: Callable[..., Any]) -> None:
    """Refuse what no payload can be handed to."""
    import inspect

    if inspect.isclass(found):
        raise click.UsageError(f"{name} is a class; name a function, or a method of an instance")
    try:
        parameters = list(inspect.signature(found).parameters)
    except (TypeError, ValueError):
        return
    if not parameters:
        raise click.UsageError(f"{name} takes no parameter, so nothing can be handed to it")
    if inspect.isfunction(found) and parameters[0] == "self":
        hint = "name a method of an instance, module:object.method"
        raise click.UsageError(f"{name} is a method without its instance; {hint}")


def _place(target: str) -> "Place | None":
    """Return where the source of a callable stands, in this folder; None for a server."""
    import inspect
    import os

    from kling_mock_server.reports.finding import Place

    if "://" in target:
        return None
    function = inspect.unwrap(_imported(target))
    try:
        file = Path(inspect.getsourcefile(function) or "").resolve().relative_to(os.getcwd())
        return Place(str(file), inspect.getsourcelines(function)[1])
    except (TypeError, ValueError, OSError):
        return None


def _status(audit: "Audit") -> int:
    from kling_contracts.audits.audit import INTERRUPTED

    if audit.stopped == INTERRUPTED:
        return STATUS_INTERRUPTED
    if audit.findings:
        return 1
    return 0 if audit.judged else 2
