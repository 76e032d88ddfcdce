# Every target makes the environment it needs by itself; only Python 3.11+ and make are expected.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
UV_VERSION := 0.13.9
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check format lock acceptance bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## make .venv with everything pinned; the command is .venv/bin/fleetlake

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Fleetlake needs Python 3.11 or newer; set PYTHON=... to one")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q contracts broker ingest simulate lake fleetlake
	@touch $@

demo: setup ## the main job on the embedded stack, from nothing to a proof (KEEP=1 leaves it running, STEP=1 pauses)
	@$(BIN)/fleetlake demo $(if $(KEEP),--keep) $(if $(STEP),--step)

up: setup ## start the local stack and watch it
	@$(BIN)/fleetlake up

test: setup ## run the tests
	@$(PYTEST)

check: setup ## format, lint, types, imports, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PYTEST)

format: setup ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(VENV)/bin/uv ## pin every dependency with its hashes
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--all-extras --prerelease if-necessary-or-explicit --custom-compile-command 'make lock' \
		--output-file requirements.txt pyproject.toml requirements-build.in

$(VENV)/bin/uv:
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

acceptance: setup ## the long proofs: sinks killed under load, every kind of bad message, maxima, delay
	@$(BIN)/python -m tests.acceptance.malformed
	@$(BIN)/python -m tests.acceptance.kill_any_sink
	@$(BIN)/python -m tests.acceptance.pressure_scaling
	@$(BIN)/python -m tests.acceptance.latency

bench: setup ## measure ingest against a bare consumer, in the same run
	@$(BIN)/python benchmarks/ingest.py

clean: ## remove the environment, the local stack's data and caches
	@test ! -x $(BIN)/fleetlake || $(BIN)/fleetlake down || true
	@rm -rf $(VENV) .fleetlake .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
