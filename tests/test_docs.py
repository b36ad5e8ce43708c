"""Documents followed as a reader follows them, in an empty folder with the wheel installed; see `support.documents`."""

import inspect
import json
import os
import re
import shutil
import subprocess

import pytest

from kling_contracts import World
from kling_mock_server.cli.main import cli
from support import documents
from support.wheel import installed_wheel  # noqa: F401  (a fixture)

ROOT = documents.ROOT
LINKING = documents.pages()
# Schemathesis has an environment and tests of its own.
FOLLOWED = [name for name in documents.names() if name != "docs/schemathesis.md"]
LANGUAGES = {"console", "sh", "python", "text", "json", "yaml", "toml"}

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the documents use curl")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


@needs_curl
@pytest.mark.parametrize("name", FOLLOWED)
def test_a_document_that_is_followed_does_what_it_says(name, installed_wheel, tmp_path):  # noqa: F811
    if name == "examples/node_fetch/README.md" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    with documents.reader_of(name, tmp_path, installed_wheel) as reader:
        for block, commands in documents.followed(text_of(name), reader):
            documents.hold(block, commands)


@pytest.mark.parametrize("name", LINKING)
def test_every_block_says_what_it_is(name):
    assert {block.language for block in documents.blocks_of(text_of(name))} <= LANGUAGES


def test_every_world_that_is_shown_is_one():
    shown = [block.text for block in documents.blocks_of(text_of("docs/world.md")) if block.language == "json"]
    assert len(shown) == 2
    for text in shown:
        world = World.from_json(json.loads(text))
        assert World.from_json(world.to_json()) == world


def test_the_first_steps_are_told_in_chinese_too():
    assert {f"docs/zh/{page}.md" for page in ("offline", "pytest", "ci")} <= documents.TRANSLATIONS.keys()


@pytest.mark.parametrize("name", LINKING)
def test_every_relative_link_leads_somewhere(name):
    document = ROOT / name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text_of(name)):
        assert (document.parent / target).exists(), target


def test_the_architecture_fits_on_one_page():
    assert len(text_of("ARCHITECTURE.md").splitlines()) <= 72


@pytest.mark.parametrize(("chinese", "english"), documents.TRANSLATIONS.items())
def test_a_translation_shows_the_same(chinese, english):
    chinese, english = map(text_of, (chinese, english))
    assert english.count("\n## ") == chinese.count("\n## ")
    assert shown(english) == shown(chinese)


def shown(document):
    return [documents.without_comments(block.text) for block in documents.blocks_of(document)]


# What documents tell readers to import, from programs and from names in the text.
IMPORT = re.compile(r"^(?:from kling_\S+ import .+|import kling_\S+)$", re.MULTILINE)
NAME = re.compile(r"`(kling_\w+(?:\.\w+)*)\.(\w+)`")
# The package of Schemathesis is elsewhere, too.
TEXTS = "\n".join(map(text_of, LINKING))
STATEMENTS = {*IMPORT.findall(TEXTS), *(f"from {module} import {last}" for module, last in NAME.findall(TEXTS))}
IMPORTS = sorted(statement for statement in STATEMENTS if "schemathesis" not in statement)


# Examples in help texts: what a reader finds there works, in a folder with the example files.
HELP = re.compile(r"^(?:Example: )?(klingkit .*?)(?=  |$)", re.MULTILINE)
# Hosts, documents and recordings that only a reader has; other tests start servers, and the whole drill takes long.
PLACEHOLDERS = (
    "--receiver",
    "staging.example",
    "newer.md",
    "session.har",
    "cassettes/",
    "klingkit serve",
    "klingkit proxy",
)
LONG = (
    'klingkit drill "python careless_client.py"',
    "klingkit fuzz http://127.0.0.1:8080",
    "klingkit docs --examples .",
    # docs/fuzzing.md follows it without a report, and test_fuzzing.py reads the reports.
    "klingkit fuzz test_validator:build --report fuzz.xml",
)


def examples_in(command):
    yield from HELP.findall(inspect.cleandoc(command.help or ""))
    for name in getattr(command, "list_commands", lambda _: ())(None):
        yield from examples_in(command.get_command(None, name))


@needs_curl
def test_the_examples_of_the_help_texts_work(installed_wheel, tmp_path):  # noqa: F811
    followed = "".join(map(text_of, FOLLOWED))
    examples = [line for line in examples_in(cli) if f"$ {line}" not in followed]
    with documents.Reader(tmp_path, installed_wheel) as reader:
        reader.paste("klingkit docs --examples .")
        reader.paste("klingkit serve &")
        for line in dict.fromkeys(examples):
            if line in LONG or any(name in line for name in PLACEHOLDERS):
                continue
            printed = reader.paste(line)
            assert printed.status in (0, 1), f"{line}\n{printed.output}"
            assert "Traceback" not in printed.output, line
            assert printed.output or ">" in line, line


@needs_curl
@pytest.mark.parametrize("options", ["", "--token only-me --profile upstream"])
def test_the_commands_of_the_welcome_work(options, installed_wheel, tmp_path):  # noqa: F811
    with documents.Reader(tmp_path, installed_wheel) as reader:
        welcome = reader.paste(f"klingkit serve {options} &").output
        (curl,) = re.findall(r"^  (curl .*)$", welcome, re.MULTILINE)
        assert "HTTP/1.1 200 OK" in reader.paste(curl).output
        for page in re.findall(r"http://\S+/_mock/\S+", welcome):
            token = re.search(r"Bearer [\w-]+", curl)[0]
            assert reader.paste(f"curl -sS {page} -H 'Authorization: {token}'").output.startswith('{"code":0')


def run(bin_folder, folder, *command, **variables):
    own = {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=folder,
        env={**own, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def test_documents_tell_what_to_import():
    assert "from kling_contracts import Contract, ContractViolation, World" in IMPORTS
    assert "from kling_contracts import strategies" in IMPORTS


def module_of(statement):
    return statement.split()[1]


# One interpreter for what is imported from one module.
@pytest.mark.parametrize("module", sorted(set(map(module_of, IMPORTS))))
def test_documented_imports_work_in_a_fresh_interpreter(module, installed_wheel, tmp_path):  # noqa: F811
    program = "\n".join(statement for statement in IMPORTS if module_of(statement) == module)
    done = run(installed_wheel, tmp_path, "python", "-W", "error", "-c", program)

    assert (done.returncode, done.stdout) == (0, "")


# `strategies` first, since Hypothesis loads that module while it is imported itself.
SUITE = """
from kling_contracts import strategies
{imports}

import unittest


class AnyTest(unittest.TestCase):
    def test_everything_is_there(self):
        assert strategies.valid and Contract and create_app
"""


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["python", "-m", "unittest", "-q", "test_any"], id="unittest"),
        pytest.param(["python", "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"], id="no autoload"),
    ],
)
def test_documented_imports_work_in_a_suite(command, installed_wheel, tmp_path):  # noqa: F811
    (tmp_path / "test_any.py").write_text(SUITE.format(imports="\n".join(IMPORTS)))

    done = run(installed_wheel, tmp_path, *command, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    assert done.returncode == 0, done.stdout
