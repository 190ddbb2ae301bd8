# Two commands matter: `make demo` creates a region on this machine, `make test` tests everything.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Each test starts new processes; without saved byte-code each one compiles the whole toolkit again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
PACKAGES := $(shell cat tool/packages.txt)
SCENARIOS := $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
MIRROR ?=
# Each process reads every module of the toolkit, so more than four gain little.
WORKERS ?= $(shell n=$$(nproc); echo $$((n > 4 ? 4 : n)))
# Tests that use all nodes at once; the others share the nodes that these deploy.
WHOLE_REGION := $(patsubst %,tests/integration/test_%.py,deploy receipts region_faults)
# Tests of the long campaign that deploy small regions of their own.
OWN_REGIONS := $(patsubst %,tests/integration/test_%.py,lost_node moving)
# Times a step and prints its duration, so that a slow step is noticed.
timed = @start=$$SECONDS; $(2) || exit $$?; printf '\n== %s: %s s\n\n' '$(1)' "$$((SECONDS - start))"

.PHONY: help demo demo-federation test lint lint-roles lint-rest unit containers soak bench docs docs-pictures setup packages generate translations wheels release clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo: setup  ## Create the demo region in containers (MIRROR=DIR serves real artifacts)
	@$(BIN)/deploy doctor
	$(call timed,demo,$(BIN)/deploy region demo $(if $(MIRROR),--mirror $(MIRROR)))

# ARGS=--third lets a third region join, ARGS=--leave ends it, ARGS=--down removes these regions.
demo-federation: setup  ## Create two regions in containers that work together (ARGS=--help explains more)
	@$(BIN)/deploy doctor
	$(call timed,demo-federation,$(BIN)/python -m chautari_sandbox.demo_federation $(if $(MIRROR),--mirror $(MIRROR)) $(ARGS))

test: setup  ## Run all tests, first those that need no machine
	$(call timed,lint,$(MAKE) --no-print-directory lint)
	$(call timed,tests without machines,$(MAKE) --no-print-directory unit)
	$(call timed,tests in containers,$(MAKE) --no-print-directory containers)

lint: setup  ## ruff, mypy, ansible-lint (outside CI of changed roles), shellcheck, yamllint, generated files up to date
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint-roles lint-rest

lint-roles:
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/ansible-lint

lint-rest:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vermin --target=3.10- --violations --no-tips --quiet $$(git ls-files 'tool/chautari/node/*.py')
	$(BIN)/shellcheck --severity=warning --exclude=SC1090,SC1091 $$(git ls-files '*.sh'; git grep -lE '^#!/(usr/)?bin/(env )?(ba)?sh' -- roles ':!*.j2' ':!*.sh')
	$(BIN)/yamllint --strict .
	$(BIN)/python -m chautari.reference.generate --check
	$(BIN)/python .ci/translations.py --check

unit: setup  ## Run the tests that need no machine
	$(BIN)/python -m pytest tests/unit tests/templates -q -n $(WORKERS)

# A test deploys as an account that has sudo, also where root runs the tests.
containers soak: PACKAGES += sudo
containers: setup  ## Run the tests in containers
	$(call timed,a first deploy and tests of the whole region,$(BIN)/python -m pytest $(WHOLE_REGION) --keep-sandbox)
# More workers than cores: many tests wait, for a restart, a lock or a lost connection.
	$(call timed,tests of single nodes,$(BIN)/python -m pytest tests/integration $(addprefix --ignore=,$(WHOLE_REGION)) -n 4)

soak: setup  ## Run the long campaigns: hostile input, faults at many moments, every molecule scenario
	$(call timed,hostile input,CHAUTARI_HOSTILE=all $(BIN)/python -m pytest tests/unit/test_hostile_input.py -q)
	$(call timed,faults,$(BIN)/python -m pytest tests/integration $(addprefix --ignore=,$(OWN_REGIONS)) --soak -k "backup or broken_release or changed_settings or downloads or faults or first_deploy or interruptions or manual_changes or receipts or test_upgrade")
	$(call timed,federation,$(BIN)/python -m pytest tests/integration/test_federation.py --soak)
	$(call timed,lost and moved machines,$(BIN)/python -m pytest $(OWN_REGIONS) --soak)
	$(call timed,molecule,for s in $(SCENARIOS); do env PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/molecule test -s $$s || exit 1; done)

# BENCH=noop runs only that benchmark; ROUNDS=9 runs more rounds; python -m benchmarks --list names them.
bench: setup $(VENV)/peers/.ready  ## Compare Chautari with similar tools: benchmarks/results.json
	$(call timed,bench,$(BIN)/python -m benchmarks $(addprefix --only ,$(BENCH)) $(addprefix --rounds ,$(ROUNDS)))

$(VENV)/peers/.ready: benchmarks/requirements.lock | packages
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

docs: $(VENV)/docs/.ready  ## Build the documentation site in site/; any warning is an error
	$(call timed,docs,$(VENV)/docs/bin/python docs/site/build.py)

docs-pictures: setup  ## Draw the pictures of the site from a deployed sandbox (REGION=demo; needs chromium)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python docs/site/pictures.py $(or $(REGION),demo)

$(VENV)/docs/.ready: docs/site/requirements.lock
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

setup: packages $(VENV)/.ready  ## Install what the toolkit needs on this machine

packages:
	@missing=$$(for p in $(PACKAGES); do dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing:" $$missing; \
	  $(SUDO) apt-get -q -o DPkg::Lock::Timeout=600 update && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends $$missing; \
	fi

$(VENV)/.ready: requirements.lock pyproject.toml tool/chautari_sandbox/pyproject.toml | packages
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --editable . --editable tool/chautari_sandbox
	@touch $@

generate: setup  ## Write the files that are generated from the model and the commands
	$(BIN)/python -m chautari.reference.generate

translations: setup  ## Collect the texts for translators, and update tool/chautari/translations
	$(BIN)/python .ci/translations.py

wheels: setup  ## Build both wheels of this commit into dist/, and try them in a fresh environment
	$(BIN)/python .ci/release.py --no-tag

release: setup  ## Build the wheels of a release; the commit must have the tag of its version
	$(BIN)/python .ci/release.py

clean:  ## Remove the containers of the demos and this checkout's environment
	-$(BIN)/deploy sandbox down demo
	-$(BIN)/python -m chautari_sandbox.demo_federation --down
	rm -rf $(VENV)
