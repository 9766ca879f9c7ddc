# The front door: each target does its own set-up, in a .venv of this checkout.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: demo test check floor mutants soak bench clean
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

# Deliberate faults in the bucket and the limiter: the tests must notice every one (minutes).
mutants: $(READY)
	$(BIN)/python tests/mutants/run.py

# 100,000 closes on real sockets while everything goes wrong (minutes).
soak: $(READY)
	$(BIN)/python tests/soak/run.py

bench: $(READY)
	$(BIN)/python benchmarks/micro.py
	$(BIN)/python benchmarks/simulated.py

clean:
	rm -rf .venv .venv-floor dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
