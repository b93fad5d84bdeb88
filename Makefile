# Everything happens in .venv, which any target creates with plain pip from pyproject.toml under constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INPUTS := pyproject.toml constraints.txt
export HF_HUB_OFFLINE ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs test-install test-browser test-mediawiki test-llm test-azure test-containers test-mlflow \
	test-clients test-exports clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: $(BIN)/python $(INPUTS)
	@echo "installing into $(VENV) (about two minutes)"
	$(INSTALL) -e '.[train,demo,report]'
	@touch $@

$(VENV)/.installed-test: $(BIN)/python $(INPUTS)
	@echo "installing into $(VENV) (about two minutes)"
	$(INSTALL) -e '.[train,demo,report,ann,serve,dev]'
	@touch $@ $(VENV)/.installed-demo

demo: $(VENV)/.installed-demo ## glossary pages to a better model, offline, with verdict and report
	$(BIN)/embedkit demo

test: $(VENV)/.installed-test ## the tests, under ten minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.installed-test ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test ## one table per claim; takes long
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

docs: $(VENV)/.installed-test ## regenerate docs/cli.md, docs/configuration.md, the layout table, the figures of the guide, the JSON Schemas and data/pages
	$(BIN)/python scripts/build_docs.py
	$(BIN)/python scripts/build_pages.py
	$(BIN)/python scripts/layout_table.py
	$(BIN)/python scripts/draw_guide.py

test-install: ## wheel, editable and torch-free installs in venvs of their own
	PYTHON=$(PYTHON) bash scripts/test-install.sh

test-browser: $(VENV)/.installed-demo ## the report in a real headless browser (needs chromium)
	$(BIN)/python scripts/test_browser.py

test-mediawiki: $(VENV)/.installed-test ## the crawler against the real MediaWiki (needs Debian's mediawiki and php-cli)
	PYTHON=$(BIN)/python bash scripts/test-mediawiki.sh

test-llm: $(VENV)/.installed-test ## ask with a real language model on loopback (needs a C++ compiler; takes an hour)
	PYTHON=$(PYTHON) BIN_PYTHON=$(BIN)/python bash scripts/test-llm.sh

test-azure: $(VENV)/.installed-test ## the folder of deploy azure against Azure's own loaders and inference server
	PYTHON=$(PYTHON) VENV=$(abspath $(VENV)) bash scripts/test-azure.sh

test-containers: $(VENV)/.installed-test ## the folders of deploy docker, kserve and hf-endpoint: validators, image and handler without torch
	PYTHON=$(PYTHON) VENV=$(abspath $(VENV)) bash scripts/test-containers.sh

test-mlflow: $(VENV)/.installed-test ## a run in MLflow from training to a served model, in a local store
	PYTHON=$(PYTHON) VENV=$(abspath $(VENV)) bash scripts/test-mlflow.sh

test-clients: $(VENV)/.installed-test ## the service asked by openai, langchain, litellm and other clients, in a venv of their own
	PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/test-clients.sh

test-exports: $(VENV)/.installed-test ## an export loaded by fastembed and transformers.js, its vectors beside torch's
	PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/test-exports.sh

clean: ## remove what the targets made
	rm -rf $(VENV) .venv-llm build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
