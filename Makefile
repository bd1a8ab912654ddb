# The two commands: `make demo` ends in a browser, `make test` runs every check there is. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
CLUSTER := $(PYTHON) -m devcluster
WITH_CLUSTER := set -e; exports=$$($(CLUSTER) env); eval "$$exports";
export PYTHONUNBUFFERED := 1
.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Settings of the cluster: $(PYTHON) -m devcluster --help"

.PHONY: demo
demo: check setup tools up images ## Start everything and print a URL; Ctrl-C ends the hub
	@$(BIN)/python -m devcluster.demo

.PHONY: test
test: check setup lint tools helm browser up images room hub5 ## Run all checks: lint, types, layers, and all tests
	@$(WITH_CLUSTER) $(BIN)/python -m tests

.PHONY: lint
lint: setup ## Check style, format, types and import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: unit
unit: setup tools helm ## Run the tests that need no cluster
	$(BIN)/pytest tests/unit tests/contract

.PHONY: docs
docs: setup ## Build the documentation into docs/_build
	$(BIN)/sphinx-build -E -W --keep-going -b html docs docs/_build/html

.PHONY: screenshots
screenshots: check setup tools browser up images ## Take the pictures of the documentation again
	@$(WITH_CLUSTER) TAKE_SCREENSHOTS=1 $(BIN)/pytest tests/browser

.PHONY: bench
bench: check tools up images room ## Measure jhkube and the alternatives (BENCH="menu spawn" for a part, QUICK=1 to try)
	@$(CLUSTER) venv .venv-bench '.[bench]'
	@$(WITH_CLUSTER) .venv-bench/bin/python -m benchmarks run $(BENCH) $(if $(QUICK),--quick)

.PHONY: up
up: check ## Start the cluster, or repair it if it does not run
	@$(CLUSTER) up

.PHONY: images
images: up ## Build and push the images
	@$(CLUSTER) images

.PHONY: room
room: up
	@$(CLUSTER) room

.PHONY: status
status: ## Show the cluster's components
	@$(CLUSTER) status

.PHONY: down
down: ## Take the cluster down: nothing runs or is mounted afterwards
	@$(CLUSTER) down

.PHONY: check
check:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON"; exit 1; }
	@$(CLUSTER) check

.PHONY: setup
setup:
	@$(CLUSTER) venv .venv '.[test,docs]'

.PHONY: hub5
hub5:
	@$(CLUSTER) venv .venv-hub5 '.[test]' 'jupyterhub<6'

.PHONY: tools
tools:
	@$(CLUSTER) tools

.PHONY: helm
helm:
	@$(CLUSTER) helm >/dev/null

.PHONY: browser
browser:
	@$(CLUSTER) browser
