# The front door: each target does its own set-up, in a .venv of this checkout.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

# The site has an environment of its own: its libraries are none of the tests'.
DOCS    = .venv-docs

.PHONY: docs docs-check docs-po site-test bench-smoke demo test check dist floor models mutants planted interop cluster soak torture bench clean
.DEFAULT_GOAL := test

# Keeps compiled modules, else each process that a test starts compiles them anew.
COMPILED = PYTHONDONTWRITEBYTECODE=

# Made anew when pyproject.toml changes, half-made ones too; one of yours is left alone.
OURS = test -e $(VENV)/.made || test -e $(READY)

$(READY): pyproject.toml
	@test ! -e $(VENV) || $(OURS) || { echo "$(VENV) is there, and not made by this Makefile: it is left alone." \
		"Move it away, or name another one: make $(MAKECMDGOALS) VENV=.venv-make" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	touch $(VENV)/.made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# All tests, compiled once, and what Hypothesis reads in all of them, by one of its tests: the processes of `test`
# would do it at the same time, each by itself.
$(READY)-tests: $(READY)
	-$(COMPILED) $(BIN)/python -m pytest -n 0 --quiet -k test_body_round_trips >/dev/null
	touch $@

demo: $(READY)
	$(BIN)/okx-async demo

# Eight at a time on two cores, since many tests wait; more cost 3 CPU-s each. Each collects an eighth, since collecting
# all takes 5 s (worksteal would let each collect all). asyncio's debug mode costs a quarter more: `floor` has it. aiohttp
# would read all certificates of the system in each process, which no test needs.
test: $(READY)-tests
	$(COMPILED) SSL_CERT_FILE=/dev/null $(BIN)/python -m pytest -n 8 --dist each --divide --max-worker-restart 0 -m "not long" \
		--hypothesis-profile small --ignore tests/benchmarks

# The models and histories of `test` in larger worlds, and more draws of those of Hypothesis.
models: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "long or hypothesis"

check: $(READY)-tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

# Source distribution and wheel, checked as a package index checks them.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

# The oldest versions that pyproject.toml allows, of what the library and its extras need, though other tools of the
# extra `dev` ask for newer ones; outside .ci/run.
FLOOR = aiohttp==3.12.15 orjson==3.10.0 typer==0.24.0 click==8.3.0 rich==13.9.0 uvloop==0.21.0 redis==6.2.0 \
	prometheus-client==0.20.0 opentelemetry-api==1.30.0 opentelemetry-sdk==1.30.0 opentelemetry-semantic-conventions==0.51b0 \
	deprecated==1.2.18 wrapt==1.17.3
floor:
	$(PYTHON) -m venv .venv-floor
	.venv-floor/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	.venv-floor/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(FLOOR)
	.venv-floor/bin/python -X dev -m pytest

# Deliberate faults in all parts: the tests must notice every one (an hour or two).
mutants: $(READY)
	$(BIN)/python -m tests.mutants.run

# Deliberate faults in limiter, client, outcome code and guard: random histories must find every one (half an hour).
planted: $(READY)
	$(BIN)/python -m tests.planted.run

# 10,000 random histories in virtual time and 1,000 of programs that share a limit (twenty minutes), by seeds that were
# not run before: they begin with the
# date and the minute. `make torture FIRST=0` takes other ones; the output says how to run one again.
torture: FIRST ?= $(shell date -u +%y%m%d%H%M)0000
torture: $(READY)
	$(BIN)/okx-async torture --seeds 10000 --seed $(FIRST) --processes 2 --shrink
	$(BIN)/okx-async torture --shared --seeds 1000 --seed $(FIRST) --processes 2 --shrink

# 100,000 closes on real sockets while everything goes wrong (minutes).
soak: $(READY)
	$(BIN)/python tests/soak/run.py

# Eight processes that share one limit, killed and stopped at random; then by a server that is lost, too (four minutes).
cluster: $(READY)
	$(BIN)/python -m tests.cluster.run
	$(BIN)/python -m tests.cluster.run --losses 40

# Clients that people use today, as published, on the simulated exchange, and the code of pages that needs them; each in an
# environment of its own (minutes). And a real Prometheus, if there is one (Debian's package prometheus).
PEERS = python-okx==0.4.4 ccxt==4.5.90 freqtrade-client==2026.9 ipykernel==7.4.0
interop: $(READY)
	for peer in $(PEERS); do \
		folder=.venv-interop/$${peer%%==*}; \
		test -x $$folder/bin/python || $(PYTHON) -m venv $$folder || exit; \
		$$folder/bin/python -m pip install --quiet --disable-pip-version-check $$peer --editable . || exit; \
	done
	.venv-interop/ipykernel/bin/python -m pip install --quiet --disable-pip-version-check 'nbclient==0.11.0' || exit
	! command -v npm >/dev/null || npm install --prefix .venv-interop/okx-api --no-save --no-package-lock --silent okx-api@3.2.3
	$(BIN)/python -X dev -m pytest tests/interop/scenarios.py tests/interop/metrics.py tests/interop/pages.py

# Ours beside the limiters and clients that people use today, in a .venv-bench of its own; half an hour, alone on the machine.
bench:
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	test -x .venv-bench/peer/bin/python || $(PYTHON) -m venv .venv-bench/peer
	.venv-bench/peer/bin/python -m pip install --quiet --disable-pip-version-check 'python-okx-async==0.1.1'
	for program in micro fairness cancellation strictness simulator client pair batches exit stores servers hosts; do \
		.venv-bench/bin/python -m benchmarks.$$program --folder build/bench || exit; done
	.venv-bench/bin/python -m benchmarks.page build/bench

# Every benchmark in a small size (a minute); `make test` leaves them out.
bench-smoke: $(READY)
	$(BIN)/python -m pytest -n 2 tests/benchmarks

$(DOCS)/.ready: pyproject.toml
	rm -rf $(DOCS)
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

# The site in English and Chinese, from nothing, into build/site (half a minute); needs no network once .venv-docs is there.
docs: $(DOCS)/.ready
	rm -rf build/site build/doctrees
	$(DOCS)/bin/sphinx-build --quiet --jobs auto --fail-on-warning --keep-going -d build/doctrees/en docs build/site/en
	$(DOCS)/bin/sphinx-build --quiet --jobs auto --fail-on-warning --keep-going -d build/doctrees/zh_CN -D language=zh_CN docs build/site/zh_CN
	cp docs/_root/index.html build/site/index.html

# Links, names and translations of the pages (a minute): what is wrong, and on which page.
docs-check: docs
	rm -rf build/gettext
	$(DOCS)/bin/sphinx-build --quiet -b gettext -d build/doctrees/gettext docs build/gettext
	$(DOCS)/bin/python -m tests.site.check

# The built site in a real browser, with pictures of it in build/site-test (a minute). Needs Chromium and its driver, which
# Debian calls chromium and chromium-driver.
site-test: docs
	$(DOCS)/bin/python -m pytest --confcutdir tests/site tests/site/scenarios.py

# Brings docs/locale/zh_CN up to the English pages: new paragraphs are empty there, changed ones are marked fuzzy, and both
# are shown in English until they are translated. The pages that are removed here stay in English.
docs-po: $(DOCS)/.ready
	rm -rf build/gettext
	$(DOCS)/bin/sphinx-build --quiet -b gettext -d build/doctrees/gettext docs build/gettext
	cd build/gettext && rm -rf explanation project reference/recording.pot reference/simulator.pot benchmarks.pot reliability.pot
	find build/gettext/reference/api -type f ! -name errors.pot -delete
	$(DOCS)/bin/sphinx-intl update --no-obsolete --line-width 0 -p build/gettext -d docs/locale -l zh_CN

clean:
	! { $(OURS); } || rm -rf $(VENV)
	rm -rf .venv-docs .venv-bench .venv-floor .venv-interop dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
