# One command to run it, one to test it. Everything happens in .venv, made by pip alone
# from the versions in constraints.txt.

PYTHON ?= python3
CONFIG ?=
TESTS ?=
WORKERS ?= auto
VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made

.PHONY: run test check demo docs bench clean

run: $(MADE)
	$(BIN)/vestibule serve $(if $(CONFIG),--config $(CONFIG))

test: $(MADE)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(TESTS)

check: $(MADE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.docs --check

demo: $(MADE)
	$(BIN)/vestibule demo

docs: $(MADE)
	$(BIN)/python -m tools.docs

bench: $(MADE)
	$(BIN)/python benchmarks/compare.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The versions are all named, so nothing is resolved; hatchling is among them, so the
# build needs no environment of its own.
$(MADE): constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(MADE)
