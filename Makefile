# The project's verbs. `make up` and `make test` do all the set-up that they need, on a machine with python3 and make.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: bench-ledger crash up test check fix conformance bench fuzz oracle schemas docs clean bench-search bench-sandbox bench-decide decisions

up: .venv/installed
	$(BIN)/python examples/up.py

test: .venv/test
	$(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: exhaustive
exhaustive: .venv/test
	MESH_EXHAUSTIVE=1 $(BIN)/python -m pytest -n 2 tests/compiler/assure

check: .venv/check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/mesh -f mesh.yaml.example validate --strict
	$(BIN)/mesh -f mesh.yaml.example test --mutate --min-coverage 100
	rm -rf build/dist && $(BIN)/python -m build --wheel --outdir build/dist . >build/wheel.log 2>&1 || (cat build/wheel.log; false)
	$(BIN)/check-wheel-contents --toplevel meshplan build/dist

fix: .venv/check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: .venv/installed
	$(BIN)/python -m meshplan.compiler.schema

docs: .venv/installed
	$(BIN)/python -m meshplan.compiler.rules.page docs/rules.md

# The official MCP conformance suite, through the mesh; `SHORT=1` is what CI runs.
conformance: .venv/test
	$(BIN)/python tests/conformance/run.py $(if $(SHORT),--short)

bench: .venv/test
	$(BIN)/python bench/run.py
	$(BIN)/python bench/diff.py
	$(BIN)/python bench/invariants.py

bench-search: .venv/test
	$(BIN)/python bench/search.py

# The same ten tasks by passthrough, search and code: round trips and tokens
.PHONY: bench-strategies
bench-strategies: .venv/test
	$(BIN)/python bench/strategies.py

# The data path beside its peers; `make bench-data FULL=1` makes more calls and installs FastMCP and mcp-hub for itself.
bench-data: .venv/test
	$(BIN)/python bench/data_path.py $(if $(FULL),--full)

bench-decide: .venv/test
	$(BIN)/python bench/decide.py

bench-sandbox: .venv/test
	$(BIN)/python bench/sandbox.py

bench-ledger: .venv/test
	$(BIN)/python bench/ledger.py

.PHONY: bench-counts
bench-counts: .venv/test
	$(BIN)/python bench/counts.py

.PHONY: bench-budgets
bench-budgets: .venv/test
	$(BIN)/python bench/budgets.py

.PHONY: bench-telemetry bench-console
bench-console: .venv/test
	$(BIN)/python bench/console.py

bench-telemetry: .venv/test
	$(BIN)/python bench/telemetry.py

# 200 times SIGKILL under load, for each durability; CI does a few.
crash: .venv/test
	MESH_CRASHES=200 $(BIN)/python -m pytest -q -s tests/runtime/ledger/test_crash.py

fuzz: .venv/test
	$(BIN)/python bench/fuzz.py

# The access diff against brute force, 1,000 random edits of random meshes; a seed of your own: make oracle SEED=7
oracle: SEED ?= $(shell date +%s)
oracle: .venv/test
	@echo "seed $(SEED)"
	MESH_ORACLE=1000 $(BIN)/python -m pytest -q -s --timeout 0 --hypothesis-seed $(SEED) tests/compiler/diff/test_oracle.py

# The indexed decision against its plain definition on 50,000 random (mesh, principal, call) triples
decisions: SEED ?= $(shell date +%s)
decisions: .venv/test
	@echo "seed $(SEED)"
	MESH_DECISIONS=50000 $(BIN)/python -m pytest -q -s --timeout 0 --hypothesis-seed $(SEED) -k as_many tests/schemas/test_decide.py

clean:
	rm -rf .venv .mesh build

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(PIP) install --upgrade 'pip>=25.1'

.venv/installed: pyproject.toml | .venv/bin/python
	$(PIP) install -e '.[code]'
	touch $@

.venv/test: pyproject.toml .venv/installed
	$(PIP) install --group test
	touch $@

.venv/check: pyproject.toml .venv/test
	mkdir -p build
	$(PIP) install --group check
	touch $@
