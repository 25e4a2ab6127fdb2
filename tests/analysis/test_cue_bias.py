"""Answers by shape and by texture, counted by hand."""

import pytest
import torch

from analysis.cue_bias import accuracies, cue_bias

SHAPE = torch.tensor([0, 0, 0, 1, 1, 2, 2])
TEXTURE = torch.tensor([1, 2, 1, 0, 2, 1, 2])  # the last says nothing: both are 2
NAMES, TEXTURES = ("disc", "ring", "bar"), ("dots", "lines", "checker")


def test_rates_and_bias():
    answers = torch.tensor([0, 2, 2, 1, 2, 0, 2])  # by shape, texture, neither, shape, texture, neither
    found = cue_bias(answers, SHAPE, TEXTURE, NAMES, TEXTURES)
    assert found == {
        "shape_rate": 2 / 6, "shape_rate/disc": 1 / 3, "shape_rate/ring": 1 / 2, "shape_rate/bar": 0.0,
        "texture_rate": 2 / 6, "texture_rate/dots": 0.0, "texture_rate/lines": 0.0, "texture_rate/checker": 1.0,
        "shape_bias": 0.5, "shape_bias/disc": 0.5, "shape_bias/ring": 0.5, "shape_bias/bar": None,
    }  # fmt: skip


def test_answers_by_one_cue_alone():
    for cue, bias in ((SHAPE, 1.0), (TEXTURE, 0.0)):
        found = cue_bias(cue, SHAPE, TEXTURE, NAMES, TEXTURES)
        assert {found["shape_rate"], found["shape_bias"], found["shape_bias/bar"]} == {bias}
        assert found["texture_rate"] == 1 - bias
    assert cue_bias(torch.full((7,), 9), SHAPE, TEXTURE, NAMES, TEXTURES)["shape_bias"] is None


def test_accuracies_leave_out_classes_without_images():
    found = accuracies(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), NAMES, "accuracy")
    assert found == {"accuracy": pytest.approx(2 / 3), "accuracy/disc": 0.5, "accuracy/ring": 1.0}
