# Every target sets up what it needs: Python 3.11 or newer and the package index are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What CI ran with: `make constraints` renews it. The bounds that users get are in pyproject.toml.
INSTALL := -m pip install --quiet --constraint constraints.txt
SOURCES := openapi contracts mock_server examples tests conftest.py hatch_build.py

.PHONY: help serve test check bench bench-peers wheel-test release-check matrix matrix-lowest matrix-highest constraints cases docs readings screenshots lint-openapi nightly hostile soak schemathesis format clean

help:
	@echo "make serve       the mock on http://127.0.0.1:8080 (PORT=0 picks a free port)"
	@echo "make test        the test suite"
	@echo "make check       ruff and mypy --strict"
	@echo "make bench       what it costs, as ratios; exits 1 past a target"
	@echo "make bench-peers the same call against Steady, Prism and WireMock, from npm"
	@echo "make wheel-test  what packing can lose, against the installed wheel"
	@echo "make release-check  builds, checks, installs and follows the README, as before a release"
	@echo "make matrix      a slice of the suite on every Python here, lowest and highest dependencies"
	@echo "make docs        the outputs that the documents show, from real runs"
	@echo "make hostile     hundreds of thousands of hostile requests; minutes"
	@echo "make soak        thousands of connections, a million tasks, kill -9, callbacks beside receivers that hang; minutes"
	@echo "make schemathesis  the mock under schemathesis, in an environment of its own"

PORT ?= 8080

# exec: Ctrl-C and SIGTERM reach the mock itself.
serve: $(VENV)/product
	@exec $(BIN)/klingkit serve --port $(PORT)

# Compiled first: the suite starts hundreds of processes, which may not write what they compile.
test: $(VENV)/test
	$(BIN)/python -m compileall -q openapi contracts mock_server
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/test
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

bench: $(VENV)/test
	cd tests && ../$(BIN)/python -m bench

# Other mock servers beside it, from npm into build/peers.
bench-peers: $(VENV)/test
	cd tests && ../$(BIN)/python -m bench.peers

# What packing can lose: files, entry points, commands, and what only an installed package has. `make test` has the rest:
# it follows the documents with the wheel installed, whose suites have the pytest plugin by its entry point.
WHEEL_TESTS := $(addprefix tests/test_,package.py document.py prose.py contract.py cli.py serve.py page.py \
	public_names.py example_project.py example_clients.py)

wheel-test: $(VENV)/test
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel .
	$(PYTHON) -m venv --clear build/venv
	build/venv/bin/python -m pip install --quiet --upgrade pip
	build/venv/bin/python $(INSTALL) build/wheel/*.whl --group test
	KLINGKIT_INSTALLED=1 build/venv/bin/python -m pytest -n auto --dist worksteal -o pythonpath=tests $(WHEEL_TESTS)

# What an index and its users would get: built, checked as the index does, installed afresh, the README run with it.
release-check: $(VENV)/test
	rm -rf build/release && mkdir -p build/release
	$(BIN)/python -m build --outdir build/release/dist .
	$(PYTHON) -m venv --clear build/release/tools
	build/release/tools/bin/python $(INSTALL) twine
	build/release/tools/bin/python -m twine check --strict build/release/dist/*
	$(PYTHON) -m venv --clear build/release/installed
	build/release/installed/bin/python -m pip install --quiet build/release/dist/*.whl
	build/release/installed/bin/klingkit --version
	$(BIN)/python -m pytest tests/test_docs.py -k README
	@echo "build/release/dist is ready"

# A slice of the suite on each Python and on the lowest and the highest version of every dependency.
matrix: $(VENV)/matrix
	cd tests && ../$(BIN)/python -m matrix

matrix-lowest: $(VENV)/matrix
	cd tests && ../$(BIN)/python -m matrix --lowest

# What a user gets today, without constraints.
matrix-highest: $(VENV)/matrix
	cd tests && ../$(BIN)/python -m matrix --highest

# The versions that CI installs, for every Python from 3.11 on.
constraints: $(VENV)/matrix
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate \
		--custom-compile-command "make constraints" --all-extras $(addprefix --group ,test lint matrix schemathesis) \
		--output-file constraints.txt pyproject.toml

$(VENV)/matrix: $(VENV)/test
	$(BIN)/python $(INSTALL) --group matrix
	@touch $@

# The catalogue as a file of the wheel; a test holds that it is what the contract says.
cases: $(VENV)/product
	$(BIN)/python -c "from kling_contracts.documents import loading; loading.ship()"
	$(BIN)/klingkit cases > contracts/kling_contracts/cases/cases.ndjson

# Follows the documents and writes what their commands print into them; DOCS="README.md docs/mock.md" for some.
docs: $(VENV)/test
	cd tests && ../$(BIN)/python -m support.documents $(DOCS)

# The page of readings; a test holds that it is what the documents say.
readings: $(VENV)/product
	$(BIN)/python -m kling_contracts.reading_table > docs/readings.md

# The pictures of the inspector page; needs a browser, and a font with Chinese characters.
screenshots: $(VENV)/test
	$(BIN)/python tests/screenshots.py

# Skips, and says so, where npm or its registry is missing.
lint-openapi: $(VENV)/product
	.ci/lint-openapi

nightly: $(VENV)/test
	$(BIN)/python -m pytest -n auto --hypothesis-profile nightly tests/test_strategies.py
	KLINGKIT_NIGHTLY=1 $(BIN)/python -m pytest -n auto tests/test_drift.py tests/test_twins.py \
		tests/test_document_edits.py tests/test_solver.py

# Four minutes of hostile requests; `SECONDS=3600 SEED=7` for more, or others; `COUNT=1000000` ends after so many.
hostile: $(VENV)/test
	cd tests && ../$(BIN)/python -m hostile.requests $(or $(SECONDS),240) $(or $(SEED),0) $(COUNT)

# Minutes of connections, tasks, kills and callbacks, on every store of this machine.
soak: $(VENV)/test
	cd tests && ../$(BIN)/python -m hostile.soak
	cd tests && ../$(BIN)/python -m hostile.kills
	cd tests && ../$(BIN)/python -m hostile.callbacks

SCHEMATHESIS := build/schemathesis

schemathesis: $(VENV)/product
	$(PYTHON) -m venv $(SCHEMATHESIS)
	$(SCHEMATHESIS)/bin/python -m pip install --quiet --upgrade pip
	$(SCHEMATHESIS)/bin/python $(INSTALL) --editable . --group schemathesis
	$(SCHEMATHESIS)/bin/python -m pytest -n auto --dist worksteal tests/schemathesis_runs

format: $(VENV)/test
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/python-is-ready:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/product: $(VENV)/python-is-ready pyproject.toml constraints.txt
	$(BIN)/python $(INSTALL) --editable .
	@touch $@

$(VENV)/test: $(VENV)/product
	$(BIN)/python $(INSTALL) --group test --group lint
	@touch $@
