"""Every task's tiny setting on a GPU beside the CPU, and killed and resumed there. `make gpu` runs this."""

import signal

import numpy as np
import pytest
import torch

import main
from core import exit_codes as code
from core.store import Run
from masks.algebra import Masks
from tests.tasks import killing
from tests.tasks.test_contract import result
from tests.tasks.tiny import TINY, line
from tests.tiny_data import tiny_math, tiny_scan

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device on this machine")
SAME_MASK = 0.99  # fraction of entries; a score next to its threshold may fall to the other side


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    archive = tiny_math(folder / "math.tar.gz")
    with pytest.MonkeyPatch.context() as patch:
        tiny_scan(folder, patch)
        yield {"run.cache": folder}, {"dm_math.archive": archive}


def run_of(task, data, folder, device):
    cache, archive = data
    more = cache | (archive if task == "deepmind_math" else {})
    assert main.main(line({"task": task, **TINY[task], **more, "run.dir": folder, "run.device": device})) == code.DONE
    (run,) = Run.query(folder)
    return run


@pytest.mark.parametrize("task", TINY)
def test_a_gpu_gives_the_cpu_s_masks_and_losses(task, data, tmp_path):
    cpu, gpu = (run_of(task, data, tmp_path / device, device) for device in ("cpu", "cuda"))
    assert cpu.summary.keys() == gpu.summary.keys()
    losses = [(cpu.summary[key], gpu.summary[key]) for key in cpu.summary if key.endswith("/loss")]
    assert all(a == pytest.approx(b, rel=0.02, abs=0.02) for a, b in losses), task
    for path in cpu.path("masks").glob("*.npz"):
        a, b = Masks.load(path), Masks.load(gpu.path("masks", path.name))
        equal = [np.mean((a[name] == b[name]).numpy()) for name in a]
        assert min(equal) >= SAME_MASK, (task, path.name, equal)


@pytest.mark.parametrize("task", ["tuple_ff", "edge_popup", "supsup", "cnn_elcn", "permuted_mnist"])
def test_killed_and_resumed_on_a_gpu_it_ends_with_the_same_bits(task, data, tmp_path):
    whole = result(run_of(task, data, tmp_path / "whole", "cuda"))
    arguments = line({"task": task, **TINY[task], "run.dir": tmp_path / "killed", "run.device": "cuda"})
    assert killing.run(arguments, "step", 6) == -signal.SIGKILL
    assert killing.run(arguments) == code.DONE
    (run,) = Run.query(tmp_path / "killed")
    assert result(run) == whole
