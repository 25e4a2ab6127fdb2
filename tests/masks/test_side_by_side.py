"""K tasks trained in one batched pass are the K tasks trained one after the other, bit for bit."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from core.rng import stream
from masks.masking import Select
from masks.methods.bernoulli import Bernoulli
from masks.methods.edge_popup import EdgePopup
from masks.methods.gumbel import Gumbel
from masks.methods.threshold import Threshold
from masks.model import MaskedModel, freeze
from models.random_nets import random_net

TASKS, ROWS, STEPS = ("a", "b", "c"), 16, 12


def train(method, together):
    network = freeze(random_net("fc", (1, 5, 5), 10, stream(0, "init"), hidden=(32, 24)))
    masked = MaskedModel(network, method, [name for name, _ in network.named_parameters()])
    for groups in [TASKS] if together else [(name,) for name in TASKS]:
        scores = []
        for name in groups:
            mine = masked.add_scores(name, 0.0, 0)
            with torch.no_grad():
                for parameter, tensor in mine.items():
                    tensor.uniform_(-0.1, 0.1, generator=stream(0, "scores", name, parameter))
            scores += mine.values()
        optimizer = torch.optim.RMSprop(scores, lr=1e-2)
        for step in range(STEPS):
            draws = [stream(0, "batch", name, step) for name in groups]
            x = torch.cat([torch.randn(ROWS, 1, 5, 5, generator=rng) for rng in draws])
            y = torch.cat([torch.randint(10, (ROWS,), generator=rng) for rng in draws])
            optimizer.zero_grad()
            logits = masked(x, Select(groups, seed=step))
            parts = zip(logits.split(ROWS), y.split(ROWS), strict=True)
            sum(cross_entropy(part, target) for part, target in parts).backward()
            optimizer.step()
    return {name: masked.scores(name) for name in TASKS}


@pytest.mark.parametrize("method", [Threshold(), EdgePopup(0.3), Gumbel(), Bernoulli()], ids=lambda m: type(m).__name__)
def test_side_by_side_is_one_after_the_other(method):
    together, alone = train(method, True), train(method, False)
    for name in TASKS:
        for parameter, tensor in together[name].items():
            assert torch.equal(tensor, alone[name][parameter]), (name, parameter)
    assert not torch.equal(together["a"]["1.weight"], together["b"]["1.weight"])
