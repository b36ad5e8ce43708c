"""Every option of every command can come from the environment."""

import json

import click
import pytest
from click.testing import CliRunner

from kling_mock_server.cli.main import cli


def commands(group=cli, *names):
    """Yield names and command of every command below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


def options(command):
    return [option for option in command.params if isinstance(option, click.Option)]


def ran(*arguments, **variables):
    return CliRunner(env=variables).invoke(cli, arguments, prog_name="klingkit")


def rules(**variables):
    return {row["id"] for row in json.loads(ran("rules", "--format", "json", **variables).stdout)}


def test_no_option_lacks_its_two_variables():
    for names, command in commands():
        for option in options(command):
            name = max(option.opts, key=len).strip("-").replace("-", "_").upper()
            assert option.envvar == [f"KLINGKIT_{'_'.join(names).upper()}_{name}", f"KLINGKIT_{name}"]


@pytest.mark.parametrize(("names", "command"), [pytest.param(*one, id=" ".join(one[0])) for one in commands()])
def test_the_help_lists_the_variables(names, command):
    shown = "".join(ran(*names, "--help").stdout.split())
    assert [name for option in options(command) if f"[env:{(name := option.envvar[1])}]" not in shown] == []


def test_a_variable_is_the_option():
    assert ran("rules", KLINGKIT_FORMAT="markdown").stdout == ran("rules", "--format", "markdown").stdout


@pytest.mark.parametrize(("value", "is_judged"), [("1", False), ("true", False), ("0", True), ("", True)])
def test_a_flag_is_a_yes_or_a_no(value, is_judged):
    assert ("session-expired" in rules(KLINGKIT_NO_UPSTREAM_STATE=value)) is is_judged


def test_the_variable_of_a_command_wins_over_that_of_all():
    result = ran("rules", KLINGKIT_FORMAT="json", KLINGKIT_RULES_FORMAT="markdown")
    assert result.stdout.startswith("## ")


def test_an_option_wins_over_both_variables():
    result = ran("rules", "--format", "json", KLINGKIT_FORMAT="text", KLINGKIT_RULES_FORMAT="markdown")
    assert json.loads(result.stdout)


def test_several_values_are_separated_by_spaces():
    result = ran("drill", "true", KLINGKIT_DRILL_SCENARIO="no-such-one nor-this")
    assert "there is no scenario 'no-such-one'" in result.stderr


def test_a_value_that_a_command_does_not_know_is_misuse_of_that_command_alone():
    refused = ran("rules", KLINGKIT_FORMAT="sarif")
    assert refused.exit_code == 2
    assert "'--format': 'sarif' is not one of" in refused.stderr
    assert ran("scenarios", "flaky", KLINGKIT_RULE="x").exit_code == 0


def test_misuse_names_the_variables_that_were_read():
    refused = ran("rules", KLINGKIT_RULES_PROFILE="sideways", KLINGKIT_PORT="1")
    assert refused.stderr.endswith("(options from the environment: KLINGKIT_RULES_PROFILE)\n")


def test_a_value_that_is_refused_names_its_own_variable_alone():
    refused = ran("serve", KLINGKIT_PORT="http", KLINGKIT_PACE="fast")
    assert refused.stderr.endswith("(options from the environment: KLINGKIT_PORT)\n")


def test_misuse_names_no_variable_where_none_was_read():
    assert "environment" not in ran("rules", "--profile", "sideways").stderr
