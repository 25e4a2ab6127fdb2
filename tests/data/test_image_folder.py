"""Images in files: read as asked for, the same at every reading, cut at random for training."""

import pytest
import torch
from torchvision.io import write_jpeg, write_png

from core.errors import OptionError
from core.option_help import print_help
from data.epochs import Epochs
from data.image_folder import DEVIATION, MEAN, SIDE, folder_images
from tasks.registry import OPTIONS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes: the left half is bright in red, or in blue."""
    root, rng = tmp_path_factory.mktemp("imagenet"), torch.Generator().manual_seed(0)
    for part, count in (("train", 12), ("val", 3)):
        for label, name in enumerate(("n01", "n02")):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                image = torch.randint(0, 60, (3, 270 + 10 * i, 300), generator=rng, dtype=torch.uint8)
                image[2 * label, :, :150] += 180
                path = str(root / part / name / f"{i}.JPEG")
                (write_jpeg if i else write_png)(image, path)
    return root


def test_sets_and_what_a_test_sees(folder):
    sets = folder_images(folder)
    assert {part: len(y) for part, (_, y) in sets.items()} == {"train": 23, "valid": 1, "test": 6}
    paths = [set(x.paths) for x, _ in sets.values()]
    assert not paths[0] & paths[1] and not paths[0] & paths[2]
    images, y = sets["test"]
    x = images[:]
    assert x.shape == images.shape == (6, 3, SIDE, SIDE) and y.tolist() == [0, 0, 0, 1, 1, 1]
    brightness = x[:, :, :, : SIDE // 4].mean((2, 3))
    assert torch.equal(brightness[:, 0] > brightness[:, 2], y == 0)
    raw = x * torch.tensor(DEVIATION).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    assert -1e-6 < raw.min() and raw.max() < 1 + 1e-6
    assert torch.equal(images.subset(y == 1)[torch.tensor([2])], x[5:])
    assert len(folder_images(folder, hold_out=False, train_size=5)["train"][1]) == 5


def test_a_part_of_the_images_is_a_random_one_that_is_always_the_same(folder, capsys):
    """The first ones would be of the first classes alone; so do the options say."""
    for part, few in (("train", {"train_size": 12}), ("test", {"test_size": 3})):
        (x, y), (again, _) = (folder_images(folder, hold_out=False, **few)[part] for _ in range(2))
        assert len(y) == max(few.values()) and x.paths == again.paths and y.unique().tolist() == [0, 1]
    print_help(OPTIONS["supsup"], "main.py")
    said = " ".join(capsys.readouterr().out.replace("│", "").split())
    assert "For imagenet, which is sorted by class, a random subset" in said
    assert "Number of training images to use, the first ones" not in said


def test_training_sees_random_parts_that_are_a_function_of_the_seed(folder):
    images, y = folder_images(folder)["train"]
    plain, epochs = Epochs(images, y, 4, 0), Epochs(images, y, 4, 0, augment=True)
    first, second = epochs.batch(0)[0], epochs.batch(1)[0]  # the second was begun ahead
    again = Epochs(images, y, 4, 0, augment=True)
    assert torch.equal(again.batch(1)[0], second) and torch.equal(again.batch(0)[0], first)
    assert first.shape == (4, 3, SIDE, SIDE) and not torch.equal(first, plain.batch(0)[0])
    assert torch.equal(plain.batch(0)[1], epochs.batch(0)[1])
    assert not torch.equal(epochs.batch(0)[0], epochs.batch(epochs.steps)[0]), "another epoch, other parts"


def test_mistakes(folder, tmp_path):
    with pytest.raises(OptionError, match="no images in .*/train: there is no such folder; put them there as"):
        folder_images(tmp_path)
    (tmp_path / "train" / "a").mkdir(parents=True)
    with pytest.raises(OptionError, match="no images in"):
        folder_images(tmp_path)
    images, _ = folder_images(folder)["test"]
    broken = tmp_path / "broken.JPEG"
    broken.write_bytes(b"no picture")
    images.paths[0] = str(broken)
    with pytest.raises(OptionError, match="broken.JPEG cannot be read"):
        images[:1]
