# Everything happens in .venv, which any target creates with plain pip from pyproject.toml under constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INPUTS := pyproject.toml constraints.txt
export HF_HUB_OFFLINE ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs site test-install test-browser test-notebooks test-mediawiki test-llm test-azure \
	test-containers test-mlflow test-trackers test-clients test-exports release-check clean

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

check: $(VENV)/.installed-test site ## lint, format and types; the site and its links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test ## one table per claim; takes long
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

docs: $(VENV)/.installed-test ## regenerate what scripts write: references, schemas, layout table, figures, notebooks, dependencies, data/pages
	$(BIN)/python scripts/build_docs.py
	$(BIN)/python scripts/build_pages.py
	$(BIN)/python scripts/layout_table.py
	$(BIN)/python scripts/draw_guide.py
	$(BIN)/python scripts/build_notebooks.py
	$(BIN)/python scripts/list_dependencies.py

.venv-site/.installed: scripts/site-requirements.txt
	$(PYTHON) -m venv .venv-site
	.venv-site/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

site: .venv-site/.installed ## docs/ as a site in build/site, with search offline in English and Korean; its links are checked
	.venv-site/bin/python scripts/build_site.py

test-install: ## wheel, editable and torch-free installs in venvs of their own
	PYTHON=$(PYTHON) bash scripts/test-install.sh

test-browser: $(VENV)/.installed-test site ## report, page of ui and the site's search in a real headless browser, with axe (needs chromium)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target build/axe axe-playwright-python==0.1.8
	$(BIN)/python scripts/test_browser.py
	$(BIN)/python scripts/test_ui.py
	$(BIN)/python scripts/test_site.py

# nbclient beside the packages of $(VENV), which stay as constraints.txt has them.
.venv-notebooks/.installed: $(VENV)/.installed-test
	$(PYTHON) -m venv .venv-notebooks
	.venv-notebooks/bin/python -m pip install --quiet --disable-pip-version-check nbclient==0.11.0 ipykernel==7.4.0
	packages=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	here=$$(.venv-notebooks/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	echo "import site; site.addsitedir('$$packages')" >"$$here/embedkit-packages.pth"
	@touch $@

test-notebooks: .venv-notebooks/.installed ## the notebooks, executed with trainings of two steps
	$(BIN)/python scripts/build_notebooks.py --check
	PATH="$(abspath $(BIN)):$$PATH" OMP_NUM_THREADS=1 .venv-notebooks/bin/python scripts/test_notebooks.py

release-check: $(VENV)/.installed-test ## build, twine, licences, a clean install and the demo from the wheel in an empty folder (SHORT=1: no demo)
	PYTHON=$(PYTHON) BIN_PYTHON=$(BIN)/python SHORT=$(SHORT) bash scripts/release-check.sh

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

test-trackers: $(VENV)/.installed-test ## one run in TensorBoard, W&B (offline), MLflow and Trackio, in local stores, cut off and gone on with
	PYTHON=$(PYTHON) VENV=$(abspath $(VENV)) bash scripts/test-trackers.sh

test-clients: $(VENV)/.installed-test ## the service asked by openai, langchain, litellm and other clients, in a venv of their own
	PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/test-clients.sh

test-exports: $(VENV)/.installed-test ## an export loaded by fastembed and transformers.js, its vectors beside torch's
	PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/test-exports.sh

clean: ## remove what the targets made
	rm -rf $(VENV) .venv-llm .venv-site .venv-notebooks build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
