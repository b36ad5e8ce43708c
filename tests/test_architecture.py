"""Who may import whom, read from the source and tried in a fresh interpreter."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "kling_openapi": ROOT / "openapi",
    "kling_contracts": ROOT / "contracts",
    "kling_mock_server": ROOT / "mock_server",
}
MODULES = {
    path.relative_to(root).as_posix(): path
    for package, root in PACKAGES.items()
    for path in sorted((root / package).rglob("*.py"))
}
LONGEST = 400

# What a contract may never pull in: it runs in environments that have none of it.
HEAVY = {"flask", "respx", "httpx", "pytest", "hypothesis", "waitress", "click", "jwt", "schemathesis"}


@cache
def tree_of(name):
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imports_of(name):
    """Every module that a module imports, wherever in it, with all names taken from it."""
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}, line {node.lineno}: imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(name):
    """The top-level packages that a module imports."""
    return {module.partition(".")[0] for module in imports_of(name)}


def modules_of(package):
    return [name for name in MODULES if name.startswith(f"{package}/")]


each_module = pytest.mark.parametrize("name", MODULES)


def test_the_modules_are_found():
    # Otherwise every test below would pass for want of a module.
    assert {"kling_openapi/__init__.py", "kling_contracts/cel.py", "kling_contracts/audio/mp3.py"} <= set(MODULES)


@pytest.mark.parametrize("name", modules_of("kling_openapi"))
def test_the_documents_import_nothing_but_pathlib(name):
    assert imported(name) <= {"pathlib"}


@pytest.mark.parametrize("name", modules_of("kling_contracts"))
def test_the_contract_imports_no_server_no_client_and_no_test_tool(name):
    allowed = {"hypothesis"} if name == "kling_contracts/strategies.py" else set()

    assert imported(name) & (HEAVY | {"kling_mock_server"}) <= allowed


@pytest.mark.parametrize("name", modules_of("kling_contracts"))
def test_the_contract_imports_few_foreign_packages(name):
    foreign = imported(name) - set(sys.stdlib_module_names) - set(PACKAGES)

    assert foreign <= {"jsonpath", "jsonschema_rs", "yaml", "hypothesis"}


@each_module
def test_only_the_packages_themselves_are_imported_by_name(name):
    # `import openapi` would find whatever distribution installs that name.
    assert not imported(name) & {"openapi", "contracts", "mock_server", "tests"}


@pytest.mark.parametrize(
    ("package", "knowing"),
    [
        ("jsonpath", {"kling_contracts/overlay.py"}),
        ("jsonschema_rs", {"kling_contracts/keywords.py"}),
        ("ast", {"kling_contracts/cel.py", "kling_contracts/cel_parser.py"}),
        ("redis", {"kling_mock_server/stores/redis_link.py"}),
        (
            "schemathesis",
            {
                "kling_mock_server/schemathesis_hooks/__init__.py",
                "kling_mock_server/schemathesis_hooks/carrying.py",
            },
        ),
    ],
    ids=["jsonpath", "jsonschema_rs", "ast", "redis", "schemathesis"],
)
def test_few_modules_know_a_package(package, knowing):
    assert {name for name in MODULES if package in imported(name)} == knowing


def test_rules_are_compiled_in_one_place():
    compiling = {name for name in MODULES if "kling_contracts.cel.compile_rule" in imports_of(name)}

    assert compiling == {"kling_contracts/rules.py"}


def test_only_the_rule_language_evaluates_code():
    def evaluates(name):
        calls = (node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call))
        return any(isinstance(call.func, ast.Name) and call.func.id in {"eval", "exec"} for call in calls)

    assert {name for name in MODULES if evaluates(name)} == {"kling_contracts/cel.py"}


@each_module
def test_no_module_is_longer_than_400_lines(name):
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= LONGEST


def loaded_by(statement):
    """The top-level packages that a fresh interpreter holds after a statement."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    # Isolated from the environment of the test run, and leaving no byte code behind.
    paths = [str(root) for root in PACKAGES.values()]
    setup = f"import sys; sys.path[:0] = {paths!r}\n"
    run = subprocess.run([sys.executable, "-I", "-B", "-c", setup + code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import kling_contracts",
        "from kling_contracts import Contract; Contract.load().collect_violations({})",
    ],
    ids=["imported", "at work"],
)
def test_a_contract_needs_no_server_no_client_and_no_test_tool(statement):
    assert not loaded_by(statement) & (HEAVY | {"kling_mock_server"})


def test_importing_the_contract_parses_no_document():
    # Start-up is paid by every test process and every command; YAML and JSONPath are for an uncached load.
    assert not loaded_by("import kling_contracts") & {"yaml", "jsonpath"}


def test_importing_the_documents_loads_nothing_else_of_ours():
    assert loaded_by("import kling_openapi") & set(PACKAGES) == {"kling_openapi"}
