"""Packed masks are the masks, and sums over them are the sums over what they keep."""

import pytest
import torch

from core.errors import MaskError
from core.rng import stream
from masks.algebra import Masks
from masks.packed_masks import BLOCK, PackedMasks

SHAPES = {"a": (5, 7), "b": (3, 2, 3, 3), "c": (4,)}


def draw(t):
    rng = stream(t, "masks")
    return Masks({name: torch.rand(shape, generator=rng) < 0.3 for name, shape in SHAPES.items()})


@pytest.fixture(scope="module")
def many():
    bits = PackedMasks(SHAPES, room=3)
    masks = [draw(t) for t in range(BLOCK + 5)]
    assert [bits.add(one) for one in masks] == list(range(BLOCK + 5))
    return bits, masks


def test_round_trip(many):
    bits, masks = many
    for t in (0, 2, 3, BLOCK + 4):
        found = bits.masks(t)
        assert found.keys() == masks[t].keys() and all(torch.equal(found[n], masks[t][n]) for n in SHAPES)
    assert len(bits) == BLOCK + 5 and bits.bits.shape == (12, BLOCK + 5), "93 weights"


def test_inner_products_and_mixtures(many):
    bits, masks = many
    values = {name: torch.randn(shape, generator=stream(0, name)) for name, shape in SHAPES.items()}
    expected = [sum((values[n] * one[n]).sum().item() for n in SHAPES) for one in masks]
    torch.testing.assert_close(bits.inner(values), torch.tensor(expected), rtol=1e-4, atol=1e-5)
    alphas = torch.rand(len(bits), generator=stream(0, "alphas")) * (torch.arange(len(bits)) % 3 == 0)
    mixed, mean = bits.mix(alphas), bits.mean()
    for name in SHAPES:
        stack = torch.stack([one[name] for one in masks]).float()
        torch.testing.assert_close(mixed[name], torch.einsum("t...,t->...", stack, alphas))
        torch.testing.assert_close(mean[name], stack.mean(0))


def test_an_eighth_of_a_byte_per_weight():
    shapes = {"w": (300, 784), "v": (100, 300)}
    bits = PackedMasks(shapes, room=40)
    for t in range(40):
        bits.add(Masks({n: torch.rand(shape, generator=stream(t, n)) < 0.5 for n, shape in shapes.items()}))
    assert 4 * 40 * (300 * 784 + 100 * 300) / bits.nbytes() > 31.9


def test_mistakes(many):
    bits, _ = many
    with pytest.raises(MaskError, match=f"there is no mask {BLOCK + 5}; there are {BLOCK + 5}, from 0"):
        bits.masks(BLOCK + 5)
    with pytest.raises(MaskError, match="these masks lack 'b'"):
        bits.add(Masks({"a": torch.ones(5, 7, dtype=torch.bool)}))
    with pytest.raises(MaskError, match="there is no mask"):
        PackedMasks(SHAPES).mean()


def test_replacing():
    bits = PackedMasks(SHAPES)
    for t in range(3):
        bits.add(draw(t))
    bits.replace(1, draw(9))
    expected = PackedMasks(SHAPES)
    for t in (0, 9, 2):
        expected.add(draw(t))
    assert torch.equal(bits.bits, expected.bits)
    assert all(torch.equal(mean, expected.mean()[name]) for name, mean in bits.mean().items())
    with pytest.raises(MaskError, match="there is no mask 3; there are 3, from 0"):
        bits.replace(3, draw(0))
