# The README's commands; CI calls the same ones.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run up test test-browser lint bench clean
.DEFAULT_GOAL := run

# requirements.lock is given as constraints: every version is pinned, and a CPU-only torch that is
# already in .venv brings none of the CUDA packages.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c requirements.lock setuptools
	$(BIN)/python -m pip install --disable-pip-version-check -c requirements.lock --no-build-isolation -e '.[test]'
	touch $@

run: .venv/installed  ## the whole pipeline once: fetch, base, finetune, validate, register
	$(BIN)/steelyard run

up: .venv/installed  ## Prefect, MLflow and a runner on loopback
	$(BIN)/steelyard up

test: .venv/installed lint  ## every test but those that need a browser
	$(BIN)/python -m pytest -m 'not browser' -n 2 --dist loadfile

test-browser: .venv/installed  ## the web pages, in Debian's Chromium
	$(BIN)/python -m pytest -m browser

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed  ## our pipeline beside the plain tools; minutes
	$(BIN)/python -m benchmarks.run

clean:  ## the environment; what was made (data, weights, versions) stays
	rm -rf .venv
