"""The command `klingkit`. Everything heavy is imported by the one command that needs it."""

import sys
from importlib import import_module
from typing import Any, Final

import click

from kling_mock_server.cli.profile_options import profile_options

FORMATS = ("text", "json")


class Group(click.Group):
    """Imports the larger commands when they are asked for; shows a mistake in our documents as one line."""

    _late: Final = {
        "docs": "kling_mock_server.cli.docs",
        "drill": "kling_mock_server.cli.drill",
        "fuzz": "kling_mock_server.cli.fuzz",
        "scenarios": "kling_mock_server.cli.serve",
        "schemathesis": "kling_mock_server.cli.schemathesis",
        "serve": "kling_mock_server.cli.serve",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*self.commands, *self._late})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name in self._late and cmd_name not in self.commands:
            self.add_command(getattr(import_module(self._late[cmd_name]), cmd_name))
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ValueError as error:
            from kling_contracts.errors import DocumentError

            if isinstance(error, DocumentError):
                raise click.ClickException(f"klingkit's documents are wrong: {error}") from error
            raise


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="klingkit", message="%(prog)s %(version)s")
def cli() -> None:
    """Contract tests and a mock of Kling's advanced lip-sync endpoint.

    \b
    klingkit serve                       a mock on http://127.0.0.1:8080
    klingkit scenarios                   failures that it can play, by name
    klingkit drill "my-client --once"    what does a client do when things fail?
    klingkit check payload.json          would this payload be accepted?
    klingkit rules                       every rule, with the vendor's sentence
    klingkit spec --coverage             which sentence is enforced by which rule
    klingkit cases --rule clip-too-short   test vectors for any language
    klingkit fuzz http://127.0.0.1:8080  does a server, or a function, keep the rules?
    klingkit schemathesis init           files for a Schemathesis run
    klingkit docs                        the documentation, page by page
    """


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE... | -")
@click.option("--world", "world_file", type=click.Path(), help="JSON file with the server's side; see docs/world.md.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Fail on what could not be verified, too.")
@click.option(
    "--fetch",
    type=click.Choice(["loopback", "any", "none"]),
    default="none",
    show_default=True,
    help="Whose sound_file URLs are downloaded and measured.",
)
@profile_options
def check(
    files: tuple[str, ...],
    world_file: str | None,
    form: str,
    strict: bool,
    fetch: str,
    profile: str,
    upstream_state: bool,
) -> None:
    """Judge payload files; - reads standard input.

    Exit status: 0 all valid, 1 violations, 2 misuse.

    Example: klingkit check payload.json --world world.json --strict
    """
    from kling_contracts import Contract
    from kling_mock_server.reports.payload_checker import PayloadChecker

    contract = Contract.load(profile, upstream_state=upstream_state)
    checking = PayloadChecker(contract, _world(world_file), _fetcher(fetch, contract.largest_file))
    results = [checking.judge(name, _read(name)) for name in files]
    click.echo(checking.as_json(results) if form == "json" else checking.as_text(results))
    failed = any(result.report.violations or (strict and result.report.unverified) for result in results)
    sys.exit(1 if failed else 0)


@cli.command()
@click.option("--format", "form", type=click.Choice([*FORMATS, "markdown"]), default="text", show_default=True)
@profile_options
def rules(form: str, profile: str, upstream_state: bool) -> None:
    """Print every rule with the vendor's sentence behind it.

    Example: klingkit rules --format markdown > rules.md
    """
    import json

    from kling_contracts import Contract, rule_table

    contract = Contract.load(profile, upstream_state=upstream_state)
    if form == "json":
        click.echo(json.dumps(rule_table.rule_rows(contract), ensure_ascii=False, indent=2))
    else:
        click.echo(rule_table.rule_markdown(contract) if form == "markdown" else rule_table.rule_text(contract))


@cli.command()
@click.option("--valid/--invalid", "valid", default=None, help="Only cases that break nothing, or only ones that do.")
@click.option("--rule", help="Only cases that break this rule.")
@click.option("-n", type=click.IntRange(0), help="So many generated cases, instead of the boundary catalogue.")
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same cases.")
@profile_options
def cases(valid: bool | None, rule: str | None, n: int | None, seed: int, profile: str, upstream_state: bool) -> None:
    """Print labelled requests as NDJSON: test vectors for any language.

    Example: klingkit cases --rule clip-too-short
    """
    from kling_contracts import Contract
    from kling_mock_server.cli.case_lines import lines

    try:
        rows = lines(valid, rule, n, seed, Contract.load(profile, upstream_state=upstream_state))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    for row in rows:
        click.echo(row)


@cli.command()
@click.option("--coverage", is_flag=True, help="Show which rule answers for which sentence; 1 if any is left over.")
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@profile_options
def spec(coverage: bool, form: str, profile: str, upstream_state: bool) -> None:
    """Print the effective OpenAPI 3.1 document, or how much of the vendor's prose it covers.

    Example: klingkit spec --profile upstream > kling.openapi.yaml
    """
    from kling_contracts.documents import loading

    effective = loading.effective(profile, upstream_state=upstream_state)
    if coverage:
        from kling_contracts.documents.prose_coverage import coverage as covered
        from kling_contracts.documents.prose_coverage import coverage_text

        described = covered(loading.vendor(), effective)
        click.echo(coverage_text(described))
        sys.exit(1 if any(one.uncovered or one.strays for one in described) else 0)
    click.echo(loading.dump(effective, form), nl=False)


def _read(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise click.UsageError(f"cannot read {name}: {error.strerror}") from None


def _world(name: str | None) -> Any:
    if name is None:
        return None
    from kling_contracts import World
    from kling_contracts.jsonio import strict_json

    try:
        return World.from_json(strict_json.decode(_read(name)))
    except strict_json.BodyError as error:
        raise click.UsageError(f"{name} is not JSON: {error}") from None
    except ValueError as error:
        raise click.UsageError(f"{name} is not a world:\n{error}") from None


def _fetcher(policy: str, largest: int | None) -> Any:
    from kling_mock_server.outgoing.fetch import fetcher

    return fetcher(policy, largest)


def main() -> None:
    """Run the command; a character that the terminal cannot show is escaped, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    cli(prog_name="klingkit")
