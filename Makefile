# The commands of the README. Everything is set up on first use: nothing but python3 (with venv and pip) and make is needed.

PYTHON ?= python3
UV := .tools/bin/uv
RUN := $(UV) run --no-sync
# Two more than there are cores: many tests wait for processes of their own.
JOBS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 2)
PORT := 8080
SMTP_PORT := 8025
# Hundreds of processes of the tests import the same modules: where bytecode is not kept, each of them compiles all of it again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run test unit check bench soak docs format clean

help:           ## Show this list
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  *##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version). Name another with 'make PYTHON=python3.12 ...'."; exit 1; }
	@echo "Setting up the tools ..."
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.13'

.venv/.ready: $(UV) pyproject.toml uv.lock packages/sdk/pyproject.toml packages/server/pyproject.toml
	@echo "Installing the locked dependencies ..."
	@$(UV) sync --locked --quiet --python $(PYTHON)
	@touch $@

setup: .venv/.ready  ## Set everything up (the other commands do it themselves)

run: .venv/.ready  ## Serve on http://127.0.0.1:8080 with SQLite in ./var and a first plugin ready to try
	@exec $(RUN) python tools/run_demo.py --port $(PORT) --smtp-port $(SMTP_PORT)

test: .venv/.ready  ## Run the whole suite, in parallel; a module's tests share its server, so they stay together
	@sh tools/install_test_peers.sh
	@$(RUN) pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder -m 'not soak' $(ARGS)

unit: .venv/.ready  ## Run only the fast tests
	@$(RUN) pytest -n $(JOBS) -m 'not soak' tests/unit $(ARGS)

check: .venv/.ready  ## ruff, mypy strict, import-linter, the SDK alone, docs against code
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) lint-imports
	@sh tools/check_sdk_alone.sh
	@$(RUN) python tools/generate_docs.py --check

bench: .venv/.ready  ## Measure everything that has a bar, side by side, as ratios
	@$(RUN) python -m benchmarks $(ARGS)

soak: .venv/.ready  ## The long fault tests: fifty kills of everything
	@$(RUN) pytest -n $(JOBS) -m soak --timeout 3600 $(ARGS)

docs: .venv/.ready  ## Generate the reference pages from the code
	@$(RUN) python tools/generate_docs.py

format: .venv/.ready  ## Format and mend what ruff can mend
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

clean:          ## Remove what the commands made, but not ./var
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
