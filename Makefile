# make demo: install, run a small real experiment, draw its figures.   make test: install, run the tests.
# make lint: install, check format, style and types.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint benchmarks

demo: $(VENV)/.installed
	$(BIN)/python run.py sweeps/small/tuple_ff.yaml --all --jobs 3
	PYTHON=$(BIN)/python paper/run_all.sh --runs runs --sweep small/tuple_ff
	$(BIN)/python paper/demo_table.py

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

benchmarks: $(VENV)/.installed
	$(BIN)/python benchmarks/mask_step.py
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/decoding.py
	$(BIN)/python benchmarks/whole_run.py
	$(BIN)/python benchmarks/conv.py
	$(BIN)/python benchmarks/local.py
	$(BIN)/python benchmarks/branches.py
	$(BIN)/python benchmarks/topk.py
	$(BIN)/python benchmarks/task_inference.py
	$(BIN)/python benchmarks/tasks_at_once.py
	$(BIN)/python benchmarks/evaluate.py

# The mark is written last, so an interrupted installation is taken up again.
$(VENV)/.installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sieve needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	touch $@
