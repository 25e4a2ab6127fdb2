"""Drawn images with two cues: balanced, reproducible one by one, segmented exactly, with twins that have no texture."""

import math

import pytest
import torch

from core.errors import OptionError
from data.shape_texture import SHAPES, SIDE, TEXTURES, pictures

TOTAL = {"ambiguous": 6, "conflict": 30, "decorrelated": 36}


def counts(found):
    return torch.bincount(found.shape * 6 + found.texture, minlength=36).view(6, 6)


@pytest.mark.parametrize("cues", TOTAL)
def test_cues_are_balanced(cues):
    """In the ambiguous set they are the same; in conflict, all pairs of different ones occur alike."""
    table = counts(pictures(cues, 3 * TOTAL[cues], 0, "test"))
    same = torch.eye(6, dtype=torch.int64)
    assert torch.equal(table, 3 * {"ambiguous": same, "conflict": 1 - same, "decorrelated": same * 0 + 1}[cues])


def test_an_image_is_a_function_of_seed_purpose_and_place():
    few, many = pictures("conflict", 5, 1, "test"), pictures("conflict", 600, 1, "test")
    for name in ("x", "pooled", "inside", "shape", "texture"):
        assert torch.equal(getattr(few, name), getattr(many, name)[:5]), "more than are drawn at once"
    for seed, purpose, cues in ((2, "test", "conflict"), (1, "transfer", "conflict"), (1, "test", "decorrelated")):
        other = pictures(cues, 5, seed, purpose)
        assert not any(torch.equal(a, b) for a, b in zip(few.inside, other.inside, strict=True))
    x = many.x.flatten(1)
    assert len(x.unique(dim=0)) == 600 and x.isfinite().all() and x.dtype == torch.float32
    before = torch.get_rng_state()
    pictures("ambiguous", 2, 0, "test")
    assert torch.equal(before, torch.get_rng_state())


def test_pooled_is_the_mean_of_each_part():
    found = pictures("decorrelated", 72, 0, "test", noise=0)
    for image, pooled, inside in zip(found.x, found.pooled, found.inside, strict=True):
        for part in (inside, ~inside):
            mean = image[:, part].mean(1, keepdim=True)
            torch.testing.assert_close(pooled[:, part], mean.expand(-1, int(part.sum())), rtol=0, atol=1e-5)
    noisy = pictures("decorrelated", 72, 0, "test")
    assert torch.equal(noisy.inside, found.inside), "noise moves nothing"
    added = [(getattr(noisy, name) - getattr(found, name)) / 3 for name in ("x", "pooled")]
    assert all(float(part.std()) == pytest.approx(0.08, rel=0.02) for part in added)
    assert float((added[0] * added[1]).mean().abs()) < 0.08**2 * 0.05, "of each its own"


def area(shape):
    """The exact area for a radius of 1; the cross is two bars less their square, the triangle equilateral."""
    return {
        "disc": math.pi * 0.85**2, "square": 1.5**2, "triangle": 3 * math.sqrt(3) * 0.55**2,
        "cross": 2 * 1.9 * 0.64 - 0.64**2, "ring": math.pi * (0.95**2 - 0.49**2), "bar": 2 * 0.72,
    }[shape]  # fmt: skip


def test_the_segmentation_has_the_area_of_the_shape():
    """Radii are 0.65 to 0.85 of half the side, evenly: their mean square is known, and nothing is cut off."""
    found = pictures("decorrelated", 36 * 20, 0, "test")
    square = (0.75**2 + 0.2**2 / 12) * (SIDE / 2) ** 2
    for number, name in enumerate(SHAPES):
        inside = found.inside[found.shape == number].double()
        assert float(inside.sum((1, 2)).mean()) == pytest.approx(area(name) * square, rel=0.04), name
    assert found.inside[:, 16, 16][found.shape != SHAPES.index("ring")].double().mean() > 0.9
    assert not found.inside[:, 0, 0].any()


def test_the_segmentation_is_where_the_object_is_seen():
    """Without texture and noise an image has two colours but for the soft edge."""
    found = pictures("decorrelated", 36, 0, "test", contrast=(0, 0), noise=0)
    difference = (found.x - found.pooled).abs().amax(1)
    for part in (found.inside, ~found.inside):
        share = ((difference > 0.3) & part).sum((1, 2)) / part.sum((1, 2))
        assert share.max() < 0.35, "only along the edge"
    assert difference.median() < 0.1
    between = (found.x[:, :, SIDE // 2, SIDE // 2] - found.x[:, :, 0, 0]).norm(dim=1)[found.shape == 0] / 3
    assert 0.44 < between.min() and between.max() < 0.66, "colours of object and background"


def test_textures():
    """The amplitude of each, and the direction in which it does not change."""
    found, flat = (pictures("decorrelated", 360, 0, "test", contrast=c, noise=0) for c in ((0.3, 0.3), (0, 0)))
    wave = (found.x - flat.x) / 3
    assert wave[~found.inside[:, None].expand_as(wave)].abs().max() < 0.22, "half of it on the edge"
    size = wave.norm(dim=1)
    assert float(size.max()) == pytest.approx(0.3 * math.sqrt(3) * 0.8, rel=1e-3)
    directions = ("horizontal", "vertical"), ("falling", "rising")
    for name in (*directions[0], *directions[1]):
        chosen = (found.texture == TEXTURES.index(name)) & (found.shape == SHAPES.index("square"))
        part = wave[chosen][:, :, 12:20, 12:20]  # inside of every square
        if name in directions[0]:
            changes = part.diff(dim=3), part.diff(dim=2)
        else:
            changes = part[:, :, 1:, :-1] - part[:, :, :-1, 1:], part[:, :, 1:, 1:] - part[:, :, :-1, :-1]
        along, across = changes if name in ("horizontal", "rising") else changes[::-1]
        assert along.abs().max() < 1e-3 < 0.1 < across.abs().max(), name


def test_a_twin_has_no_texture():
    found = pictures("decorrelated", 144, 0, "test", noise=0)
    spread = [
        torch.stack([image[:, inside].std(1).max() for image, inside in zip(images, found.inside, strict=True)])
        for images in (found.pooled, found.x)
    ]
    assert spread[0].max() < 1e-4 and spread[1].min() > 0.1


def test_partly_pooled():
    found = pictures("decorrelated", 36, 0, "test")
    x, textured = found.partly_pooled(0.25)
    assert textured.tolist() == [False] * 9 + [True] * 27
    assert torch.equal(x, torch.cat([found.pooled[:9], found.x[9:]]))
    assert len(found) == 36


def test_other_cues_are_refused():
    with pytest.raises(OptionError, match="^cues='conflicts' is not one of ambiguous, .*; did you mean 'conflict'?"):
        pictures("conflicts", 3, 0, "test")
