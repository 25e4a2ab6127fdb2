"""Set algebra of masks, on any shapes; random masks of the same size; packed bits on disk."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import MaskError
from core.rng import stream
from masks.algebra import Masks
from masks.packed_masks import PackedMasks

shapes = st.lists(st.lists(st.integers(1, 5), min_size=0, max_size=3).map(tuple), min_size=1, max_size=4)


@st.composite
def pairs(draw):
    made = draw(shapes)
    seed = draw(st.integers(0, 1000))
    rng = torch.Generator().manual_seed(seed)
    density = draw(st.sampled_from([0.0, 0.3, 1.0]))
    return [
        Masks({f"layers.{i}": torch.rand(shape, generator=rng) < density for i, shape in enumerate(made)})
        for _ in range(2)
    ]


def same(a, b):
    return list(a) == list(b) and all(torch.equal(a[n], b[n]) for n in a)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_boolean_algebra(ab):
    a, b = ab
    assert same(~(a & b), ~a | ~b) and same(~~a, a) and same(a - b, a & ~b)
    assert (a | b).count() + (a & b).count() == a.count() + b.count()
    assert a.count() + (~a).count() == a.size()
    assert a.density() == pytest.approx(a.count() / a.size())


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_overlaps_lie_between_zero_and_one_and_know_containment(ab):
    a, b = ab
    assert 0 <= a.iou(b) <= a.io_min(b) <= 1 and a.iou(b) == b.iou(a)
    if a.count():
        assert a.iou(a) == a.io_min(a | b) == 1 and a.iou(~a) == 0


@settings(max_examples=40, deadline=None)
@given(pairs(), st.integers(0, 100))
def test_random_masks_have_the_same_size_in_every_tensor(ab, seed):
    a = ab[0]
    random = a.random(stream(seed, "control"))
    assert {n: int(m.sum()) for n, m in random.items()} == {n: int(m.sum()) for n, m in a.items()}
    assert {n: m.shape for n, m in random.items()} == {n: m.shape for n, m in a.items()}
    assert same(random, a.random(stream(seed, "control")))


def test_random_masks_overlap_as_much_as_chance():
    a = Masks({"w": torch.arange(100_000) < 20_000})
    assert a.io_min(a.random(stream(0, "control"))) == pytest.approx(0.2, abs=4 * (0.16 / 20_000) ** 0.5)


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_packed_bits_come_back(tmp_path_factory, ab):
    path = tmp_path_factory.mktemp("m") / "add.npz"
    ab[0].save(path)
    assert same(Masks.load(path), ab[0])


def test_a_mask_file_takes_a_bit_per_weight(tmp_path):
    mask = Masks({"w": torch.rand(1000, 1000, generator=stream(0, "x")) < 0.5})
    mask.save(tmp_path / "m.npz")
    assert (tmp_path / "m.npz").stat().st_size < 1_000_000 / 8 * 1.02
    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        assert file["w"].dtype == np.uint8 and file["w|shape"].tolist() == [1000, 1000]


def test_masks_do_not_change():
    with pytest.raises(TypeError):
        Masks({"w": torch.ones(2, dtype=torch.bool)})["w"] = torch.zeros(2, dtype=torch.bool)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda a, d: Masks({"w": torch.ones(2)}), "mask 'w' is torch.float32; masks are torch.bool"),
        (lambda a, d: a["layers.0.wieght"], "no mask for 'layers.0.wieght'; there are: layers.0.weight; did you"),
        (lambda a, d: a & Masks({"other": a["layers.0.weight"]}), "these masks lack 'layers.0.weight'"),
        (lambda a, d: a.check_fits({"layers.0.weight": torch.Size([2, 3])}), "mask 'layers.0.weight' has shape (2, 2)"),
        (lambda a, d: a.check_fits({}), "these masks have an extra 'layers.0.weight'"),
        (lambda a, d: Masks.load(d / "ad.npz"), "no mask file"),
        (lambda a, d: Masks.load(d / "bad.npz"), "is not a mask file"),
    ],
)
def test_errors(act, text, tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(MaskError) as error:
        act(Masks({"layers.0.weight": torch.ones(2, 2, dtype=torch.bool)}), tmp_path)
    assert text in str(error.value) and "\n" not in str(error.value)


def test_signed_masks(tmp_path):
    rng = torch.Generator().manual_seed(0)
    signed = Masks({"a": torch.randint(-1, 2, (7, 5), generator=rng).to(torch.int8)})
    plain = Masks({"a": signed["a"] != 0})
    assert signed.count() == plain.count() and signed.density() == plain.density()
    for result, expected in ((signed & plain, plain), (~signed, ~plain), (signed - plain, plain - plain)):
        assert result["a"].dtype == torch.bool and torch.equal(result["a"], expected["a"])
    signed.save(tmp_path / "masks.npz")
    again = Masks.load(tmp_path / "masks.npz")
    assert torch.equal(again["a"], signed["a"]) and again["a"].dtype == torch.int8
    random = signed.random(torch.Generator().manual_seed(1))["a"]
    assert torch.equal(random.flatten().sort().values, signed["a"].flatten().sort().values)
    assert not torch.equal(random, signed["a"])
    with pytest.raises(MaskError, match="masks with signs do not fit into a bit"):
        PackedMasks({"a": (7, 5)}).add(signed)


def test_a_name_without_a_mask_is_not_in_them():
    masks = Masks({"a": torch.ones(2, dtype=torch.bool)})
    assert "a" in masks and "b" not in masks and masks.get("a") is masks["a"]
