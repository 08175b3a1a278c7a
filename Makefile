# make lab    sets up .venv and opens the app
# make test   sets up .venv and runs the tests (with PyTorch beside them after `make peers`)
# make lint   sets up .venv and runs the linter, the formatter check and the strict type check
# make bench  sets up .venv with PyTorch and prints the benchmark tables
# make picture  sets up .venv and draws the README's picture

VENV ?= .venv
PYTEST_ARGS ?= -n auto --maxprocesses 8 --dist worksteal
BENCH_ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PINS := pyproject.toml constraints.txt

# Compiled once, whatever the environment says, and not in each program that a test starts.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: lab test lint bench picture peers clean

lab: $(VENV)/.lab
	@$(BIN)/nablascope

test: $(VENV)/.tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict engine scenarios tui

bench: $(VENV)/.tests $(VENV)/.peers
	$(BIN)/python -m tests.benchmarks.engine_vs_torch $(BENCH_ARGS)
	$(BIN)/python -m tests.benchmarks.training
	$(BIN)/python -m tests.benchmarks.startup
	$(BIN)/python -m tests.benchmarks.run_store
	$(BIN)/python -m tests.benchmarks.sweeps
	$(BIN)/python -m tests.benchmarks.app_latency
	$(BIN)/python -m tests.benchmarks.wire
	$(BIN)/python -m tests.benchmarks.drawing
	$(BIN)/python -m tests.benchmarks.soak

picture: $(VENV)/.tests
	$(BIN)/python -m tests.app.picture

peers: $(VENV)/.peers

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then exec "$$python" -m venv "$(VENV)"; fi; \
	done; \
	echo "nablascope needs Python 3.11 or newer with its venv module (Debian, Ubuntu: the package python3-venv)" >&2; \
	exit 1

$(VENV)/.lab: $(PINS) | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.tests: $(PINS) | $(BIN)/python
	$(PIP) --editable '.[tests]'
	@touch $@ $(VENV)/.lab

$(VENV)/.lint: $(PINS) | $(BIN)/python
	$(PIP) --editable '.[lint]'
	@touch $@ $(VENV)/.lab

$(VENV)/.peers: $(PINS) | $(BIN)/python
	$(PIP) --editable '.[peers]'
	@touch $@ $(VENV)/.lab
