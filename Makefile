# Two commands: `make book` sets everything up, trains the models and builds the site; `make test` checks everything.
# PYTHON chooses the interpreter for the virtual environment, e.g. `make book PYTHON=python3.12`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SITE := _build/html
NBVAL_PROCESSES ?= 2
NOTEBOOKS := $(wildcard tests/notebooks/*.ipynb)

# The networks are small: threads cost more than they bring, and a busy machine then takes minutes for seconds.
OMP_NUM_THREADS ?= 1
export OMP_NUM_THREADS

# What chapters train is kept, so that a chapter that changed need not train it anew. Not for nbval, which is a test.
book strict-book: export GTP_FITS := $(CURDIR)/_build/fits

.DEFAULT_GOAL := help
.PHONY: help book slides pdf test lab notebooks editions clean lint unit strict-book nbval site chromium

help:
	@echo "make book       set up, run every chapter (trains the models), build the site: $(SITE)/index.html"
	@echo "make test       set up, then check style, library, book, pages (in Chromium) and notebooks"
	@echo "make slides     each chapter as slides to project, from the built book: $(SITE)/slides/index.html"
	@echo "make pdf        the built book as one file to print: _build/gtp_mini.pdf"
	@echo "make lab        open the chapters as notebooks in JupyterLab"
	@echo "make editions   the chapters as notebooks to hand out, unsolved and solved: _build/editions"
	@echo "make notebooks  refresh tests/notebooks from book/*.md and run them (before a commit that changes a chapter)"
	@echo "make clean      delete what was built (keeps $(VENV))"

# ---- setting up, once

$(BIN)/python:
	@echo "==> making $(VENV)"
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and \
	  f"gtp_mini needs Python 3.11 or newer, {sys.executable} is {v}: try make PYTHON=python3.12 (after make clean)")'
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "==> installing gtp_mini and what it needs (about 2 minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[antmaze,book,test]" -c constraints.txt
	@touch $@

# ---- the book

book: $(INSTALLED)
	@echo "==> building the book (chapters that did not change are not run again)"
	@$(BIN)/jupyter-book build book/
	@echo "==> open $(SITE)/index.html"

slides: book
	@$(BIN)/python -m gtp_mini.slides $(SITE)

pdf: book chromium
	@$(BIN)/python tests/print_book.py _build/gtp_mini.pdf

lab: $(INSTALLED)
	@$(BIN)/jupytext-config set-default-viewer python markdown
	@$(BIN)/jupyter lab book/

notebooks: $(INSTALLED)
	@echo "==> running the chapters for tests/notebooks"
	@$(BIN)/python tests/refresh_notebooks.py

editions: $(INSTALLED)
	@$(BIN)/python -m gtp_mini.editions _build/editions
	@echo "==> wrote _build/editions; an exam: $(BIN)/python -m gtp_mini.editions _build/editions --exam 7 --questions 6"

# ---- the tests. Two processes at a time fill a small machine.

test: $(INSTALLED) chromium lint unit
	@echo "==> building the book with warnings as errors, and comparing the notebooks' numbers, side by side"
	@$(MAKE) --no-print-directory -j2 strict-book nbval NBVAL_PROCESSES=1
	@$(MAKE) --no-print-directory site
	@echo "==> all passed"

chromium: $(INSTALLED)
	@$(BIN)/python tests/browser.py

lint: $(INSTALLED)
	@echo "==> style"
	@$(BIN)/ruff check --quiet --output-format concise .

unit: $(INSTALLED)
	@echo "==> library"
	@$(BIN)/pytest -q -n 2 tests/unit

# Sphinx reports warnings only for pages that it reads: read them all, but keep the cache of what was run.
strict-book: $(INSTALLED)
	@rm -rf $(SITE) _build/.doctrees
	@$(BIN)/jupyter-book build -n -W --keep-going book/

nbval: $(INSTALLED)
	@$(BIN)/pytest -q -n $(NBVAL_PROCESSES) --dist loadfile --nbval-lax $(NOTEBOOKS)

site: $(INSTALLED)
	@echo "==> pages and slides, in Chromium without a network"
	@$(BIN)/python -m gtp_mini.slides $(SITE)
	@$(BIN)/pytest -q -n 2 tests/site

clean:
	@rm -rf _build .pytest_cache .ruff_cache .hypothesis build *.egg-info
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
