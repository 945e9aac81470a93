# deskhand: what one does with a clone.  `make help` lists it.
# Everything is set up on the way: an environment in .venv with pinned, hash-checked packages, nothing else on the machine.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
PREFIX ?= $(HOME)/.local
PIP := -m pip --disable-pip-version-check --no-input
# The first interpreter that is CPython 3.11 or newer and can make environments.
PYTHON ?= $(shell .ci/find-python first)
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready-$(shell cat requirements/dev.txt pyproject.toml | cksum | tr ' ' -)
PEERS := .venv-bench
PEERS_STAMP := $(PEERS)/.ready-$(shell cksum < requirements/bench.txt | tr ' ' -)
ARGS ?=
SECONDS ?= 60
EXAMPLES ?= 1000
# Processes that share the fast tests: "logical" is one for each processor, 0 runs them in one (a debugger needs that).
WORKERS ?= logical
FAST := -q -n $(WORKERS) --maxprocesses=4 --dist=worksteal
# Compiled modules are kept: the tests start hundreds of processes, and each of them would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test run install setup lint types unit newest properties faults crashes powercuts soak acceptance bench bench-peers coverage fixture lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

demo: setup ## the whole product in a throw-away desk, with measured times
	@$(BIN)/deskhand demo $(ARGS)

test: setup lint types unit newest ## set up, lint, types, layers, the fast tests, also on the newest CPython here

run: setup ## the daemon in the foreground on this clone, which is a desk
	@exec $(BIN)/deskhand --desk . run $(ARGS)

install: ## an own environment in PREFIX/share/deskhand and the command PREFIX/bin/deskhand
	@.ci/install "$(PYTHON)" "$(PREFIX)"

setup: $(STAMP)

$(STAMP): requirements/dev.txt pyproject.toml
	@.ci/environment "$(PYTHON)" "$(VENV)"
	@rm -f $(VENV)/.ready-*; touch $@

lint: setup ## ruff, formatting, layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "make test: some files are not formatted; run: $(BIN)/ruff format ." >&2; exit 1; }
	@$(BIN)/lint-imports --no-logo --config pyproject.toml

types: setup ## mypy, strict
	@$(BIN)/mypy

unit: setup ## the fast tests only
	@$(BIN)/python -m pytest $(FAST) $(ARGS)

newest: setup ## the fast tests on the newest CPython found on this machine
	@.ci/newest "$(BIN)/python" $(FAST) $(ARGS)

properties: setup ## the fast tests by random input, each with EXAMPLES (1000) instead of a few
	@DESKHAND_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -m hypothesis $(FAST) $(ARGS)

faults: setup ## campaigns with signals, crashes, hostile files and full disks
	@$(BIN)/python -m pytest -q -m faults $(ARGS)

crashes: setup ## every crash point, every error, every power cut, none left out (hours); DESKHAND_FAULT_SEED=N repeats
	@DESKHAND_FAULT_POINTS=all $(BIN)/python -m pytest -q -m faults tests/faults/test_crash_points.py \
	  tests/faults/test_power_cut.py tests/faults/test_stateful.py tests/faults/test_strace.py $(ARGS)

powercuts: setup ## the power of a real disk cut under a real daemon; needs root
	@$(BIN)/python -m pytest -q -m powercut -rsP $(ARGS)

soak: setup ## everything at once on a small disk, for SECONDS (60); needs root
	@DESKHAND_SOAK_SECONDS=$(SECONDS) $(BIN)/python -m pytest -q -m soak -rsP $(ARGS)

acceptance: setup ## the product as a person uses it, and every command in the docs
	@$(BIN)/python -m pytest -q -m "acceptance or slow" $(ARGS)

bench: setup ## latency and throughput on this machine
	@for name in latency throughput idle startup backup; do echo "== $$name"; $(BIN)/python benchmarks/$$name.py $(ARGS); done

bench-peers: setup $(PEERS_STAMP) ## deskhand, huey, Celery and others side by side (half an hour or more)
	@$(BIN)/python benchmarks/side_by_side.py $(ARGS)

$(PEERS_STAMP): requirements/bench.txt
	@"$(PYTHON)" -m venv --clear "$(PEERS)"
	@"$(PEERS)/bin/python" $(PIP) --quiet install --require-hashes -r requirements/bench.txt
	@touch $@

coverage: setup ## the fast tests with the lines and branches they reach
	@$(BIN)/python -m pytest $(FAST) --cov --cov-report=term-missing $(ARGS)

fixture: setup ## the desk that every later version has to open; once for a format
	@$(BIN)/python -m tests.support.make_fixture

lock: ## pin the newest allowed versions again (needs uv)
	@.ci/lock

clean: ## remove environments and caches, never the desk
	@rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .hypothesis daemon/*.egg-info
	@find daemon tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
