"""Task inference: derivatives against autograd through the stack of masks, and tasks that are told apart."""

from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from analysis.task_inference import binary, derivatives, entropy, exhaustive, gradient, objective_of, one_shot
from core.errors import MaskError
from core.rng import stream
from data.image_sets import standardised_images
from masks.masking import Mix, Select
from masks.methods.threshold import Threshold
from masks.model import MaskedModel, freeze
from masks.packed_masks import PackedMasks
from models.random_nets import random_net
from tasks.image_options import ImageOptions

TASKS, OUTPUTS = 4, 100
NAMES = [f"t{t}" for t in range(TASKS)]


@pytest.fixture(scope="module")
def learned():
    """Four permutations of the pixels of digits, learned side by side in one frozen network with spare outputs."""
    x, y = standardised_images(ImageOptions("digits", hold_out=False))["train"]
    network = freeze(random_net("fc", (1, 8, 8), OUTPUTS, stream(0, "init"), hidden=(128, 128)))
    masked = MaskedModel(network, Threshold(), [name for name, _ in network.named_parameters()])
    orders = [torch.randperm(64, generator=stream(0, "task", t)) for t in range(TASKS)]
    scores = []
    for name in NAMES:
        mine = masked.add_scores(name, 0.0, 0)
        with torch.no_grad():
            for parameter, tensor in mine.items():
                tensor.uniform_(-0.1, 0.1, generator=stream(0, "scores", name, parameter))
        scores += mine.values()
    optimizer = torch.optim.RMSprop(scores, lr=1e-3)
    flat = x.flatten(1)
    for step in range(150):
        index = torch.randint(len(y), (TASKS, 32), generator=stream(0, "batch", step))
        images = torch.cat([flat[index[t]][:, order] for t, order in enumerate(orders)]).view(-1, 1, 8, 8)
        optimizer.zero_grad()
        logits = masked(images, Select(NAMES, seed=step))
        (TASKS * cross_entropy(logits, y[index.flatten()])).backward()
        optimizer.step()
    bits = PackedMasks(masked.shapes, TASKS)
    for name in NAMES:
        bits.add(masked.finalize(name))
    test, _ = standardised_images(ImageOptions("digits", hold_out=False))["test"]
    return masked, bits, [test.flatten(1)[:200][:, order].view(-1, 1, 8, 8) for order in orders]


@pytest.mark.parametrize("name", ["H", "G"])
@pytest.mark.parametrize("equal", [True, False])
def test_derivatives_are_those_of_autograd(learned, name, equal):
    masked, bits, inputs = learned
    objective = objective_of(name, 10)
    alphas = torch.full((TASKS,), 1 / TASKS) if equal else torch.tensor([0.5, 0.0, 0.3, 0.2])
    leaf = alphas.clone().requires_grad_()
    (expected,) = torch.autograd.grad(objective(masked(inputs[1], Mix(NAMES, leaf))), leaf)
    found = derivatives(masked, bits, inputs[1], objective, None if equal else alphas)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


STRATEGIES = {
    f"{strategy.__name__} {name}": partial(strategy, objective=objective_of(name, 10))
    for strategy in (one_shot, binary, gradient)
    for name in ("H", "G")
} | {"exhaustive": exhaustive}


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_tasks_are_told_apart(learned, strategy):
    masked, bits, inputs = learned
    for task, images in enumerate(inputs):
        answer = strategy(masked, bits, images)
        assert answer.task == task and answer.margin > 0
        assert sorted(answer.ranked.tolist()) == list(range(TASKS))
        assert (answer.scores.diff() >= 0).all()


def test_one_image_is_enough_most_of_the_time(learned):
    masked, bits, inputs = learned
    right = [one_shot(masked, bits, images[i : i + 1], entropy).task == task
             for task, images in enumerate(inputs) for i in range(25)]  # fmt: skip
    assert sum(right) / len(right) > 0.9


def test_no_task_no_answer(learned):
    masked, _, inputs = learned
    for strategy in STRATEGIES.values():
        with pytest.raises(MaskError, match="no task has been learned, so none can be inferred"):
            strategy(masked, PackedMasks(masked.shapes), inputs[0])
