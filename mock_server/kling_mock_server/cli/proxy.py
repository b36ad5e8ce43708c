"""`klingkit proxy`: between a client and the service."""

from typing import TYPE_CHECKING

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options
from kling_mock_server.cli.garbage import collect_as_usual
from kling_mock_server.cli.listening import cannot_listen

if TYPE_CHECKING:
    from kling_contracts import Contract
    from kling_mock_server.proxy.recorder import Recorder
    from kling_mock_server.proxy.upstream import Upstream


@click.command()
@click.option("--to", "upstream", required=True, metavar="URL", help="The service. No other host is ever called.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 picks a free one.",
)
@click.option("--block", is_flag=True, help="Answer in the service's stead what breaks the contract: it costs nothing.")
@click.option(
    "--allow", "allowed", multiple=True, metavar="RULE", help="With --block: let this rule be broken; repeatable."
)
@click.option("--record", "file", type=click.Path(dir_okay=False), help="Record to this HAR, a new file.")
@contract_options
def proxy(
    upstream: str,
    host: str,
    port: int,
    block: bool,
    allowed: tuple[str, ...],
    file: str | None,
    choice: ContractOptions,
) -> None:
    """Forward to the service, judge each request on the way, and record what was answered.

    Keys, signatures and audio are redacted before anything is written. A request is sent once, and never again.

    \b
    Example: klingkit proxy --to https://api.example.com --record session.har
    klingkit proxy --to https://api.example.com --block --allow clip-too-short
    """
    contract = choice.load()
    _refuse_unknown(allowed, block, contract)
    target = _upstream(upstream)
    _serve(contract, target, host, port, block, frozenset(allowed), file)


def _serve(
    contract: "Contract",
    target: "Upstream",
    host: str,
    port: int,
    block: bool,
    allowed: frozenset[str],
    file: str | None,
) -> None:
    from kling_mock_server.proxy.application import ProxyApp, ProxyOptions
    from kling_mock_server.proxy.server import listen, run, tell

    recorder = _recorder(file)
    app = ProxyApp(contract, target, ProxyOptions(block, allowed), recorder, tell)
    try:
        server = listen(app, host, port)
    except (OSError, ValueError) as error:
        if recorder:
            recorder.close()
            recorder.file.unlink()
        raise cannot_listen(host, port, error) from None
    collect_as_usual()
    run(server, f"http://{host}:{server.effective_port}", target, recorder)


def _upstream(url: str) -> "Upstream":
    from kling_mock_server.proxy.upstream import Upstream

    try:
        return Upstream(url)
    except ModuleNotFoundError:
        raise click.UsageError("the proxy needs urllib3: pip install 'klingkit[proxy]'") from None
    except ValueError as error:
        raise click.UsageError(f"--to {error}") from None


def _recorder(file: str | None) -> "Recorder | None":
    from kling_mock_server.proxy.recorder import Recorder

    if file is None:
        return None
    try:
        return Recorder(file)
    except FileExistsError:
        raise click.UsageError(
            f"{file} is there already, and a recording is never written over; name another"
        ) from None
    except OSError as error:
        raise click.UsageError(f"cannot write {file}: {error.strerror}") from None


def _refuse_unknown(allowed: tuple[str, ...], block: bool, contract: "Contract") -> None:
    from kling_contracts.rules.lookup import refuse_unknown_rules

    if allowed and not block:
        raise click.UsageError("--allow is for --block: without it every request gets through")
    try:
        refuse_unknown_rules(allowed, contract.every_rule)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
