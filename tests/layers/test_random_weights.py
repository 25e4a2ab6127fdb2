"""Weights that are never trained have the deviation they are said to have, whatever part of them is kept."""

import math

import pytest
import torch

from core.errors import OptionError
from core.rng import stream
from layers.random_weights import draw_weight

SHAPE, FAN_IN, FAN_OUT = (96, 64, 3, 3), 576, 864
DEVIATION = {
    "kaiming_normal": math.sqrt(2 / FAN_IN), "kaiming_uniform": math.sqrt(2 / FAN_IN),
    "signed_constant": math.sqrt(2 / FAN_IN), "unsigned_constant": math.sqrt(2 / FAN_IN),
    "xavier_normal": math.sqrt(2 / (FAN_IN + FAN_OUT)), "xavier_constant": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "standard": math.sqrt(1 / (3 * FAN_IN)),
}  # fmt: skip


def draw(init, **options):
    return draw_weight(torch.empty(SHAPE), init, stream(0, "init"), **options)


@pytest.mark.parametrize("init", DEVIATION)
def test_size_and_sign(init):
    weight = draw(init)
    assert weight.square().mean().sqrt().item() == pytest.approx(DEVIATION[init], rel=0.01)
    assert (
        torch.equal(weight, draw(init))
        and not torch.equal(weight, draw_weight(torch.empty(SHAPE), init, stream(1, "init")))
        or init == "unsigned_constant"
    )
    if "constant" in init:
        assert weight.abs().unique().tolist() == pytest.approx([DEVIATION[init]])
    assert weight.mean().abs() < 0.01 * DEVIATION[init] or init == "unsigned_constant"


@pytest.mark.parametrize("keep", [0.05, 0.3, 1.0])
def test_what_is_kept_has_the_variance_of_the_whole(keep):
    """The right factor: a sum over the kept fraction varies as the sum over all did."""
    scaled = draw("kaiming_normal", keep=keep, scale="keep")
    mask = torch.rand(SHAPE, generator=stream(0, "mask")) < keep
    sums = (scaled * mask).flatten(1).square().sum(1).mean()
    assert sums.item() == pytest.approx(draw("kaiming_normal").flatten(1).square().sum(1).mean().item(), rel=0.12)


def test_the_published_factor_is_right_at_a_half_alone():
    ratio = {keep: (draw("signed_constant", keep=keep, scale="published") / draw("signed_constant")).mean().item()
             for keep in (0.3, 0.5)}  # fmt: skip
    assert ratio[0.5] == pytest.approx(math.sqrt(2)) and ratio[0.3] == pytest.approx(math.sqrt(1 / 0.7))
    assert torch.equal(draw("xavier_normal", keep=0.3, scale="published"), draw("xavier_normal"))
    assert not torch.equal(draw("xavier_normal", keep=0.3, scale="keep"), draw("xavier_normal"))


def test_mistakes():
    with pytest.raises(OptionError, match="init='signed_konstant' is not one of .*; did you mean 'signed_constant'"):
        draw("signed_konstant")
    with pytest.raises(OptionError, match="scale='kept' is not one of none, keep, published; did you mean 'keep'"):
        draw("standard", scale="kept")
    with pytest.raises(OptionError, match="scale=published with keep=1.0 divides by 0"):
        draw("signed_constant", keep=1.0, scale="published")
