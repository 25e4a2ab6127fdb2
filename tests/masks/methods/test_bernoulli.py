"""Bernoulli masks: the gradient goes straight through the draw, and through the sigmoid unless that is turned off."""

import math

import pytest
import torch

from core.rng import stream
from masks.methods.bernoulli import Bernoulli
from masks.model import MaskedModel
from models.feedforward import FeedForward


@pytest.mark.parametrize(("gradient", "slopes"), [
    ("sigmoid", {0.0: 0.25, 4.0: 0.017662706, -4.0: 0.017662706, math.log(3): 3 / 16}),
    ("identity", {0.0: 1.0, 4.0: 1.0, -4.0: 1.0, math.log(3): 1.0}),
])  # fmt: skip
def test_the_gradient_of_a_score(gradient, slopes):
    """dL/ds = W g p (1 - p), whatever was drawn; summed over the K draws."""
    scores = torch.tensor(list(slopes), dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([2.0, -1.0, 3.0, 0.5], dtype=torch.float64)
    upstream = torch.randn(5, 4, generator=stream(0, "g"), dtype=torch.float64)
    for seed in range(3):
        scores.grad = None
        (Bernoulli(gradient).masked_weight(weight, scores, 5, seed) * upstream).sum().backward()
        expected = weight * upstream.sum(0) * torch.tensor(list(slopes.values()), dtype=torch.float64)
        torch.testing.assert_close(scores.grad, expected, rtol=1e-7, atol=0)


def test_weights_are_kept_as_often_as_the_score_says():
    for score in (-2.0, 0.0, 1.0):
        kept = Bernoulli().sample(torch.full((200, 200), score), 1, 3).mean().item()
        assert kept == pytest.approx(1 / (1 + math.exp(-score)), abs=0.012)


def test_a_draw_of_a_subnet_is_a_function_of_the_seed_and_follows_the_scores():
    network = FeedForward(12, 5, (20, 16), rng=stream(0, "init"))
    names = [name for name, parameter in network.named_parameters() if parameter.dim() > 1]
    masked = MaskedModel(network, Bernoulli(), names)
    for tensor in masked.add_scores("a", 0.0, 1).values():
        tensor.data.fill_(-0.5)
    one, same, other = (masked.drawn("a", seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in names)
    assert any(not torch.equal(one[name], other[name]) for name in names)
    assert one.density() == pytest.approx(0.3775, abs=0.06) and masked.masks("a").count() == 0
