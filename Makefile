# The two commands: `make demo` and `make test`. Everything stays inside this folder.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# The tool that lists the environment stands beside it, not in it.
SBOM   := $(VENV)/sbom
# Tests wait more than they compute: three at a time on two cores.
WORKERS ?= 3
# The slow ones kill processes and hold clocks against them: one at a time on a core.
SLOW_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint unit slow reference bench-peers sbom docs coverage clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## make the environment in .venv

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "medfl needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(READY)  ## a coordinator and three synthetic hospitals over TLS, to the report
	rm -rf demo
	$(BIN)/medfl-sim demo demo --plan configs/phantom.yaml

test: lint unit  ## everything that must pass

lint: $(READY)  ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(READY)  ## the tests, real processes included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist worksteal

slow: $(READY)  ## the tests that take minutes: kills, cut connections, canaries
	$(BIN)/python -m pytest -m slow -n $(SLOW_WORKERS) --dist worksteal

reference: $(READY)  ## docs/reference, from the code
	$(BIN)/python -m tools.reference

# The tree that mkdocs reads has the repository's layout, so links are the same on a forge and there.
PAGES := build/docs

docs: $(READY)  ## the documents as a site, in build/site
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	rm -rf $(PAGES) && mkdir -p $(PAGES)/benchmarks
	cp -r *.md CITATION.cff docs configs notebooks $(PAGES)
	cp benchmarks/*.md $(PAGES)/benchmarks
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

coverage: $(READY)  ## the lines that tests without real processes run; there is no threshold
	$(BIN)/python -m pytest -q -m "not slow and not processes" -n $(WORKERS) --dist loadfile \
		--cov=common --cov=client --cov=server --cov=sim --cov-report=term:skip-covered

bench-peers: $(READY)  ## jobs J1 to J3 against the plain loop and other simulators (see benchmarks/)
	for job in J1 J2 J3; do PY=$(BIN)/python benchmarks/peers/run.sh $$job 3; done

sbom: $(READY)  ## the parts of the environment, as CycloneDX, in sbom.json
	$(PYTHON) -m venv $(SBOM)
	$(SBOM)/bin/python -m pip install --quiet 'cyclonedx-bom>=7,<8'
	$(SBOM)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.json $(BIN)/python

clean:  ## remove what the other targets made
	rm -rf $(VENV) build demo runs sbom.json .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
