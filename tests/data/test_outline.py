"""The outline of a set is that of the set that is loaded, and its mistakes are those that loading would find."""

import numpy as np
import pytest

from core.errors import OptionError
from data.image_sets import standardised_images
from data.outline import image_outline
from tasks.image_options import ImageOptions
from tests.data.test_images import write


@pytest.mark.parametrize(
    "how",
    [
        {}, {"canvas": 12}, {"train_size": 100, "test_size": 30}, {"hold_out": False},
        {"file": "own.npz"}, {"file": "own.npz", "hold_out": False, "train_size": 30},
    ],
    ids=str,
)  # fmt: skip
def test_it_is_what_is_loaded(tmp_path, how):
    if "file" in how:
        write(tmp_path / "own.npz")
        how = how | {"file": str(tmp_path / "own.npz")}
    outline, sets = image_outline(ImageOptions("digits", **how)), standardised_images(ImageOptions("digits", **how))
    assert outline.sizes == {name: len(y) for name, (_, y) in sets.items()}
    assert outline.shape == sets["train"][0].shape[1:]
    assert outline.classes == int(sets["train"][1].max()) + 1


def test_nothing_is_fetched(tmp_path):
    for name, valid in (("mnist", 11_983), ("cifar10", 9_947), ("cifar100", 9_947)):
        assert image_outline(ImageOptions(name), tmp_path / "cache").sizes["valid"] == valid
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"train_size": 10**6}, "data.train_size=1000000 is more than the 782 train images there are"),
        ({"canvas": 7}, "a canvas of 7x7 is too small for images of 8x8"),
        ({"file": "nothing.npz"}, "no image file 'nothing.npz'"),
        ({"name": "imagenet"}, "no images in .*imagenet"),
        ({"name": "imagenet", "canvas": 300}, "for images that fit in memory"),
    ],
)
def test_mistakes(tmp_path, how, text):
    with pytest.raises(OptionError, match=text):
        image_outline(ImageOptions(**{"name": "digits"} | how), tmp_path)


def test_a_file_that_leaves_nothing_to_validate_on(tmp_path):
    one = np.zeros((1, 3, 4, 5), np.uint8)
    write(tmp_path / "one.npz", x_train=one, y_train=np.zeros(1, int), y_test=np.zeros(20, int))
    with pytest.raises(OptionError, match="there are no (train|valid) images left"):
        image_outline(ImageOptions("digits", file=str(tmp_path / "one.npz")))
