# Two commands set everything up on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MADE := test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --editable

.PHONY: demo test types units fuzz bench cifar10 matrix matrix-images clean

demo: $(VENV)/installed
	$(BIN)/tacit demo

test: $(VENV)/developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory --jobs 2 types units

# mypy takes one core alone: beside the tests, which share what is left, all is done sooner
types: $(VENV)/developer
	$(BIN)/mypy tacit

units: $(VENV)/developer
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

fuzz: $(VENV)/developer
	TACIT_EXAMPLES=fuzz OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m hypothesis

bench: $(VENV)/peers
	$(BIN)/python benchmarks/speed.py --write

cifar10: $(VENV)/installed
	$(BIN)/python benchmarks/cifar10_cpu.py --write

matrix: $(VENV)/developer
	$(BIN)/python benchmarks/matrix_cpu.py --write

matrix-images: $(VENV)/installed
	$(BIN)/python benchmarks/matrix_images.py --write

# one call each, as a second one looks for all packages again
$(VENV)/installed: pyproject.toml
	$(MADE)
	$(INSTALL) .
	touch $@

$(VENV)/developer: pyproject.toml
	$(MADE)
	$(INSTALL) ".[dev]"
	touch $@

$(VENV)/peers: pyproject.toml
	$(MADE)
	$(INSTALL) ".[bench]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
