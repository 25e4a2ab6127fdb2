"""Cue-conflict images: two classes in a name, and those of one class left out."""

import pytest
import torch
from torchvision.io import write_png

from core.errors import OptionError
from data.cue_conflict import cue_conflict

CLASSES = ("bear", "cat", "elephant")


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(torch.zeros(3, 20, 24, dtype=torch.uint8), str(path))


@pytest.fixture
def conflict(tmp_path):
    for name in ("cat/cat7-elephant1", "cat/cat1-cat2", "bear/bear10-cat3", "elephant/elephant1-bear12"):
        write(tmp_path / f"{name}.png")
    return tmp_path


def test_cue_conflict(conflict):
    found = cue_conflict(conflict, CLASSES)
    names = [path.rsplit("/", 1)[1] for path in found.images.paths]
    assert names == ["bear10-cat3.png", "cat7-elephant1.png", "elephant1-bear12.png"]
    assert found.shape.tolist() == [0, 1, 2] and found.texture.tolist() == [1, 2, 0]
    assert found.images[:].shape == (3, 3, 224, 224)
    every = cue_conflict(conflict, CLASSES, same_class=True)
    assert every.shape.tolist() == [0, 1, 1, 2] and every.texture.tolist() == [1, 1, 2, 0]


@pytest.mark.parametrize(
    "name, problem",
    [
        ("cat/cat7_elephant1.png", "the name is not of the form cat7-elephant1.png"),
        ("cat/cat7-elefant1.png", "unknown class 'elefant'; there are bear, cat, elephant; did you mean 'elephant'?"),
        ("bear/cat7-bear1.png", "its shape is cat, but it is in the folder of bear"),
    ],
)
def test_names_of_cue_conflict_images(conflict, name, problem):
    write(conflict / name)
    with pytest.raises(OptionError) as caught:
        cue_conflict(conflict, CLASSES)
    assert str(caught.value).startswith(f"{conflict / name}: {problem}")


def test_no_cue_conflict_images(tmp_path):
    with pytest.raises(OptionError, match="^no images with two cues in .*; put them there as cat/cat7-elephant1.png$"):
        cue_conflict(tmp_path, CLASSES)
