# `make help` lists what there is. Works with GNU make 3.81 (macOS) and later.

# production, staging or local
ENV ?= production
# 1: against an emulated AWS on this machine; 0: against the real one
SANDBOX ?= 1
# the emulated AWS; its front door takes the next ports
SANDBOX_PORT ?= 4566
# more for ansible-playbook, for example ARGS='--check --diff'
ARGS ?=
# the environment's name, for `make destroy`
CONFIRM ?=
# processes for the tests; each has sandboxes of its own
TEST_WORKERS ?= 2

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
SANDBOX_VENV := .sandbox/venv
LINK := .ansible/ansible_collections/pratikoai/mcp_servers

# A world-writable checkout's ansible.cfg would be ignored; said by name it is not.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export SANDBOX_PORT
# They win over ansible.cfg and would hide the checkout's own collection.
unexport ANSIBLE_COLLECTIONS_PATH ANSIBLE_COLLECTIONS_PATHS
# Python's own settings of the person's shell have no business in these environments.
unexport PYTHONPATH PYTHONHOME

# An interpreter is asked, not believed: a shim of a version manager may name one that does not run.
find_python = for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { $$p -c 'import sys; print(sys.executable)'; exit; }; done
ifndef PYTHON
PYTHON := $(shell $(find_python))
endif

# The tests of a file share an environment: they stay on one worker, in their order.
SIDE_BY_SIDE = -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

ifeq ($(SANDBOX)-$(filter local,$(ENV)),1-)
OVERLAY := 1
endif
INVENTORIES = -i inventories/$(ENV) $(if $(OVERLAY),-i inventories/sandbox)
# In the sandbox the person's own AWS settings stay out of play.
WITHOUT_AWS = env -u AWS_PROFILE -u AWS_DEFAULT_PROFILE -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY \
	-u AWS_SESSION_TOKEN -u AWS_ENDPOINT_URL -u AWS_REGION -u AWS_DEFAULT_REGION AWS_EC2_METADATA_DISABLED=true
PLAYBOOK = $(if $(OVERLAY),$(WITHOUT_AWS)) $(BIN)/ansible-playbook
MAKE_VENVS = $(PYTHON) scripts/venv.py
SANDBOX_COMMAND = $(PYTHON) sandbox/sandbox.py

.PHONY: help venv deploy destroy backup backups restore token sandbox-start sandbox-stop sandbox-reset sandbox-status
.PHONY: health check lint sanity test test-only proof bench clean need-python need-inventory dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile
	@echo "Settings: ENV=$(ENV) SANDBOX=$(SANDBOX) SANDBOX_PORT=$(SANDBOX_PORT) ARGS= CONFIRM= PYTHON=$(PYTHON)"

venv: need-python $(LINK) ## make the virtual environments
	@$(MAKE_VENVS) $(VENV)=requirements.txt $(if $(OVERLAY),$(SANDBOX_VENV)=sandbox/requirements.txt)

deploy: need-inventory venv $(if $(OVERLAY),sandbox-start) ## deploy ENV (default: production on the emulated AWS)
	@$(PLAYBOOK) deploy.yml $(INVENTORIES) $(ARGS)

destroy: need-inventory venv $(if $(OVERLAY),sandbox-start) ## remove ENV's stacks: make destroy CONFIRM=production
	@$(PLAYBOOK) playbooks/destroy.yml $(INVENTORIES) $(if $(CONFIRM),-e mcp_confirm=$(CONFIRM)) $(ARGS)

backup: need-inventory venv $(if $(OVERLAY),sandbox-start) ## back up database and files: make backup ENV=local
	@$(PLAYBOOK) playbooks/backup.yml $(INVENTORIES) $(ARGS)

backups: need-inventory venv $(if $(OVERLAY),sandbox-start) ## list the backups: make backups ENV=local
	@$(PLAYBOOK) playbooks/backups.yml $(INVENTORIES) $(ARGS)

restore: need-inventory venv $(if $(OVERLAY),sandbox-start) ## restore the newest backup: make restore ENV=local CONFIRM=local
	@$(PLAYBOOK) playbooks/restore.yml $(INVENTORIES) $(if $(CONFIRM),-e mcp_confirm=$(CONFIRM)) $(ARGS)

token: need-inventory venv $(if $(OVERLAY),sandbox-start) ## write a fresh token for ENV's clients
	@$(PLAYBOOK) playbooks/token.yml $(INVENTORIES) $(ARGS)

health: need-inventory venv ## look how ENV is: make health ENV=local; all of them: scripts/health-check.sh
	@$(PLAYBOOK) playbooks/health.yml $(INVENTORIES) $(ARGS)

sandbox-start: venv
	@$(SANDBOX_COMMAND) start --port $(SANDBOX_PORT)

sandbox-stop: need-python ## stop the emulated AWS; its state is kept
	@$(SANDBOX_COMMAND) stop

sandbox-reset: need-python ## stop the emulated AWS and forget its state
	@$(SANDBOX_COMMAND) reset

sandbox-status: need-python ## say what runs
	@$(SANDBOX_COMMAND) status

check: dev ## the short loop: ruff and the unit tests
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) tests/unit

lint: dev ## all linters, ansible-test sanity with them
	@$(BIN)/python -m tests.support.lint

sanity: dev ## ansible-test sanity
	@$(BIN)/python -m tests.support.sanity

test: lint test-only ## everything, hermetic

test-only: dev ## the tests without the linters
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) --durations=40 --durations-min=5 tests

proof: dev ## the long forms of the proofs
	@MCP_PROOF=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests -m proof

bench: dev ## measure
	@$(BIN)/python -m tests.bench

dev: need-python $(LINK)
	@$(MAKE_VENVS) $(VENV)=requirements.txt,requirements-dev.txt $(SANDBOX_VENV)=sandbox/requirements.txt

clean: sandbox-stop ## remove what make made; the sandbox's state goes too
	@rm -rf $(VENV) .sandbox .ansible .cache .mypy_cache .ruff_cache tests/output

# Playbooks name the collection in full; the link lets Ansible find it in a checkout of any name.
$(LINK):
	@mkdir -p $(dir $(LINK)) && ln -sfn ../../.. $(LINK)

need-python:
	@test -n "$(PYTHON)" || { echo "ERROR: no Python from 3.11 on was found. Type: sudo apt-get install python3 \
	python3-venv (Debian 12, Ubuntu 24.04 or later), or: brew install python@3.12, or: make PYTHON=/path/to/python3" >&2; exit 1; }

need-inventory:
	@test -d inventories/$(ENV) || { echo "ERROR: ENV is '$(ENV)', and inventories/$(ENV) does not exist yet. There are: \
	$(filter-out sandbox,$(notdir $(wildcard inventories/*))). For example: make deploy ENV=production" >&2; exit 1; }
