# Cauce. `make run` and `make test` need Python 3.11 and make, nothing else.
PYTHON ?= python3
PY := .venv/bin/python
ROLE ?= channel-manager
JOBS ?= 2
SOURCES := $(wildcard libs/*/src services/*/src) sample tests bench faults deploy

.DEFAULT_GOAL := help
.PHONY: help install run scenario stop test bench faults faults-long verify-deploy lint types boundaries docs lock token doctor clean

# This list.
help:
	@awk '/^# /{said=substr($$0,3)} /^[a-z-]+:/{split($$1,t,":"); if (said) printf "  make %-12s %s\n", t[1], said; said=""}' Makefile

# The project's own environment in .venv; quick when nothing has changed. Every other target does it first.
install:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "cauce: Python 3.11 or newer is needed, and there is no $(PYTHON): install one, or name it with make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) libs/devstack/install.py

# Everything on this machine, with the sample the first time. SAMPLE=0 starts empty; EXIT=1 stops once it is loaded.
run: install
	@$(PY) -m devstack run $(if $(filter 0,$(SAMPLE)),--no-sample) $(if $(filter 1,$(EXIT)),--no-stay)

# A simulated story on top of it, from recruiting to a termination; needs `make run` in another terminal. ARGS="--seed 3"
scenario: install
	@$(PY) -m sample.scenario $(ARGS)

# Ends what `make run` started in another terminal, in order.
stop: install
	@$(PY) -m devstack stop

# All tests, on a real Postgres and a real Kafka of their own. T= picks some: make test T=libs/engine
test: install
	@$(PY) -m pytest -n $(JOBS) $(T)

# What it costs, beside limits and peers in the same run. ARGS="--quick --only append", ARGS=--help
bench: install
	@$(PY) -m bench $(ARGS)

# Real services killed, halted and cut off under load, and the proof that nothing was lost. ARGS="--seed 7"
faults: install
	@$(PY) -m faults $(ARGS)

# The same with 300 faults, with crashes of Kafka, dumps and restores; writes faults/RESULTS.md.
faults-long: install
	@$(PY) -m faults --long $(ARGS)

# What lies in deploy/: statically, and live where there is an engine or a cluster. ARGS="--only static", ARGS=--help
verify-deploy: install
	@$(PY) -m deploy.check $(ARGS)

# Style and likely mistakes.
lint: install
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

# Types, strictly.
types: install
	@$(PY) -m mypy $(SOURCES)

# Who may import whom.
boundaries: install
	@.venv/bin/lint-imports --no-cache

# Pins the schema of every new or changed event, and writes what is made from the code: pages of docs/, dashboards.
docs: install
	@$(PY) -m events pin
	@$(PY) -m events catalogue > docs/events.md
	@$(PY) -m events asyncapi > docs/asyncapi.json
	@$(PY) -m events html > docs/asyncapi.html
	@$(PY) -m service.matrix partner contract training performance risk > docs/routes.md
	@$(PY) -m service.reactions partner contract training performance risk > docs/reactions.md
	@$(PY) -m service.metrics_catalogue partner contract training performance risk > docs/metrics.md
	@$(PY) -m deploy.observability.dashboards
	@$(PY) -m deploy.observability.operator

# Pins the newest versions of everything, with hashes. Run the tests before you commit it.
lock: install
	@$(PY) libs/devstack/lock.py

# A token for the APIs: make -s token ROLE=auditor, or ROLE=partner PARTNER=<id>
token: install
	@$(PY) -m devstack token --role $(ROLE) $(if $(PARTNER),--partner $(PARTNER))

# What this machine has, and what would stop a run.
doctor: install
	@$(PY) -m devstack doctor

# Wipes data, keys and logs; the next run starts as in a fresh clone.
clean: install
	@$(PY) -m devstack clean
