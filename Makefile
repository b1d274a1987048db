# The commands of the project; what each does is in README.md. Settings come from the environment or from .env.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := PYTHONPATH=. $(BIN)/python
# Superset's own environment, never Airflow's. It runs on Python 3.11 and 3.12 alone.
DASHBOARDS := .venv-dashboards
DASHBOARDS_PYTHON ?= $(PYTHON)
RUN_DASHBOARDS := PYTHONPATH=. $(DASHBOARDS)/bin/python

# What would send packages, or the interpreter's look-ups, somewhere else than $(VENV). Installs name their interpreter besides.
unexport VIRTUAL_ENV CONDA_PREFIX UV_PYTHON UV_SYSTEM_PYTHON UV_PROJECT_ENVIRONMENT UV_PROJECT UV_WORKING_DIR
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_DRY_RUN PYTHONHOME PYTHONPATH PYTHONUSERBASE PYTHONPLATLIBDIR
# Over a configuration file of pip, too.
export PIP_USER := 0
# uv does not read pip's settings; a mirror that is set for pip by its variable serves uv as well.
ifdef PIP_INDEX_URL
ifeq ($(UV_DEFAULT_INDEX)$(UV_INDEX_URL),)
export UV_DEFAULT_INDEX := $(PIP_INDEX_URL)
endif
endif

.PHONY: run dashboards dashboards-export rebuild model sql brief mcp refresh-calendars test test-mutations test-full bench bench-backfill check format status digest secrets stack-image test-compose backup restore dictionary docs hooks lock clean-airflow help

# What a person types after a name reaches the program as it is, by the environment: make expands nothing in it, and no shell
# reads it.
override Q := $(value Q)
override TO := $(value TO)
override M := $(value M)
override FROM := $(value FROM)
export Q TO M FROM

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-17s %s\n", $$1, $$2}'

run: $(VENV)/.installed ## Run the daily DAG for one session (ROTATION_SESSION) and print a summary
	@$(RUN) -m cli.run

rebuild: $(VENV)/.installed ## The same with every table built anew from raw; FROM=landing loads raw from landing first
	@$(RUN) -m cli.run --rebuild --from "$${FROM:-raw}"

status: $(VENV)/.installed ## Is the publication fresh and sound?
	@$(RUN) -m cli.status

digest: $(VENV)/.installed ## One line per mart: rows and a hash of its whole content
	@$(RUN) -m cli.digest

model: $(VENV)/.installed ## Build one model (M=marts.x) with its ancestors on the home's data and show it
	@$(RUN) -m cli.model "$$M"

sql: $(VENV)/.installed ## A read-only DuckDB shell on the publication; Q="select …" runs one statement, TO=x.csv or x.xlsx writes its rows
	@$(RUN) -m cli.sql

brief: $(VENV)/.installed ## The address of the newest brief; opens it where there is a browser
	@$(RUN) -m cli.brief

mcp: $(VENV)/.installed-mcp ## Configuration for a language model's client (Model Context Protocol)
	@$(RUN) -m cli.language_model --configuration

dashboards: $(DASHBOARDS)/.installed ## Superset with the dashboards on your publication, on this machine; Ctrl-C ends it
	@$(RUN_DASHBOARDS) -m dashboards.start

dashboards-export: $(DASHBOARDS)/.installed ## What was edited in `make dashboards` back into the files of dashboards/superset
	@$(RUN_DASHBOARDS) -m dashboards.start --export

refresh-calendars: $(VENV)/.installed ## Reference data from its sources: release dates, outcomes, sessions (needs FRED_API_KEY)
	@$(RUN) -m cli.refresh_calendars

test-mutations: $(VENV)/.installed-dev ## Break every rule in turn and see it fire; prints what catches which corruption
	@$(RUN) -m pytest -m mutation tests/mutations

# SLOW=1 runs the slow tests as well (whole runs of the pipeline, mostly), FULL=1 those that need more than Python packages.
# COVERAGE=1 measures line coverage, with SLOW=1 against the floor in pyproject.toml. CI sets the first two: in one call the homes are made
# once, and while one worker waits for a scheduler the other computes. HISTORIES=20 tries more random histories.
COVER := $(if $(COVERAGE),--cov --cov-report=term $(if $(SLOW),,--cov-fail-under=0))
LEFT_OUT := not mutation$(if $(FULL),, and not full)$(if $(SLOW),, and not slow)
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder
test: $(VENV)/.installed-dev ## Run the tests: Python only, offline, in minutes; SLOW=1 runs the slow ones too
	@$(RUN) -m pytest $(if $(FULL),-rs --durations=25) -m "$(LEFT_OUT)" $(WORKERS) $(COVER)

test-full: $(VENV)/.installed-dev ## The same, and what needs more than this environment; says what was skipped
	@$(RUN) -m pytest -rs -m "not mutation" $(WORKERS)

# SMALL=1 prints a small world and writes nothing. PARTS=day,peers runs some parts, LARGE=1000 so many symbols end to end
# too, FRESH=1 a fresh clone with its installation. It needs the machine for itself.
bench: $(VENV)/.installed-bench ## Measure every goal beside its peer and write docs/benchmarks.md (SMALL=1: print a small world)
	@$(RUN) -m benchmarks $(if $(SMALL),--small) $(if $(LARGE),--large $(patsubst 1,1000,$(LARGE))) $(if $(FRESH),--fresh) $(if $(PARTS),--parts $(PARTS))

bench-backfill: $(VENV)/.installed-dev ## What a backfill costs under a scheduler beside an empty DAG (SESSIONS=60)
	@$(RUN) -m benchmarks.backfill $(if $(SESSIONS),--sessions $(SESSIONS))

check: $(VENV)/.installed-dev ## Formatter, linters, types, floors of the packages, SQL linter
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/sqlfluff lint --disable-progress-bar -q transforms expectations/kinds dashboards/queries
	@$(BIN)/sqlfluff lint --disable-progress-bar -q --templater placeholder brief/queries

format: $(VENV)/.installed-dev ## Format Python and SQL
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix --disable-progress-bar -q transforms expectations/kinds dashboards/queries

secrets: ## Make the secret files of the compose stack, once
	@sh deploy/secrets.sh

stack-image: ## Build the image of the compose stack, with its commit
	@ROTATION_COMMIT=$$(git rev-parse HEAD) docker compose build

test-compose: $(VENV)/.installed-dev ## The compose stack in containers, through faults; says why when there is no engine
	@$(RUN) -m tests.compose.run

backup: $(VENV)/.installed ## Verified copy of the home into ROTATION_BACKUP_DIR
	@$(RUN) -m cli.backup

restore: $(VENV)/.installed ## Put BACKUP=<dated folder> into an empty home
	@$(RUN) -m cli.restore "$(BACKUP)"

dictionary: $(VENV)/.installed ## Write docs/data-dictionary.md from the catalog
	@$(RUN) -m cli.dictionary

hooks: $(VENV)/.installed-dev ## Install the pre-commit hook: formatter, linters, types, floors on what is committed
	@$(BIN)/pre-commit install

docs: $(VENV)/.installed-dev ## Build the documentation site into build/docs; a broken link fails
	@$(RUN) -m cli.docs

# The lock is hash-pinned and good for Python 3.11 to 3.13 on every platform; it names no package index.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q --upgrade
LOCK := $(COMPILE) pyproject.toml
lock: $(VENV)/.uv ## Resolve the dependencies of pyproject.toml again
	@$(LOCK) -o requirements.lock
	@$(LOCK) --extra dev --extra databento --extra mcp -c requirements.lock -o requirements-dev.lock
	@$(LOCK) --extra databento -c requirements.lock -o requirements-databento.lock
	@$(LOCK) --extra mcp -c requirements-dev.lock -o requirements-mcp.lock
	@$(LOCK) --extra stack -c requirements.lock -o requirements-stack.lock
	@$(LOCK) --extra bench -c requirements-dev.lock -o requirements-bench.lock
	@$(COMPILE) dashboards/requirements.in -o requirements-dashboards.lock

clean-airflow: ## Remove the project's own Airflow (its metadata only, no data)
	@rm -rf .airflow

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; this is " + sys.version.split()[0] + ". Set PYTHON=python3.12, for example.")'
	@echo "installing into $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check 'uv>=0.5,<1' 2> $(VENV)/install.log || { cat $(VENV)/install.log; exit 1; }
	@test -x $(BIN)/uv || { echo "pip did not install uv into $(VENV): look for target or prefix in pip's configuration" >&2; exit 1; }
	@touch $@

# The stamps say that the lock is installed here, so they are written after a look at what is here.
INSTALL_INTO = $(BIN)/uv pip install -q --python $(1)/python --require-hashes $(2) -r $< && $(1)/python -I cli/installed.py $<
INSTALL = $(call INSTALL_INTO,$(BIN))

$(VENV)/.installed: requirements.lock | $(VENV)/.uv
	@$(INSTALL)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(INSTALL)
	@touch $@

$(VENV)/.installed-mcp: requirements-mcp.lock $(VENV)/.installed
	@$(INSTALL)
	@touch $@

$(VENV)/.installed-bench: requirements-bench.lock $(VENV)/.installed-dev
	@$(INSTALL)
	@touch $@

$(DASHBOARDS)/.installed: requirements-dashboards.lock | $(VENV)/.uv
	@$(DASHBOARDS_PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 13) else "Superset needs Python 3.11 or 3.12; this is " + sys.version.split()[0] + ". Name one: make dashboards DASHBOARDS_PYTHON=python3.12. The pipeline itself stays as it is.")'
	@echo "installing Superset into $(DASHBOARDS) (once) ..."
	@$(DASHBOARDS_PYTHON) -m venv $(DASHBOARDS)
	@$(call INSTALL_INTO,$(DASHBOARDS)/bin,--build-constraints $<)
	@touch $@
