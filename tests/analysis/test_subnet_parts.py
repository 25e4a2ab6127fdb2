"""Counting what two subnets use: sums, parts of real networks' names, chance."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.subnet_parts import part_of, parts
from core.errors import MaskError
from masks.algebra import Masks

NAMES = ("blocks.0.attention.in_proj_weight", "blocks.0.attention.out_proj.weight", "blocks.1.linear1.weight", "head")


def masks(seed, signed=False):
    rng = torch.Generator().manual_seed(seed)
    drawn = {name: torch.randint(-1 if signed else 0, 2, (3, 4 + i), generator=rng) for i, name in enumerate(NAMES)}
    return Masks({name: m.to(torch.int8) if signed else m.bool() for name, m in drawn.items()})


@given(st.integers(0, 99), st.booleans(), st.sampled_from(["tensor", "layer", "block", "network"]))
def test_every_weight_is_counted_once_however_the_network_is_cut(seed, signed, by):
    first, second = masks(seed, signed), masks(seed + 100)
    found = parts(first, second, by)
    assert sum(p.weights for p in found) == first.size() and all(p.unused >= 0 for p in found)
    assert sum(p.shared + p.first for p in found) == first.count()
    assert sum(p.shared + p.second for p in found) == second.count()
    assert sum(p.unused for p in found) == (~(first | second)).count()
    swapped = parts(second, first, by)
    assert [(p.name, p.first, p.second, p.shared) for p in found] == [
        (p.name, p.second, p.first, p.shared) for p in swapped
    ]
    assert [p.chance for p in found] == pytest.approx([p.chance for p in swapped])
    alone = parts(first, None, by)
    assert sum(p.first for p in alone) == first.count() and not any(p.shared or p.second or p.chance for p in alone)


def test_chance_is_the_mean_over_random_masks():
    first, second = masks(0), masks(1)
    drawn = [first.random(torch.Generator().manual_seed(i)) & second for i in range(400)]
    expected = sum(m.count() for m in drawn) / len(drawn)
    assert parts(first, second, "network")[0].chance == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    "tensor, layer, block",
    [
        ("blocks.0.attention.in_proj_weight", "blocks.0.attention", "blocks.0"),
        ("layer1.0.downsample.1.weight", "layer1.0.downsample.1", "layer1.0"),
        ("encoder.layers.encoder_layer_3.mlp.0.weight", "encoder.layers.encoder_layer_3.mlp.0",
         "encoder.layers.encoder_layer_3"),
        ("lstm.weight_hh_l1_reverse", "lstm.l1", "lstm.l1"),
        ("lstm.bias_ih_l0", "lstm.l0", "lstm.l0"),
        ("conv1.weight", "conv1", "conv1"),
        ("weight", "weight", "weight"),
    ],
)  # fmt: skip
def test_parts_of_real_networks(tensor, layer, block):
    assert [part_of(tensor, by) for by in ("tensor", "layer", "block", "network")] == [tensor, layer, block, "network"]


def test_masks_of_different_networks_are_refused():
    with pytest.raises(MaskError, match="lack 'head'|have an extra 'head'"):
        parts(masks(0), masks(1).only(set(NAMES[:3])), "layer")
    with pytest.raises(MaskError, match="no tensors"):
        parts(Masks({}), None, "layer")
