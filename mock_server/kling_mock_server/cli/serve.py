"""`klingkit serve`."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from kling_mock_server.cli.contract_options import ContractOptions, contract_options
from kling_mock_server.cli.garbage import collect_as_usual
from kling_mock_server.cli.listening import cannot_listen
from kling_mock_server.cli.secrets_given import secret, shown

if TYPE_CHECKING:
    from kling_mock_server.adapters.waitress_server import CurlKey


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 picks a free one.",
)
@contract_options
@click.option(
    "--token",
    "tokens",
    multiple=True,
    type=secret,
    metavar="TEXT",
    help="Welcome only this bearer token (or JWT issuer); repeatable. @FILE reads it from a file.",
)
@click.option(
    "--secret",
    type=secret,
    metavar="TEXT",
    help="Welcome only JWTs with an iss that this secret signs (HS256). @FILE reads it from a file.",
)
@click.option(
    "--jwt-clock",
    type=click.Choice(["real", "account"]),
    default="real",
    show_default=True,
    help="Judge exp and nbf of JWTs by real time, or by the account's clock, which /_mock/clock moves.",
)
@click.option(
    "--fetch",
    type=click.Choice(["loopback", "any", "none"]),
    default="loopback",
    show_default=True,
    help="Whose sound_file and video_url URLs are downloaded and measured.",
)
@click.option(
    "--audio-slack-ms",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Refuse clips that end within so many ms of the audio's end, as integrators see upstream do.",
)
@click.option(
    "--pace",
    type=click.Choice(["fast", "real", "manual"]),
    default="fast",
    show_default=True,
    help="How fast tasks end: in 0.3 s, in 2.5 minutes, or as POST /_mock/clock advances a clock that stands still.",
)
@click.option(
    "--concurrency", type=click.IntRange(0), help="So many tasks of an account may run at once.  [default: any number]"
)
@click.option(
    "--scenario",
    default="",
    metavar="NAME|FILE",
    help="Play it for every account: one that `klingkit scenarios` lists, or that of a YAML or JSON file.",
)
@click.option(
    "--webhook-secret",
    "webhook_secrets",
    multiple=True,
    type=secret,
    metavar="TEXT",
    help="Sign callbacks with this secret (whsec_...); repeatable. @FILE or the environment keep it out of the process "
    "list.",
)
@click.option(
    "--allow-callbacks",
    "callback_hosts",
    multiple=True,
    metavar="HOST",
    help="Send callbacks to this host as well, *.example.com or * too; else only to this machine.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="HOST",
    help="Answer calls of /_mock/ under this name as well, *.example.com or * too; else only under this machine's.",
)
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Let pages of this origin (https://app.example.com, or * for any) call the API and read files; repeatable. "
    "Pages of this machine may anyway.",
)
@click.option(
    "--public-url",
    default="",
    metavar="URL",
    help="Where others reach the mock, behind a proxy or by a second name: URLs of its files begin with it.",
)
@click.option(
    "--store",
    default="",
    metavar="URL",
    help="Where tasks are kept: sqlite:///mock.db survives restarts, redis://host/0 serves several machines. "
    "[default: memory]",
)
@click.option("-v", "--verbose", is_flag=True, help="Print every exchange, not only what is refused or noted.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: every exchange as one JSON object per line, as the journal has it.",
)
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    choice: ContractOptions,
    host: str,
    port: int,
    verbose: bool,
    log_format: str,
    **options: Any,
) -> None:
    """Serve the mock until Ctrl-C.

    Example: klingkit serve --port 0 --pace manual --store sqlite:///mock.db
    """
    from kling_contracts.errors import DocumentError
    from kling_contracts.judging.report import printable
    from kling_mock_server.adapters import waitress_server
    from kling_mock_server.adapters.connections import raise_open_files
    from kling_mock_server.adapters.exchange_log import JsonLog, TextLog
    from kling_mock_server.adapters.flask_app import create_app
    from kling_mock_server.outgoing.hosts import is_loopback

    notes = list(_notes_on(options))
    options["allow_hosts"] = (*options["allow_hosts"], host)
    options["secret"] = options["secret"] or ""
    try:
        if options["scenario"]:
            from kling_mock_server.failures.scenarios import given_one

            options["scenario"] = given_one(options["scenario"])
        app = create_app(**choice._asdict(), **options)
    except DocumentError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo("".join(printable(f"note: {note}\n") for note in notes), err=True, nl=False)
    raise_open_files()
    try:
        server = waitress_server.listen(app, host, port)
    except (OSError, ValueError) as error:
        app.responder.close()
        raise cannot_listen(host, port, error) from None
    if not is_loopback(host.lower()):
        click.echo(_OPEN_TO_OTHERS.format(host=host), err=True)
    key = _key_for_curl(ctx, options)
    collect_as_usual()
    log = JsonLog() if log_format == "json" else TextLog(verbose)
    waitress_server.run(server, app, host, choice.profile, key, log)


def _key_for_curl(ctx: click.Context, options: Mapping[str, Any]) -> "CurlKey":
    """Return the key of the example that is printed at the start."""
    from kling_mock_server.adapters import waitress_server

    if options["secret"]:
        return waitress_server.SIGNED_KEY
    if token := shown(ctx, "tokens", options["tokens"]):
        return waitress_server.key_shown(token)
    return waitress_server.LISTED_KEY if options["tokens"] else waitress_server.ANY_KEY


def _notes_on(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what among the options is hardly meant; a secret that is none at all is refused elsewhere."""
    from kling_mock_server.outgoing.hosts import never_matches
    from kling_mock_server.outgoing.webhooks import note_on_secret

    for option, hosts in (("--allow-callbacks", options["callback_hosts"]), ("--allow-host", options["allow_hosts"])):
        for allowed in hosts:
            if why := never_matches(allowed):
                yield f"{option} {allowed} never matches: {why}"
    for secret_given in options["webhook_secrets"]:
        with suppress(ValueError):
            if odd := note_on_secret(secret_given):
                yield odd


_OPEN_TO_OTHERS: Final = """\
warning: with --host {host}, other machines can use this mock and, with its key, everything of an account.
warning: Calls of /_mock/ under another name than localhost or {host} are refused; --allow-host NAME adds one.
"""
