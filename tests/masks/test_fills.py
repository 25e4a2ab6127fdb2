"""What stands in for weights that are taken away, and random masks that keep exactly as many as they say."""

import pytest
import torch

from core.errors import MaskError
from core.rng import stream
from masks.algebra import Masks
from masks.fills import fresh, means, others, resampled
from masks.masking import Given
from masks.model import MaskedModel
from masks.options import METHODS
from models.feedforward import FeedForward


@pytest.fixture
def masked():
    model = FeedForward(40, 30, (50,), rng=stream(0, "init"))
    return MaskedModel(model, METHODS["threshold"](), [name for name, _ in model.named_parameters()])


@pytest.fixture
def masks(masked):
    return Masks({n: torch.rand(s, generator=stream(1, n)) < 0.3 for n, s in masked.shapes.items()})


def test_what_is_kept_is_the_networks_and_the_rest_is_the_fill(masked, masks):
    donor = FeedForward(40, 30, (50,), rng=stream(9, "init")).state_dict()
    fills = {"mean": means(masked.weights), "fresh": fresh(masked.weights, 3), "other": others(masked.weights, donor)}
    for way in (masks, ~masks):
        for fill in fills.values():
            for name, weight in Given(way, fill).weights(masked).items():
                kept = way[name]
                assert torch.equal(weight[kept], masked.weights[name][kept])
                assert torch.equal(weight[~kept], fill[name].expand(kept.shape)[~kept])
    assert {n: t.item() for n, t in fills["mean"].items()} == {n: w.mean().item() for n, w in masked.weights.items()}
    x = torch.randn(4, 40, generator=stream(0, "x"))
    answers = [masked(x, Given(masks, fill)) for fill in (None, *fills.values())]
    assert all(not torch.allclose(a, b) for i, a in enumerate(answers) for b in answers[:i])
    empty = Given(masks & ~masks, fills["other"])
    torch.testing.assert_close(masked(x, empty), torch.func.functional_call(masked.model, donor, (x,)))


def test_a_fill_turns_no_weight_round_and_signed_masks_do(masked):
    masks = Masks({n: torch.randint(-1, 2, s, generator=stream(1, n)).to(torch.int8) for n, s in masked.shapes.items()})
    for name, weight in Given(masks, means(masked.weights)).weights(masked).items():
        own, mask = masked.weights[name], masks[name]
        assert torch.equal(weight, torch.where(mask == 0, own.mean(), own * mask))


def test_fresh_weights_have_the_spread_of_their_tensor_and_a_stream_of_their_own(masked):
    drawn, again = fresh(masked.weights, 3, "a"), fresh(dict(reversed(masked.weights.items())), 3, "a")
    for name in masked.weights:
        assert torch.equal(drawn[name], again[name])
        assert not torch.equal(drawn[name], fresh(masked.weights, 4, "a")[name])
        assert not torch.equal(drawn[name], fresh(masked.weights, 3, "b")[name])
    name = "layers.0.weight"
    assert drawn[name].std() == pytest.approx(masked.weights[name].std().item(), rel=0.06)
    constant = fresh({"w": torch.full((5,), 3.0)}, 0)
    assert torch.equal(constant["w"], torch.full((5,), 3.0))


def test_mistakes(masked, masks):
    other = FeedForward(41, 30, (50,), rng=stream(9, "init")).state_dict()
    with pytest.raises(MaskError, match=r"'layers.0.weight' has shape \[50, 41\] in the other network and \[50, 40\]"):
        others(masked.weights, other)
    with pytest.raises(MaskError, match="the other network has no 'layers.0.weight'; did you mean 'layers.0.weigth'"):
        others(masked.weights, {"layers.0.weigth": torch.ones(1)})
    with pytest.raises(MaskError, match="there is nothing to fill 'layers.0.bias' with"):
        Given(masks, {"layers.0.weight": torch.zeros(())}).weights(masked)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.3, 0.5])
@pytest.mark.parametrize("signed", [False, True])
def test_random_masks_keep_exactly_as_many_of_every_tensor_as_the_mask(density, signed):
    """Anywhere, or in the complement alone; half of all weights just fits."""
    shapes = {"a": (30, 20), "b": (7,), "c": (4, 2, 3, 3)}
    made = {}
    for name, shape in shapes.items():
        size = torch.Size(shape).numel()
        flat = torch.zeros(size, dtype=torch.int8)
        flat[torch.randperm(size, generator=stream(0, name))[: int(density * size)]] = 1
        turned = 1 - 2 * (torch.arange(size) % 2)
        made[name] = (flat * turned if signed else flat).view(shape).to(torch.int8 if signed else torch.bool)
    masks = Masks(made)
    anywhere, beside = masks.random(stream(5, "control")), masks.random(stream(5, "control"), avoid=masks)
    for name, mask in masks.items():
        for control in (anywhere[name], beside[name]):
            assert control.dtype == mask.dtype and control.shape == mask.shape
            assert sorted(control.flatten().tolist()) == sorted(mask.flatten().tolist())
        assert not (beside[name].bool() & mask.bool()).any()
    if density == 0.5:
        assert (beside["a"].bool() ^ masks["a"].bool()).all()
    if density == 0.3:
        assert not torch.equal(anywhere["a"], masks["a"])
        other = masks.random(stream(6, "control"), avoid=masks)
        assert not torch.equal(other["a"], beside["a"])


def test_a_complement_is_drawn_from_evenly():
    """Each weight outside is as likely as any other: the mean over draws is flat."""
    mask = torch.arange(100) < 20
    draws = torch.stack([Masks({"w": mask}).random(stream(i, "c"), avoid=Masks({"w": mask}))["w"] for i in range(800)])
    rate = draws.double().mean(0)
    assert not rate[:20].any() and (rate[20:] - 0.25).abs().max() < 4.5 * (0.25 * 0.75 / 800) ** 0.5


def test_a_control_is_never_clipped():
    masks = Masks({"fits": torch.arange(10) < 5, "w": torch.arange(64).view(8, 8) < 40})
    with pytest.raises(MaskError) as error:
        masks.random(stream(0, "c"), avoid=masks)
    assert str(error.value) == (
        "a control larger than its complement: mask 'w' keeps 40 of 64, and 24 are left to draw from"
    )
    assert masks.random(stream(0, "c")).count() == 45
    with pytest.raises(MaskError, match="these masks lack 'w'"):
        masks.random(stream(0, "c"), avoid=masks.only({"fits"}))


def test_resampled_weights_are_those_of_the_tensor_in_no_order(masked):
    drawn, again = resampled(masked.weights, 3, "a"), resampled(dict(reversed(masked.weights.items())), 3, "a")
    for name, weight in masked.weights.items():
        assert torch.isin(drawn[name], weight).all() and drawn[name].shape == weight.shape
        assert torch.equal(drawn[name], again[name])
        assert not torch.equal(drawn[name], resampled(masked.weights, 4, "a")[name])
    name = "layers.0.weight"
    assert len(drawn[name].unique()) / drawn[name].numel() == pytest.approx(
        1 - 1 / 2.71828, abs=0.03
    )  # with replacement
    assert torch.corrcoef(torch.stack([drawn[name].flatten(), masked.weights[name].flatten()]))[0, 1].abs() < 0.1
