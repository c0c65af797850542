.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
PREFIX  ?= /opt/sovits-daemon
DESTDIR ?=

.PHONY: help setup demo test test-slow check bench install uninstall clean lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# Compiled once, here: where bytecode is not or may not be written, each process would compile all it loads.
$(READY): requirements.lock requirements-bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip > /dev/null
	@echo "setting up $(VENV) (the first time several GB of packages are fetched)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --no-deps -r requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q api daemon pipeline GPT_SoVITS
	@touch $(READY)

setup: $(READY) ## make .venv with everything pinned in requirements.lock

demo: $(READY) ## drop one minute of speech, train a voice, speak a sentence
	@$(BIN)/sovits-daemon demo

test: $(READY) ## the test suite, on up to 4 cores
	@$(BIN)/python -m pytest -m "not slow" --numprocesses logical --maxprocesses 4 --dist loadfile

test-slow: $(READY) ## all tests, the long ones too
	@$(BIN)/python -m pytest --timeout 1800

check: $(READY) ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(READY) ## every benchmark; tables here, JSON in benchmarks/results/
	@for each in benchmarks/[a-z]*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

lock: $(READY) ## write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --quiet --extra offline --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --output-file requirements.lock > /dev/null

install: ## install the service on this machine (as root): /opt, /etc, /var/lib and the systemd unit
	@PYTHON="$(PYTHON)" PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" systemd/install.sh

uninstall: ## remove the service; recordings, voices and settings stay
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" systemd/uninstall.sh

clean: ## remove .venv and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
