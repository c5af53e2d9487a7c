# Everything that one does with this repository. `make` alone lists it.

PYTHON_IN_VENV := .venv/bin/python
READY := .venv/.setup-complete

.DEFAULT_GOAL := help
.PHONY: help setup page page-if-possible chart-tools chart-tools-if-possible demo up down status logs test test-all check lint types architecture format docs lock clean

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything that is needed (again only after a change)
	@:

$(READY): requirements-dev.lock pyproject.toml scripts/setup
	@scripts/setup

page: setup ## build the web page of the gateway (again only after a change of ui/)
	@scripts/page

# Offline it cannot be built, and all the rest works.
page-if-possible: setup
	@scripts/page || true

chart-tools: setup ## fetch helm and the schemas that the Helm chart is tested with
	@$(PYTHON_IN_VENV) scripts/chart_tools.py

# Offline it cannot be tested, and all the rest works.
chart-tools-if-possible: setup
	@$(PYTHON_IN_VENV) scripts/chart_tools.py || true

demo: page-if-possible ## start it all, import real data, build a report, ask for numbers, check them
	@$(PYTHON_IN_VENV) -m devstack demo

up: page-if-possible ## start engines and services, and wait until they are ready
	@$(PYTHON_IN_VENV) -m devstack up

down: ## stop services and engines; the data stays
	@if [ -x $(PYTHON_IN_VENV) ]; then $(PYTHON_IN_VENV) -m devstack down; fi

status: setup ## show what runs
	@$(PYTHON_IN_VENV) -m devstack status

logs: setup ## the ends of all logs; NAME=gateway for one, FOLLOW=1 to stay
	@$(PYTHON_IN_VENV) -m devstack logs $(NAME) $(if $(FOLLOW),--follow)

test: page-if-possible chart-tools-if-possible ## the tests, on real engines, two processes at once; ARGS='-n 0 -k name' for some
	@$(PYTHON_IN_VENV) -m pytest -m "not slow" -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

test-all: page-if-possible chart-tools-if-possible ## the slow ones too
	@$(PYTHON_IN_VENV) -m pytest $(ARGS)

check: lint types architecture audit ## what CI asks besides the tests

.PHONY: audit
audit: setup ## known vulnerabilities of what is locked (pip-audit); says so when nobody can be asked
	@$(PYTHON_IN_VENV) scripts/audit.py

.PHONY: overload
overload: setup ## a minute of ten times what the system can do, and what strangers send to break it
	@$(PYTHON_IN_VENV) -m pytest -n 0 -s tests/overload $(ARGS)

lint: setup ## style and mistakes (ruff)
	@$(PYTHON_IN_VENV) -m ruff check .
	@$(PYTHON_IN_VENV) -m ruff format --check .

types: setup ## types (mypy --strict)
	@$(PYTHON_IN_VENV) -m mypy

architecture: setup ## who may import whom (import-linter)
	@.venv/bin/lint-imports

format: setup ## lay out the code as `lint` wants it
	@$(PYTHON_IN_VENV) -m ruff check --fix-only --quiet .
	@$(PYTHON_IN_VENV) -m ruff format .

docs: setup ## make the tables of docs/reports.md and docs/operation.md anew, and the schema of the chart's settings
	@$(PYTHON_IN_VENV) -m services.report_worker.exports.document docs/reports.md
	@$(PYTHON_IN_VENV) scripts/settings_table.py docs/operation.md
	@$(PYTHON_IN_VENV) scripts/chart_schema.py deploy/helm/tallyport/values.schema.json

lock: setup ## resolve pyproject.toml into the lock files anew
	@scripts/lock

clean: down ## stop everything; remove .venv, data, logs and caches
	@if [ -x $(PYTHON_IN_VENV) ] && [ -d .run ]; then \
		$(PYTHON_IN_VENV) -c "from pathlib import Path; from devstack.run_folder import wipe; wipe(Path('.run').resolve())"; fi
	@rm -rf .venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist \
		ui/node_modules ui/.node services/gateway/static \
		deploy/helm/.tools
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Benchmarks have packages of their own (other engines to be measured beside), in a .venv of their own.
BENCH_PYTHON := .run/bench/venv/bin/python

.PHONY: bench-counting bench-counting-small
bench-counting: .run/bench/venv/.complete ## what answers cost beside other engines (10 million items); writes docs/benchmarks.md
	@$(BENCH_PYTHON) -m bench.counting $(ARGS)

bench-counting-small: .run/bench/venv/.complete ## the same on few items, to see that it runs
	@$(BENCH_PYTHON) -m bench.counting --items 200000 --rounds 2 --slow-every 1 --seconds 0.5 --rows 20000 --questions 200 --page .run/bench/small.md $(ARGS)

.run/bench/venv/.complete: requirements-bench.lock | setup
	@.venv/bin/python -m venv --clear .run/bench/venv
	@$(BENCH_PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: bench-exporting bench-exporting-small
bench-exporting: .run/bench/venv/.complete ## what a report costs beside psql, csv.writer and pandas (5 million rows); writes docs/benchmarks.md
	@$(BENCH_PYTHON) -m bench.exporting $(ARGS)

bench-exporting-small: .run/bench/venv/.complete ## the same on few rows, to see that it runs
	@$(BENCH_PYTHON) -m bench.exporting --rows 120000 --transactions 20000 --rounds 1 --short 3 --page .run/bench/small.md $(ARGS)

.PHONY: chaos reliability soak
chaos: setup ## break the running system for about 45 minutes; SUITE=, ROUNDS=, SEED= for less, or the same again
	@TALLYPORT_CHAOS_ROUNDS=$(or $(ROUNDS),long) TALLYPORT_CHAOS_SEED=$(SEED) \
		$(PYTHON_IN_VENV) -m pytest tests/chaos -v $(if $(SUITE),-k "$(SUITE)") $(ARGS)

reliability: setup ## write what `make chaos` has found into docs/reliability.md
	@$(PYTHON_IN_VENV) -m tests.chaos.reliability docs/reliability.md

soak: setup ## mixed load with a fault a minute, for MINUTES (30): nothing may grow
	@TALLYPORT_SOAK_MINUTES=$(or $(MINUTES),30) TALLYPORT_CHAOS_ROUNDS=long TALLYPORT_CHAOS_SEED=$(SEED) \
		$(PYTHON_IN_VENV) -m pytest tests/chaos/test_soak.py -v $(ARGS)
