"""Images ready for a network: standardised by the training set, none of them changed on the way."""

import numpy as np
import pytest
import torch

from core.errors import OptionError
from data.image_sets import standardised_images
from data.images import load_images
from tasks.image_options import ImageOptions


@pytest.fixture
def file(tmp_path):
    rng = np.random.default_rng(0)

    def write(**changed):
        arrays = {
            "x_train": rng.integers(0, 256, (60, 2, 6, 5), np.uint8), "y_train": np.arange(60) % 3,
            "x_test": rng.integers(0, 256, (20, 2, 6, 5), np.uint8), "y_test": np.arange(20) % 3,
        }  # fmt: skip
        np.savez(tmp_path / "images.npz", **arrays | changed)
        return str(tmp_path / "images.npz")

    return write


def moments(x):
    return x.mean((0, 2, 3)), x.std((0, 2, 3), correction=0)


@pytest.mark.parametrize("canvas", [None, 9])
def test_every_set_is_scaled_by_the_training_images(file, canvas):
    path = file()
    sets = standardised_images(ImageOptions("mnist", file=path, canvas=canvas, noise=0.1 if canvas else 0.0))
    mean, deviation = moments(sets["train"][0])
    torch.testing.assert_close(mean, torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(deviation, torch.ones(2))
    for part in ("valid", "test"):  # about the same, and not made so by themselves
        mean, deviation = moments(sets[part][0])
        assert 1e-4 < mean.abs().max() < 0.3 and 1e-4 < (deviation - 1).abs().max() < 0.3
        assert sets[part][0].shape[1:] == ((2, 9, 9) if canvas else (2, 6, 5))
    again = standardised_images(ImageOptions("mnist", file=path, canvas=canvas, noise=0.1 if canvas else 0.0))
    assert all(torch.equal(sets[part][0], again[part][0]) for part in sets)


def test_training_images_are_held_out_or_not(file):
    plain = load_images("digits")
    held, whole = (
        standardised_images(ImageOptions("digits")),
        standardised_images(ImageOptions("digits", hold_out=False)),
    )
    assert {part: len(y) for part, (_, y) in held.items()} == {part: len(images) for part, images in plain.items()}
    assert list(whole) == ["train", "test"] and len(whole["train"][1]) == 1000
    some = standardised_images(ImageOptions("digits", train_size=30, test_size=7))
    assert len(some["train"][1]) == 30 and len(some["test"][1]) == 7


def test_what_cannot_be_used_is_said(file):
    with pytest.raises(OptionError, match="a canvas of 5x5 is too small for images of 6x5"):
        standardised_images(ImageOptions("mnist", file=file(), canvas=5))
    with pytest.raises(OptionError, match="the test images have label 3; training has 0 to 2"):
        standardised_images(ImageOptions("mnist", file=file(y_test=np.arange(20) % 4)))
    with pytest.raises(OptionError, match="x_test is uint8 .*with at least one image"):
        empty = {"x_test": np.zeros((0, 2, 6, 5), np.uint8), "y_test": np.zeros(0, int)}
        standardised_images(ImageOptions("mnist", file=file(**empty)))
