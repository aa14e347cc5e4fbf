# `make` alone lists what there is. Needs Python 3.11 to 3.13 and nothing else.
# Another Python: make test PYTHON=python3.12       Another environment: make test VENV=.venv312

PYTHON ?= python3
VENV ?= .venv

SHELL := /bin/sh
BIN := $(VENV)/bin
PIP := "$(BIN)/python" -m pip --disable-pip-version-check --quiet
INPUTS := setup.cfg pyproject.toml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two pips in one environment would fight.
.NOTPARALLEL:
.PHONY: help venv demo test test-all check format bench docs clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

venv: $(VENV)/.for-check $(VENV)/.for-test ## make the environment that all of this runs in, for work on the code

demo: $(VENV)/.for-demo ## build a dataset from real photographs, then again, to see that nothing is done
	@PATH="$$(cd "$(BIN)" && pwd):$$PATH" && export PATH PYTHONPATH=. && cd examples/quickstart && \
	echo "First run: builds what examples/quickstart/data does not hold yet." && \
	luigi --module quickstart Quickstart --local-scheduler && \
	echo "Second run: nothing should be done." && \
	luigi --module quickstart Quickstart --local-scheduler && \
	echo "Third run: the same through a central scheduler, with two workers." && \
	sh with_luigid.sh && \
	tintype verify --deep data/raw/* data/interim/* data/processed/*

test: $(VENV)/.for-test ## run the tests, without the slow ones
	@"$(BIN)/python" -m pytest

test-all: $(VENV)/.for-test $(VENV)/.for-consumers ## run all tests, with the long kill and scale suites, and those that need PyTorch
	@"$(BIN)/python" -m pytest -m ""

check: $(VENV)/.for-check $(VENV)/.for-test ## check format, lint, types and the order of imports
	@echo "Format" && "$(BIN)/ruff" format --check .
	@echo "Lint" && "$(BIN)/ruff" check .
	@echo "Types" && "$(BIN)/mypy"
	@echo "Import levels" && "$(BIN)/python" -m pytest -q tests/test_import_levels.py

format: $(VENV)/.for-check ## lay out the code, and mend what lint can mend
	@"$(BIN)/ruff" format .
	@"$(BIN)/ruff" check --fix-only .

bench: $(VENV)/.for-demo ## measure tintype and its peers on the same work
	@"$(BIN)/python" benchmarks/run.py

docs: $(VENV)/.for-docs ## build the documentation into docs/_build/html
	@"$(BIN)/python" -m sphinx --fresh-env --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean: ## remove the environment, caches and everything built, the demo's data too
	rm -rf "$(VENV)" build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf docs/_build examples/*/data benchmarks/data
	find src tests examples benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# One empty file stands for each finished installation, so that it is done once, and again when setup.cfg changes.

$(VENV)/.for-demo: $(VENV)/.made $(INPUTS)
	@echo "Installing tintype into $(VENV); the first time this takes a minute."
	@$(PIP) install --editable .
	@touch "$@"

$(VENV)/.for-%: $(VENV)/.made $(INPUTS)
	@echo "Installing tintype with what $* needs into $(VENV); the first time this takes a minute."
	@$(PIP) install --editable ".[$*]"
	@touch "$@"

# A Python that was named must do; python3 has stand-ins. ensurepip is what Debian packs apart, as python3-venv.
ifeq ($(origin PYTHON),file)
CANDIDATES := $(PYTHON) python3.13 python3.12 python3.11
else
CANDIDATES := $(PYTHON)
endif

$(VENV)/.made:
	@found=; \
	for python in $(CANDIDATES); do \
	    if "$$python" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	    then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "tintype needs Python 3.11, 3.12 or 3.13 with its venv module (on Debian: apt install python3-venv);" \
	        "none of these is one: $(CANDIDATES). Name one with: make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)." && \
	"$$found" -m venv "$(VENV)" && touch "$@"
