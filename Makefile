# Everything a contributor runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3.11
DEMO_OUT ?= demo-out
export PYTHONSAFEPATH := 1

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

$(VENV)/.installed: pyproject.toml constraints.txt infra/install.sh
	infra/install.sh $(VENV) $(PYTHON)

$(VENV)/.installed-dev: $(VENV)/.installed
	infra/install.sh $(VENV) $(PYTHON) dev

.PHONY: install
install: $(VENV)/.installed ## Make the environment in .venv

.PHONY: demo
demo: $(VENV)/.installed ## Draw two small datasets with planted problems, audit one, compare both, check what was found
	$(BIN)/assay demo --out $(DEMO_OUT)

.PHONY: test
test: $(VENV)/.installed-dev ## Install the servers, run all checks and all tests, stop the servers
	infra/servers.sh install
	$(MAKE) --no-print-directory check
	infra/servers.sh run $(BIN)/python -m pytest -n 2 --dist worksteal -q $(PYTEST_ARGS)

.PHONY: check
check: $(VENV)/.installed-dev ## Format, lint, types, import contracts, unused dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

.PHONY: format
format: $(VENV)/.installed-dev ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(VENV)/.installed-dev ## Run the benchmarks (minutes); they print ratios and medians
	for script in tests/bench/bench_*.py; do echo "== $$script"; \
	    PYTHONPATH=. $(BIN)/python -m tests.bench.$$(basename $$script .py) || exit 1; done

.PHONY: bench-planted
bench-planted: $(VENV)/.installed-dev ## Spurious features on planted truth (PLANTED_ARGS=--full for all of it)
	PYTHONPATH=. $(BIN)/python -m tests.bench.bench_planted $(PLANTED_ARGS)

.PHONY: train-extractor
train-extractor: export PYTHONPATH := .
train-extractor: export MALLOC_MMAP_MAX_ := 0
train-extractor: export MALLOC_TRIM_THRESHOLD_ := 17179869184
train-extractor: $(VENV)/.installed-dev ## Train the bundled extractor again from DATA=FOLDER (about an hour on two cores)
	$(BIN)/python -m infra.train_extractor.train --data $(DATA) --out build/extractor
	$(BIN)/python -m infra.train_extractor.package --data $(DATA) --run build/extractor

.PHONY: serve
serve: $(VENV)/.installed ## Serve the API and the pages on this machine
	$(BIN)/assay serve

.PHONY: clean
clean: ## Remove caches and the demo's output; the environment and ASSAY_HOME stay
	rm -rf $(DEMO_OUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
