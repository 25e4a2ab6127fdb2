"""How scores are trained where the network is trained apart from them: by mask.* alone, in every such task."""

import pytest
import torch

from core.fit import make_optimizer
from core.options import leaves
from core.trackers import Mirrors
from tasks.options import options_class, resolve
from tasks.registry import TASKS
from tasks.subnets import SubnetTask
from tests.active import active

# subtask induction chooses the optimiser of its masks (adamw by default), and has tests of its own
OF_MASKS = [task for task in TASKS if "mask.lr" in leaves(options_class(task)) and "induction" not in task]
OF_THE_NETWORK = {
    "train.beta2": 0.5,
    "train.eps": 0.25,
    "train.weight_decay": 0.5,
    "train.warmup": 7,
    "train.lr": 9.0,
    "train.schedule": "step",
    "train.decay_at": "1",
}


def stage_of_masks(task, folder, **more):
    """Return a stage that trains scores; it is asked neither for data nor for tensors."""
    known = leaves(options_class(task))
    small = {"data.name": "digits", "transfer.permutations": 1, "layer_sizes": "8", "state_size": 16}
    small |= OF_THE_NETWORK | more
    options = resolve(active({"task": task, "run.dir": str(folder)} | {k: v for k, v in small.items() if k in known}))
    made = TASKS[task](options, None, Mirrors((), None))
    return made.mask_stage("control") if isinstance(made, SubnetTask) else next(made.stages())


def test_they_are_the_tasks_of_differentiable_masks():
    assert {"tuple", "addmul_ff", "scan", "trafo_scan", "deepmind_math", "cifar10_class_removal", "permuted_mnist"} < {
        *OF_MASKS
    }


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("task", OF_MASKS)
def test_scores_are_trained_by_adam_as_torch_has_it(task, optimizer, tmp_path):
    stage = stage_of_masks(task, tmp_path, **{"mask.lr": 0.03, "mask.grad_clip": 2.0, "train.optimizer": optimizer})
    stage.parameters = lambda: {"scores": torch.zeros(3)}
    optimizer, theirs = make_optimizer(stage), torch.optim.Adam([torch.zeros(3)], 0.03)
    assert isinstance(optimizer, torch.optim.Adam)
    for name in ("lr", "betas", "eps", "weight_decay", "amsgrad"):
        assert optimizer.param_groups[0][name] == theirs.param_groups[0][name], name
    assert stage.optim.warmup == 0 and stage.optim.schedule == "constant" and stage.optim.grad_clip == 2.0


@pytest.mark.parametrize("task", OF_MASKS)
def test_scores_are_clipped_as_the_network_unless_they_have_their_own(task, tmp_path):
    more = {"train.grad_clip": 0.625, "train.eval_every": 17, "eval_every": 17}
    optim = stage_of_masks(task, tmp_path, **more, **{"mask.grad_clip": None, "mask.warmup": 5}).optim
    assert optim.grad_clip == (0.625 if "train.grad_clip" in leaves(options_class(task)) else None)
    assert optim.eval_every == 17 and optim.warmup == 5
