"""Edge-popup keeps exactly as many as it says, in any layout of memory, and every score gets its gradient."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import OptionError
from core.rng import stream
from masks.masking import Hard, Sample, Select
from masks.methods.edge_popup import EdgePopup
from masks.model import MaskedModel
from masks.topk import kept, largest
from models.feedforward import FeedForward


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(0, 45))
def test_the_largest_are_those_of_a_stable_sort(values, count):
    """The originals zero the first n - count of a stable ascending sort."""
    tensor = torch.tensor(values, dtype=torch.float32)
    expected = torch.ones(len(values), dtype=torch.bool)
    expected[tensor.argsort(stable=True)[: max(0, len(values) - count)]] = False
    assert torch.equal(largest(tensor, count), expected)


def test_the_layout_in_memory_plays_no_part():
    values = torch.randn(4, 6, 3, 3, generator=stream(0, "v"))
    expected = largest(values, 50)
    for other in (values.to(memory_format=torch.channels_last), values.transpose(0, 3).contiguous().transpose(0, 3)):
        assert not other.is_contiguous()
        found = largest(other, 50)
        assert torch.equal(found, expected) and found.dtype == torch.bool and found.sum() == 50


@pytest.mark.parametrize("keep", [0.05, 0.1, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("constant", [False, True])
def test_exactly_as_many_as_asked_for(keep, constant):
    scores = torch.ones(30, 40) if constant else torch.randn(30, 40, generator=stream(0, "s"))
    assert EdgePopup(keep).hard(scores).sum() == EdgePopup(keep).sample(scores, 1, 0).sum() == round(keep * 1200)
    assert kept(0.9, 10) == 9, "int((1 - 0.9) * 10) is 0, and the originals keep 10"


@pytest.mark.parametrize("rank", ["abs", "signed"])
def test_gradients_reach_scores_that_are_off(rank):
    """dL/dS = G * W, times sign(S) where scores are ranked by size."""
    weight, upstream = (torch.randn(8, 9, generator=stream(0, name)) for name in ("w", "g"))
    scores = torch.randn(8, 9, generator=stream(0, "s"), requires_grad=True)
    method = EdgePopup(0.3, rank)
    (method.masked_weight(weight, scores, 1, 0)[0] * upstream).sum().backward()
    sign = scores.detach().sign() if rank == "abs" else 1
    torch.testing.assert_close(scores.grad, sign * upstream * weight)
    ranked = scores.detach().abs() if rank == "abs" else scores.detach()
    assert ranked[method.hard(scores)].min() >= ranked[~method.hard(scores)].max()


def test_first_scores_are_those_of_a_convolution():
    scores = EdgePopup().init(torch.empty(64, 32, 3, 3), 0.0, stream(0, "mask"))
    bound = 1 / math.sqrt(32 * 9)
    assert 0.99 * bound < scores.abs().max() <= bound and scores.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_an_erdos_renyi_budget_gives_small_tensors_more():
    method = EdgePopup(er_scale=4)
    for shape, expected in (((64, 32, 3, 3), 4 * 96), ((100, 300), 4 * 400), ((10, 20), 100)):
        assert method.hard(torch.rand(shape, generator=stream(0, "s"))).sum() == expected, "at most a half"


def model():
    network = FeedForward(12, 5, (20, 16), rng=stream(0, "init"))
    names = [name for name, parameter in network.named_parameters() if parameter.dim() > 1]
    return MaskedModel(network, EdgePopup(0.25, scope="network"), names)


def test_a_network_wide_budget_is_one_ranking_of_all_scores():
    masked = model()
    scores = masked.add_scores("a", 0.0, 1)
    masks = masked.masks("a")
    size = sum(tensor.numel() for tensor in scores.values())
    assert masks.count() == round(0.25 * size)
    every = torch.cat([tensor.detach().abs().flatten() for tensor in scores.values()])
    least = every.sort(descending=True).values[masks.count() - 1]
    assert all(torch.equal(masks[name], tensor.abs() >= least) for name, tensor in scores.items())
    densities = {round(mask.float().mean().item(), 2) for mask in masks.values()}
    assert len(densities) > 1, "tensors differ"
    x = torch.randn(6, 12, generator=stream(0, "x"))
    torch.testing.assert_close(masked(x, Sample("a", 2, 0)), masked(x, Hard("a")))


def test_tasks_side_by_side_are_the_tasks_alone():
    masked = model()
    for name in ("a", "b"):
        masked.add_scores(name, 0.0, ord(name))
    x = torch.randn(6, 12, generator=stream(0, "x"))
    together = masked(x, Select(["a", "b"], seed=0))
    torch.testing.assert_close(together, torch.cat([masked(x[:3], Hard("a")), masked(x[3:], Hard("b"))]))


def test_contradictions():
    with pytest.raises(OptionError, match="mask.er_scale=4 is a budget of single tensors"):
        EdgePopup(scope="network", er_scale=4)
