# The front door: each target does its own set-up, in a .venv of this checkout.
PYTHON ?= python3.11
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: demo test check floor bench clean
.DEFAULT_GOAL := test

$(READY): pyproject.toml
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/okx-async demo

test: $(READY)
	$(BIN)/python -X dev -m pytest

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

# The oldest aiohttp that pyproject.toml allows; outside .ci/run.
floor:
	$(PYTHON) -m venv .venv-floor
	.venv-floor/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' 'aiohttp==3.12.0'
	.venv-floor/bin/python -X dev -m pytest

bench: $(READY)
	$(BIN)/python benchmarks/micro.py
	$(BIN)/python benchmarks/simulated.py

clean:
	rm -rf .venv .venv-floor dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
