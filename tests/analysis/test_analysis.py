"""The analyses against values worked out by hand."""

import numpy as np
import pytest
import torch

from analysis.confusion import confusion
from analysis.half import half
from analysis.histogram import probability_histogram
from analysis.inverse import inverse
from analysis.overlap import overlap, remaining, sharing
from analysis.picture import picture
from core.errors import OptionError
from core.rng import stream
from masks.algebra import Masks


def masks(**bits):
    return Masks({name: torch.tensor([c == "1" for c in text]) for name, text in bits.items()})


A = masks(u="1100", v="11110000")
B = masks(u="0110", v="00110011")


def test_sharing():
    found = sharing({"a": A, "b": B})
    assert (found["kept/a/u"], found["kept/a/total"]) == (2, 6)
    assert (found["sharing/a/u"], found["sharing/a/v"], found["sharing/a/total"]) == (1 / 2, 2 / 4, 3 / 6)
    assert found["sharing_random/a/u"] == pytest.approx(2 / 4)
    assert found["sharing_random/a/total"] == pytest.approx((2 * 2 / 4 + 4 * 4 / 8) / 6)


def test_sharing_with_several_others_counts_their_union():
    c = masks(u="1000", v="00000000")
    assert sharing({"a": A, "b": B, "c": c})["sharing/a/u"] == 1.0
    alone = sharing({"a": A})
    assert alone["kept/a/total"] == A.count() and not any(key.startswith("sharing") for key in alone)
    assert sharing({}) == {}


def test_expected_sharing_is_that_of_drawn_masks():
    a = Masks({"w": torch.arange(4000) < 1000})
    b = Masks({"w": torch.arange(4000) < 400})
    drawn = [(a & b.random(stream(i, "control"))).count() / a.count() for i in range(200)]
    assert np.mean(drawn) == pytest.approx(sharing({"a": a, "b": b})["sharing_random/a/total"], rel=0.03)


def test_an_empty_mask_shares_nothing():
    empty = masks(u="0000", v="00000000")
    assert sharing({"a": empty, "b": B})["sharing/a/total"] == 0 and overlap(empty, empty)["iou/total"] == 0


def test_remaining_is_the_part_of_the_control():
    assert remaining(A, {"b": B})["remaining/b/total"] == 3 / 6


def test_overlap():
    found = overlap(A, masks(u="1000", v="00110011"))
    assert (found["iou/u"], found["iou/v"], found["iou/total"]) == (1 / 2, 2 / 6, 3 / 8)
    assert (found["iomin/u"], found["iomin/v"], found["iomin/total"]) == (1.0, 2 / 4, 3 / 5)
    assert found["iou_random/u"] == pytest.approx(0.5 / 2.5)


def test_inverse_in_its_three_ways():
    ways = {way: inverse(A, {"u"}, way, control=B) for way in ("none", "control", "ones")}
    assert all((found["v"] == ~A["v"]).all() for found in ways.values())
    assert (ways["none"]["u"] == ~A["u"]).all() and (ways["control"]["u"] == B["u"]).all() and ways["ones"]["u"].all()
    with pytest.raises(OptionError, match="inverse way 'control'"):
        inverse(A, {"u"}, "control")


@pytest.mark.parametrize(
    ("early", "middle", "masked"),
    [(True, False, {"a"}), (False, False, {"b", "c"}), (True, True, {"a", "b"}), (False, True, {"c"})],
)
def test_halves_complement_each_other(early, middle, masked):
    found = half(masks(a="0", b="0", c="0"), [["a"], ["b"], ["c"]], early, middle)
    assert {name for name in found if not found[name].any()} == masked


def test_confusion_counts_ambiguous_answers_in_both_rows():
    results = torch.tensor([[4, 4], [5, 6], [5, 6], [5, 6]])
    counts = confusion(torch.tensor([4, 6, 6, 9]), results, torch.tensor([0, 0, 1, 1]))
    assert counts.tolist() == [[1, 0], [2, 1], [0, 1]]


def test_histogram_counts_every_weight_once():
    edges, counts = probability_histogram({"a": torch.tensor([-9.0, 0.0, 9.0]), "b": torch.full((2, 2), 9.0)}, bins=10)
    assert counts.sum() == 7 and counts[0] == 1 and counts[9] == 5 and counts[5] == 1 and len(edges) == 11


def test_a_picture_of_a_mask_shows_where_it_is_dense():
    mask = torch.zeros(512, 2, 3, dtype=torch.bool)
    mask[:256] = True
    mask[256::4] = True  # of each pair of rows below, every second has one that is kept
    shown = picture(mask)
    assert shown.shape == (256, 6) and shown.dtype == np.uint8
    assert (shown[:128] == 255).all() and (shown[128::2] == 128).all() and (shown[129::2] == 0).all()
    assert np.array_equal(picture(torch.eye(3, dtype=torch.bool)), 255 * np.eye(3))
