"""The command `klingkit`. Everything heavy is imported by the one command that needs it."""

import sys
from importlib import import_module
from typing import Any, Final

import click

from kling_mock_server.cli.environment import give_variables, with_variables
from kling_mock_server.cli.exit_status import STATUS_INTERRUPTED, STATUS_MISUSE
from kling_mock_server.cli.garbage import collect_rarely


class UnusableError(click.ClickException):
    """A file, a port or documents that cannot be used: click's own status, 1, says that something was found."""

    exit_code = STATUS_MISUSE


class Group(click.Group):
    """Imports the larger commands when they are asked for; shows a mistake in our documents as one line."""

    _late: Final = {
        "cases": "Print labelled requests as NDJSON: test vectors for any language.",
        "check": "Judge payload files; - reads standard input.",
        "docs": "List the pages of the documentation, or show one.",
        "drill": "Run a client through the scenarios, and judge it by what it sent.",
        "fuzz": "Attack a server, or a Python payload validator or builder, with valid and precisely broken requests.",
        "judge": "Hold recorded traffic against the contract, and name every difference.",
        "proxy": "Forward to the service, judge each request on the way, and record what was answered.",
        "rules": "Print every rule, or these, with the vendor's sentence behind it.",
        "scenarios": "List the scenarios that come with the mock, or show one as JSON.",
        "schemathesis": "Test a mock with Schemathesis and klingkit's rules.",
        "serve": "Serve the mock until Ctrl-C.",
        "spec": "Print the effective OpenAPI 3.1 document, how much of the vendor's prose it covers, or what a newer "
        "one changes.",
    }
    """Each command with the beginning of its help: to list them imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*self.commands, *self._late})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name in self._late and cmd_name not in self.commands:
            command: click.Command = getattr(import_module(f"{__package__}.{cmd_name}"), cmd_name)
            give_variables(command, cmd_name)
            self.add_command(command)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with the beginning of its help."""
        width = formatter.width - 6 - max(map(len, self._late))
        listed = [(name, click.Command(name, help=said).get_short_help_str(width)) for name, said in self._late.items()]
        with formatter.section("Commands"):
            formatter.write_dl(listed)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(STATUS_INTERRUPTED)
        except click.UsageError as error:
            raise with_variables(error) from None
        except click.ClickException as error:
            raise UnusableError(error.format_message()) from error
        except ValueError as error:
            from kling_contracts.errors import DocumentError

            if isinstance(error, DocumentError):
                raise UnusableError(f"the documents are wrong: {error}") from error
            raise


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="klingkit", message="%(prog)s %(version)s")
def cli() -> None:
    """Contract tests and a mock of Kling's advanced lip-sync endpoint.

    \b
    klingkit serve                              a mock on http://127.0.0.1:8080
    klingkit scenarios                          failures that it can play, by name
    klingkit drill "python careless_client.py"  what does a client do when things fail?
    klingkit check payload.json                 would this payload be accepted?
    klingkit rules clip-too-short               a rule, or every one, with the vendor's sentence
    klingkit spec --coverage                    which sentence is enforced by which rule
    klingkit spec --diff newer.md               what does a newer document change?
    klingkit proxy --to https://…               judge and record calls of the real service
    klingkit judge session.har                  is the contract still true, by what was recorded?
    klingkit cases --rule clip-too-short        test vectors for any language
    klingkit fuzz http://127.0.0.1:8080         does a server, or a function, keep the rules?
    klingkit schemathesis init                  files for a Schemathesis run
    klingkit docs                               the documentation, page by page
    """


def main() -> None:
    """Run the command; a character that the terminal cannot show is escaped, not a traceback."""
    collect_rarely()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    cli(prog_name="klingkit")
