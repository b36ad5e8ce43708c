"""The layout: folders in layers, imports in one direction, read from the source and tried in a fresh interpreter."""

import ast
import json
import re
import sys
from functools import cache
from pathlib import Path

import pytest

from kling_contracts import Request
from kling_mock_server import create_app
from support.calls import calls_of
from support.interpreter import loaded_by, modules_loaded_by

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
MAX_LINES = 400

# The folders and modules of a package, top layer first. A layer imports only layers below it.
LAYERS = {
    "kling_contracts": [
        {"__init__", "strategies"},
        {"audits"},
        {"cases"},
        {"drift"},
        {"reading_table"},
        {"rule_table"},
        {"contract"},
        {"judging"},
        {"rules"},
        {"facts"},
        {"documents"},
        {"media"},
        {"jsonio"},
        {"errors", "http", "unknown"},
    ],
    "kling_mock_server": [
        {"__init__", "__main__", "pytest_plugin"},
        {"cli"},
        {"testing"},
        {"proxy"},
        {"recordings"},
        {"adapters"},
        {"core"},
        {"page"},
        {"assets"},
        {"outgoing"},
        {"failures"},
        {"protocol"},
        {"state"},
        {"reports"},
    ],
}

# What a contract may never pull in: it runs in environments that have none of it.
HEAVY = {"flask", "respx", "httpx", "pytest", "hypothesis", "waitress", "click", "jwt", "schemathesis"}

# The mock at work. What sends requests to any server needs the names in protocol/ and none of it.
SERVER = {"core", "adapters", "assets", "failures", "page"}
SERVER_MODULES = {"kling_mock_server.outgoing.callback_worker", "kling_mock_server.outgoing.callback_attempt"}

# The modules that may import a package.
KNOWING = {
    "jsonpath": {"kling_contracts/documents/overlay.py"},
    "jsonschema_rs": {"kling_contracts/jsonio/keywords.py"},
    "ast": {
        "kling_contracts/cases/formulas.py",
        "kling_contracts/cases/goals.py",
        "kling_contracts/cases/model.py",
        "kling_contracts/rules/cel_compiler.py",
    },
    "redis": {"kling_mock_server/state/stores/redis_link.py"},
    "schemathesis": {
        "kling_mock_server/testing/schemathesis_hooks/__init__.py",
        "kling_mock_server/testing/schemathesis_hooks/carrying.py",
    },
}


@cache
def tree_of(name):
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


@cache
def imports_of(name):
    """Every name that a module imports, wherever in it, written in full."""
    found = []
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}, line {node.lineno}: imports are written in full"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def imported(name):
    """The top-level packages that a module imports."""
    return {module.partition(".")[0] for module in imports_of(name)}


def files_imported(name):
    """The files of the three packages that a module imports."""
    for module in imports_of(name):
        path = module.replace(".", "/")
        owner = path.rpartition("/")[0]
        candidates = (f"{path}.py", f"{path}/__init__.py", f"{owner}.py", f"{owner}/__init__.py")
        found = next((file for file in candidates if file in MODULES), None)
        if found and found != name:
            yield found


def modules_of(package):
    return [name for name in MODULES if name.startswith(f"{package}/")]


def part_of(name):
    """The folder of a package that a file is in, or the file itself where it is in none."""
    return name.split("/")[1].removesuffix(".py")


def layer_of(name):
    layers = LAYERS[name.split("/")[0]]
    return next((number for number, parts in enumerate(layers) if part_of(name) in parts), None)


def circle_through(name, graph):
    """The files on a way from a file back to itself; empty where there is none."""
    ways, seen = [[name]], set()
    while ways:
        way = ways.pop()
        for file in graph[way[-1]]:
            if file == name:
                return [*way, name]
            if file not in seen:
                seen.add(file)
                ways.append([*way, file])
    return []


def test_the_modules_are_found():
    # Otherwise every test below would pass for want of a module.
    assert len(modules_of("kling_contracts")) > 40
    assert len(modules_of("kling_mock_server")) > 80
    assert {"kling_openapi/__init__.py", "kling_contracts/media/audio/mp3.py"} <= set(MODULES)


@pytest.mark.parametrize("package", LAYERS)
def test_every_folder_has_its_layer(package):
    assert {part_of(name) for name in modules_of(package)} == set().union(*LAYERS[package])


@pytest.mark.parametrize("package", LAYERS)
def test_the_architecture_page_shows_the_same_table(package):
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    _, table = page.split(f"| `{package}` |")
    rows = table.split("\n\n")[0].splitlines()[2:]

    assert [set(re.findall("`([^`]+)`", row.split("|")[1])) for row in rows] == LAYERS[package]


def test_the_architecture_page_is_one_page():
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 80


@pytest.mark.parametrize("package", LAYERS)
def test_a_folder_imports_only_folders_below_it(package):
    climbing = [
        f"{name} imports {file}"
        for name in modules_of(package)
        for file in files_imported(name)
        if file.startswith(f"{package}/") and part_of(file) != part_of(name) and layer_of(file) <= layer_of(name)
    ]

    assert climbing == []


def test_no_two_files_import_each_other_in_a_circle():
    graph = {name: sorted(set(files_imported(name))) for name in MODULES}

    assert {name for name in MODULES if circle_through(name, graph)} == set()


def test_the_documents_import_nothing_but_pathlib():
    assert set().union(*(imported(name) for name in modules_of("kling_openapi"))) <= {"pathlib"}


def test_the_contract_imports_few_foreign_packages():
    foreign = {
        f"{name} imports {package}"
        for name in modules_of("kling_contracts")
        for package in imported(name) - set(sys.stdlib_module_names) - {"kling_openapi", "kling_contracts"}
        if package not in {"jsonpath", "jsonschema_rs", "yaml"}
    }

    assert foreign == {"kling_contracts/strategies.py imports hypothesis"}


def test_only_the_packages_themselves_are_imported_by_name():
    # `import openapi` would find whatever distribution installs that name.
    assert [name for name in MODULES if imported(name) & {"openapi", "contracts", "mock_server", "tests"}] == []


def test_few_modules_know_a_package():
    knowing = {package: {name for name in MODULES if package in imported(name)} for package in KNOWING}

    assert knowing == KNOWING


def test_rules_are_compiled_in_one_place():
    compiling = {name for name in MODULES if "kling_contracts.rules.cel_compiler.compile_rule" in imports_of(name)}

    assert compiling == {"kling_contracts/rules/rule.py"}


def test_only_schemas_rules_facts_and_cases_are_compiled_to_code():
    def evaluates(name):
        calls = (node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call))
        return any(isinstance(call.func, ast.Name) and call.func.id in {"eval", "exec"} for call in calls)

    assert {name for name in MODULES if evaluates(name)} == {
        "kling_contracts/cases/written_code.py",
        "kling_contracts/facts/compiling.py",
        "kling_contracts/jsonio/plain_validity.py",
        "kling_contracts/judging/object_rules.py",
        "kling_contracts/judging/plain_judge.py",
        "kling_contracts/rules/cel_compiler.py",
    }


def test_no_module_is_longer_than_400_lines():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}

    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_test_module_is_imported_by_another():
    tests = ROOT / "tests"
    importing = {
        path.relative_to(tests).as_posix()
        for path in tests.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        if module.rpartition(".")[2].startswith("test_")
    }

    assert importing == set()


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


def test_judging_and_serving_load_nothing_that_makes_cases():
    loaded = modules_loaded_by(
        "from kling_contracts import Contract; Contract.load().collect_violations({}, {})\n"
        "from kling_mock_server import create_app; create_app().test_client().get('/_mock/rules')"
    )

    made = {f"kling_contracts.facts.{name}" for name in ("making", "ways", "made_worlds", "made_files")}
    assert "kling_contracts.facts.compiling" in loaded
    assert {name for name in loaded if name in made or name.startswith("kling_contracts.cases.")} == set()


def test_importing_the_documents_loads_nothing_else_of_ours():
    assert loaded_by("import kling_openapi") & set(PACKAGES) == {"kling_openapi"}


def is_server(module):
    return module.split(".")[:1] == ["kling_mock_server"] and (
        module in SERVER_MODULES or bool(SERVER & set(module.split(".")[1:2]))
    )


def test_testing_imports_nothing():
    assert imports_of("kling_mock_server/testing/__init__.py") == []


def test_fuzzing_at_work_needs_no_part_of_the_server():
    loaded = modules_loaded_by("from kling_mock_server.testing.fuzzing import fuzz_server, report")

    assert "kling_mock_server.testing.fuzzing.target" in loaded
    assert [module for module in loaded if is_server(module)] == []


@pytest.mark.parametrize("folder", ["fuzzing", "schemathesis_hooks"])
def test_what_sends_requests_never_leads_to_the_server(folder):
    # Read from the source: late imports count, and Schemathesis need not be installed.
    reached, waiting = set(), [name for name in MODULES if name.startswith(f"kling_mock_server/testing/{folder}/")]
    assert waiting
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += files_imported(name)

    assert [name for name in sorted(reached) if is_server(name.removesuffix(".py").replace("/", "."))] == []


# A create call, followed through the files.

HTTP = {
    "kling_contracts/judging/request_rules.py",
    "kling_contracts/jsonio/strict_json.py",
    "kling_mock_server/state/tokens.py",
    "kling_mock_server/state/short_text_cache.py",
    "kling_mock_server/core/cors.py",
    "kling_mock_server/core/page_endpoint.py",
}
"""The files that look at a request before it is one of an operation: path, method, headers, token, body."""
MAX_FILES = 20
MAX_MOVES = 66


@pytest.fixture(scope="module")
def calls_of_a_create(tmp_path_factory):
    def calls(store):
        responder = create_app(pace="manual", store=store).responder
        contract = responder.contract
        body = json.dumps(contract.operation.example).encode()
        request = Request("POST", contract.operation.paths[0], {"authorization": "Bearer key"}, body)
        # What is compiled and kept at first use is so by then.
        assert [responder.respond(request).status for _ in range(3)] == [200] * 3
        return calls_of(lambda: responder.respond(request))

    return {"memory": calls("memory:"), "sqlite": calls(f"sqlite:///{tmp_path_factory.mktemp('store')}/state.db")}


def depth(name):
    package = name.split("/")[0]
    return list(PACKAGES).index(package), -layer_of(name) if package in LAYERS else 0


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_create_call_goes_down_through_the_folders_and_never_climbs_back_up(calls_of_a_create, store):
    climbing = [call for call in calls_of_a_create[store] if call.by and depth(call.file) > depth(call.by)]

    assert climbing == []


def test_a_create_call_passes_few_files(calls_of_a_create):
    moves = [call for call in calls_of_a_create["memory"] if call.by != call.file and call.file not in HTTP]

    assert len({call.file for call in moves}) <= MAX_FILES
    assert len(moves) <= MAX_MOVES


def test_no_class_name_stands_for_two_things():
    places = {}
    for name in MODULES:
        for node in tree_of(name).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name)

    assert {name: files for name, files in places.items() if len(files) > 1} == {}
