# make demo: install, run a small real experiment, draw its figures.   make test: install, run the tests.
# make lint: check format, style and types.   make docs: pages of the public classes in docs/api.
# make gpu: every task on a GPU beside the CPU.   make test-cluster: the tests on a Slurm of their own (root; Debian).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PUBLIC := masks.model masks.masking masks.algebra masks.graft masks.units masks.fills masks.packed_masks \
	masks.methods layers models core.store core.fit core.option_groups tasks.task analysis paper.figure

.PHONY: demo test test-cluster lint docs gpu fuzz benchmarks

demo: $(VENV)/.installed
	$(BIN)/python run.py sweeps/small/tuple_ff.yaml --all --jobs 3
	PYTHON=$(BIN)/python paper/run_all.sh --runs runs --sweep small/tuple_ff
	$(BIN)/python paper/demo_table.py

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

test-cluster: $(VENV)/.installed
	SIEVE_TEST_CLUSTER=1 $(BIN)/python -m pytest tests/cluster

lint: $(VENV)/.installed-dev
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

docs: $(VENV)/.installed-dev
	$(BIN)/python -m pdoc --docformat google --output-directory docs/api $(PUBLIC)

gpu: $(VENV)/.installed
	$(BIN)/python -m pytest -rs tests/gpu

# Odd input, FUZZ times as much of it as in the tests.
fuzz: $(VENV)/.installed
	FUZZ=$${FUZZ:-300} $(BIN)/python -m pytest tests/fuzz

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
	$(BIN)/python benchmarks/induction.py

# The mark is written last, so an interrupted installation is taken up again.
$(VENV)/.installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sieve needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	touch $@
