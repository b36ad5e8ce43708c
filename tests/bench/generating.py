"""Making cases: the catalogue, the seeded generator, the Hypothesis strategies, and what the pytest plugin costs."""

import os
import re
import statistics
import sys
import tempfile
import time
from collections import deque

from hypothesis import HealthCheck, Phase, given, settings

from bench import version_01
from bench.measure import Figure, cpu_of, cpu_of_run
from kling_contracts import Contract, catalogue, generate, strategies
from kling_contracts.cases.factory import CaseFactory
from support import mutants

EXAMPLES = 1000
_CREATE = "create"


def figures():
    drawn, generated = _drawn(), _generated()
    yield Figure("the boundary catalogue", _seconds(catalogue), 1.5, "s")
    yield Figure("one case of the Hypothesis strategies", drawn * 1000, 1000 / 600, "ms")
    yield Figure("a seeded case / a case of the Hypothesis strategies", generated / drawn, 1 / 50)
    yield Figure("rows of the catalogue", len(catalogue()), 600, "")
    yield Figure("numeric faults that go further than 1 past a limit", _far() * 100, 67, "%")
    compared = version_01.rates()
    if compared is None:
        print("| cases against version 0.1 | its history is missing here: not measured | |")
    else:
        yield Figure("version 0.1's seeded cases per CPU s / ours", 1 / compared[0], 1)
        yield Figure("version 0.1's shrinkable cases per CPU s / ours", 1 / compared[1], 1 / 0.9)
    yield Figure("choices, shapes and goals of all operations", _choices(), 0.08, "s")
    yield Figure("rows that find 95 % of the defects in the contract", _rows_for(0.95), 60, "")
    yield Figure("defects in the contract that the catalogue alone does not find", _unfound() * 100, 10, "%")
    yield Figure("an empty pytest run with the plugin / without", _plugin(), 1.08)


def _drawn():
    """CPU seconds a case; generation alone, without a database."""

    @settings(max_examples=EXAMPLES, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategies.cases())
    def draw(case):
        assert case

    return cpu_of(draw, 1) / EXAMPLES


def _generated():
    deque(generate(0, 100), maxlen=0)
    return cpu_of(lambda: deque(generate(1, 10 * EXAMPLES), maxlen=0), 1) / (10 * EXAMPLES)


def _unfound():
    return len(mutants.survivors_of_the_catalogue(_CREATE)) / len(mutants.servers(_CREATE))


def _far():
    distances = [int(found[1]) for case in generate(0, 4000) if (found := re.search(r" by (\d+)", case.why))]
    return sum(distance > 1 for distance in distances) / len(distances)


def _choices():
    contract = Contract.load()
    return _seconds(lambda: [CaseFactory(contract, operation).goals for operation in contract.operations])


def _rows_for(part):
    """How many rows of the catalogue, from its first on, find that part of the defects."""
    servers, catalogued, rows = mutants.servers(_CREATE), mutants.rows(_CREATE), 0
    left = servers
    while len(left) > (1 - part) * len(servers) and rows < len(catalogued):
        left = [(mutant, server) for mutant, server in left if not mutants.found_by(server, [catalogued[rows]])]
        rows += 1
    return rows


def _seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def _plugin(rounds=21):
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/test_empty.py", "w", encoding="utf-8") as file:
            file.write("def test_nothing():\n    pass\n")
        return statistics.median(_run(folder, True) / _run(folder, False) for _ in range(rounds))


def _run(folder, with_plugin):
    plugin = ["-p", "kling_mock_server.pytest_plugin"] if with_plugin else []
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin]
    return cpu_of_run(command, cwd=folder, env=environment)
