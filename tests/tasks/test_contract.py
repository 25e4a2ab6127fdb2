"""What holds of every task: it runs, uses its options, logs what its page says, and killed anywhere ends the same."""

import dataclasses
import math
import random
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import main
from core import exit_codes as code
from core.conditions import inert
from core.options import assemble, leaves
from core.store import Run
from tasks.options import options_class
from tasks.registry import OPTIONS, TASKS
from tests.tasks import killing
from tests.tasks.pages import undocumented
from tests.tasks.tiny import MORE, TINY, line
from tests.tiny_data import accept_scan, tiny_math, tiny_scan

ROOT = Path(__file__).parents[2]
SETTINGS = {task: {"task": task} | TINY[task] for task in TINY} | MORE
# Read where runs are made and mirrored, or refused where options are checked; run.save_tensors does nothing where all
# that is trained are masks.
ELSEWHERE = {"task", "log", "run.dir", "run.sweep", "run.quiet", "run.cache", "run.save_tensors"}
# Refused with any other value here, or used in other rows of a grid that gives it to all.
EXCUSED = {
    "edge_popup": {"controls", "evaluate_on"}, "permuted_mnist": {"mask.bias"}, "supsup": {"train.weights_lr"},
}  # fmt: skip


def test_every_task_has_a_tiny_setting():
    assert set(TINY) == set(TASKS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the arguments that some tasks' data needs, by name of the setting."""
    folder = tmp_path_factory.mktemp("data")
    archive = tiny_math(folder / "math.tar.gz")
    with pytest.MonkeyPatch.context() as patch:
        tiny_scan(folder, patch)
        more = {"deepmind_math": {"dm_math.archive": str(archive)}}
        yield {name: {"run.cache": str(folder)} | more.get(name, {}) for name in SETTINGS}


@pytest.fixture(scope="module", params=SETTINGS)
def finished(request, data, tmp_path_factory):
    """Return (name, command line, run, (group, option) pairs that the product's code read) of a whole run."""
    name = request.param
    folder, arguments = tmp_path_factory.mktemp("whole"), line(SETTINGS[name], **data[name])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the killed ones have
    with Reads() as reads:
        assert main.main([*arguments, f"--run.dir={folder}"]) == code.DONE
    torch.set_num_threads(threads)
    (run,) = Run.query(folder)
    return name, arguments, run, reads.found


class Reads:
    """Notes which options the tasks, data, masks and training loop read; what checks and stores all does not count."""

    READERS = tuple(str(ROOT / part) for part in ("tasks", "data", "masks", "models", "analysis", "core/fit.py"))

    def __enter__(self):
        self.found = set()
        groups = set()
        for task in OPTIONS:
            groups |= set(_groups(options_class(task)))

        def read(instance, name):
            caller = sys._getframe(1).f_code
            if caller.co_filename.startswith(self.READERS) and caller.co_name != "__post_init__":
                self.found.add(name)
            return object.__getattribute__(instance, name)

        self.patch = pytest.MonkeyPatch()
        for cls in groups:
            self.patch.setattr(cls, "__getattribute__", read)
        return self

    def __exit__(self, *_):
        self.patch.undo()


def _groups(cls):
    yield from (base for base in cls.__mro__ if dataclasses.is_dataclass(base))
    for field in dataclasses.fields(cls):
        default = field.default if field.default is not dataclasses.MISSING else None
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if dataclasses.is_dataclass(default):
            yield from (base for base in type(default).__mro__ if dataclasses.is_dataclass(base))


def test_logged_keys_are_documented_and_finite(finished):
    _, _, run, _ = finished
    rows = [*run.history(), run.summary]
    assert not undocumented({key for row in rows for key in row}, run.task)
    assert all(math.isfinite(value) for row in rows for value in row.values() if isinstance(value, float))
    assert run.summary and run.status["state"] == "done"


def test_every_option_is_read(finished):
    name, _, run, found = finished
    task = SETTINGS[name]["task"]
    cls = options_class(task, run.options.get("mask.method"))
    options = assemble(cls, {key: value for key, value in run.options.items() if key in leaves(cls)})
    idle = inert(options, leaves(cls))
    unread = (
        {key for key in leaves(cls) if key.rpartition(".")[2] not in found}
        - set(idle)
        - ELSEWHERE
        - EXCUSED.get(task, set())
    )
    assert not unread


def test_killed_anywhere_and_started_again_it_ends_with_the_same_bits(finished, data, tmp_path):
    name, arguments, run, _ = finished
    prepare = partial(accept_scan, data[name]["run.cache"]) if "scan" in name else None
    expected, moments = result(run), random.Random(name)
    where = [*arguments, f"--run.dir={tmp_path}"]
    kind = killing.KINDS[list(SETTINGS).index(name) % len(killing.KINDS)]
    count = moments.randint(3, 6) if kind == "step" else 1
    assert killing.run(where, kind, count, prepare=prepare) == -signal.SIGKILL
    assert killing.run(where, prepare=prepare) == code.DONE
    (resumed,) = Run.query(tmp_path)
    assert result(resumed) == expected


def result(run):
    """Everything a finished run has to say, in bytes."""
    found = {name: run.path(name).read_bytes() for name in ("history.jsonl", "summary.json")}
    for path in sorted(path for folder in ("arrays", "masks", "tensors") for path in run.path(folder).glob("*")):
        with np.load(path) as file:
            found |= {f"{path.name}/{name}": file[name].tobytes() for name in file.files}
    assert len(found) > 2
    return found
