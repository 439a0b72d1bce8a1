# Two commands on a fresh machine: make demo, make test. Everything else is for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint interop as4-table fuzz bench screenshots lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Passerelle needs Python 3.11 or later; '$(PYTHON)' is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Preparing $(VENV) (once; about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) ## Make .venv with every dependency (versions and hashes locked)

demo: setup ## Start everything, play the whole story on real messages, and stay up
	@$(BIN)/passerelle demo

test: setup ## Run all tests but the interop ones
	$(BIN)/pytest -n 2 --dist loadgroup -m "not interop" tests

lint: setup ## Style, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

interop: setup ## Run the tests against a real AS4 peer and Keycloak (needs Java and Maven)
	.ci/interop

as4-table: setup ## Run all tests of AS4 requirements and write docs/as4-conformance.md from them
	$(BIN)/pytest -q -n 2 --dist loadgroup -m "as4 and not interop" --as4-results build/as4-results.json tests
	.ci/interop --as4-results build/as4-interop-results.json
	$(BIN)/python -m tests.report.as4_table build/as4-results.json build/as4-interop-results.json

FUZZ_SECONDS ?= 60
fuzz: setup ## Bend messages for a minute (or FUZZ_SECONDS=n) and see that only documented errors come out
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

bench: setup ## Measure messages per second, CPU per message and the ratio to the cryptographic floor
	$(BIN)/python -m bench

screenshots: setup ## Photograph every page of the console in both languages (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots

lock: setup ## Write the lock files again from pyproject.toml (names, versions and hashes only)
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml requirements/build.in -o requirements/runtime.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --extra dev -c requirements/runtime.lock pyproject.toml requirements/build.in -o requirements/dev.lock

clean: ## Remove .venv and caches (never an instance folder)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
