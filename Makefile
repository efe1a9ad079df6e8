# make demo | test | lint | docs | clean. Needs Python 3.10-3.13, git and make; all else goes into VENV.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

# What an installation is made from: a change makes it new.
PACKAGING := setup.cfg setup.py pyproject.toml constraints.txt clinica_t1nce/startup.py

.PHONY: demo test lint docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses auto

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean:
	rm -rf build dist site demo_output *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "$(PYTHON) is not a Python 3.10 to 3.13; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(PACKAGING) | $(BIN)/python
	@echo "Installing clinica-t1nce into $(VENV): some minutes the first time"
	$(INSTALL) .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) '.[test,train]'
	@touch $@

$(VENV)/.installed-lint: $(VENV)/.installed
	$(INSTALL) '.[lint,train]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(INSTALL) '.[docs]'
	@touch $@
