"""Image sets: the published split, anybody's own file, and one line for what is wrong."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import OptionError
from core.rng import stream
from data.images import SOURCES, load_images, normalise
from data.random_canvas import shifted

MNIST = Path("cache/MNIST/raw")


def write(path, **changes):
    rng = np.random.RandomState(0)
    arrays = {
        "x_train": rng.randint(0, 256, (50, 3, 4, 5)).astype(np.uint8), "y_train": rng.randint(0, 4, 50),
        "x_test": rng.randint(0, 256, (20, 3, 4, 5)).astype(np.uint8), "y_test": rng.randint(0, 4, 20).astype(np.uint8),
    } | changes  # fmt: skip
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return arrays


def test_images_of_ones_own(tmp_path):
    arrays = write(tmp_path / "own.npz")
    sets = load_images("cifar10", tmp_path / "cache", tmp_path / "own.npz")
    assert np.array_equal(sets["test"].x, arrays["x_test"]) and np.array_equal(sets["test"].y, arrays["y_test"])
    assert len(sets["train"]) + len(sets["valid"]) == 50 and sets["train"].x.dtype == torch.uint8
    both = torch.cat([sets["train"].x, sets["valid"].x]).flatten(1).tolist()
    assert sorted(both) == sorted(arrays["x_train"].reshape(50, -1).tolist())
    assert not (tmp_path / "cache").exists()


def test_the_validation_split_is_the_published_one():
    stays = np.random.RandomState(0xC1CAFA52).rand(60_000) > 0.2
    assert stays.sum() == 48_017


def test_digits_are_real_and_always_split_alike():
    one, two = load_images("digits"), load_images("digits")
    assert {name: len(part) for name, part in one.items()} == {"train": 782, "valid": 218, "test": 797}
    for name in one:
        assert torch.equal(one[name].x, two[name].x) and one[name].x.shape[1:] == (1, 8, 8)
        assert set(one[name].y.tolist()) == set(range(10)) and one[name].x.max() == 255


def test_normalised_by_the_training_images(tmp_path):
    write(tmp_path / "own.npz")
    sets = load_images("cifar10", file=tmp_path / "own.npz")
    x, y = normalise(sets["train"], sets["train"])
    assert x.dtype == torch.float32 and torch.equal(y, sets["train"].y)
    assert torch.allclose(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(x.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)
    assert abs(normalise(sets["test"], sets["train"])[0].mean()) > 1e-6


@pytest.mark.skipif(not MNIST.exists(), reason="MNIST is not in cache/")
def test_mnist():
    sets = load_images("mnist")
    assert [len(sets[name]) for name in ("train", "valid", "test")] == [48_017, 11_983, 10_000]
    assert sets["train"].x.shape[1:] == (1, 28, 28)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"y_test": None}, "lacks y_test; it has x_train, y_train, x_test"),
        (
            {"x_train": np.zeros((50, 4, 5), np.uint8)},
            r"x_train is uint8 \[50, 4, 5\]: no channels; x_train\[:, None\] adds one; it must be uint8 \[N, C",
        ),
        (
            {"x_test": np.zeros((20, 3, 4, 5))},
            r"x_test is float64 \[20, 3, 4, 5\]: from 0 to 1; .* bytes; it must be uint8",
        ),
        ({"x_test": np.zeros((20, 3, 4, 5), int)}, r"\]: x_test.astype\(np.uint8\) would do; it must be uint8"),
        (
            {"x_train": np.zeros((50, 8, 8, 3), np.uint8)},
            r"x_train is uint8 \[50, 8, 8, 3\]: channels last; np.moveaxis\(x_train, -1, 1\) puts",
        ),
        (
            {"y_train": np.zeros((50, 1), int)},
            r"y_train is int64 \[50, 1\]: y_train\[:, 0\] would do; it must be 50 whole",
        ),
        (
            {"y_train": np.eye(50)},
            r"y_train is float64 \[50, 50\]: a row each; y_train.argmax\(1\) if they are one-hot",
        ),
        ({"y_train": np.zeros(50)}, r"y_train is float64 \[50\]: y_train.astype\(np.int64\) would do"),
        ({"y_train": np.full(50, -1)}, r"y_train is int64 \[50\], -1 to -1; it must be 50 whole numbers from 0"),
        ({"y_train": np.zeros(49, int)}, r"y_train is int64 \[49\]; it must be 50 whole numbers from 0"),
        ({"y_train": np.full(50, -1)}, "must be 50 whole numbers from 0"),
        ({"y_train": np.full(50, 2**63, np.uint64)}, "must be 50 whole numbers from 0 to 99999 at most"),
        ({"x_train": np.zeros((0, 3, 4, 5), np.uint8), "y_train": np.zeros(0, int)}, "with at least one image"),
        ({"x_test": np.zeros((20, 1, 4, 5), np.uint8)}, r"x_train has images \[3, 4, 5\] and x_test \[1, 4, 5\]"),
    ],
)
def test_a_file_of_another_form(tmp_path, changes, text):
    write(tmp_path / "own.npz", **changes)
    with pytest.raises(OptionError, match=text):
        load_images("mnist", file=tmp_path / "own.npz")


def test_other_mistakes(tmp_path, monkeypatch):
    with pytest.raises(OptionError, match="unknown images 'cifar'; allowed: mnist, .*; did you mean 'cifar"):
        load_images("cifar")
    with pytest.raises(OptionError, match="no image file '.*nothing.npz'; it is an .npz with x_train"):
        load_images("mnist", file=tmp_path / "nothing.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not much of a zip")
    with pytest.raises(OptionError, match="is not an .npz; it must hold x_train"):
        load_images("mnist", file=tmp_path / "broken.npz")

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.utils.urllib.request.urlopen", offline)
    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", offline)
    for name in ("cifar10", "cifar100", "mnist"):
        with pytest.raises(OptionError, match="cannot be fetched .*; put .* into .*, or give an .npz file"):
            load_images(name, tmp_path / "cache")
    assert set(SOURCES) == {"mnist", "cifar10", "cifar100", "digits"}


def test_shifted_images_are_whole_and_somewhere_else():
    x = load_images("digits")["train"].x[:200]
    plain = shifted(x, 12, 0.0, stream(0, "shift"))
    assert plain.shape == (200, 1, 12, 12) and torch.allclose(plain.sum((1, 2, 3)), x.sum((1, 2, 3)) / 255, rtol=1e-4)
    places = {tuple(image[0].nonzero().amin(0).tolist()) for image in plain}
    assert len(places) > 15  # of about 25
    found = any(torch.allclose(plain[0, 0, i : i + 8, j : j + 8], x[0, 0] / 255) for i in range(5) for j in range(5))
    assert found
    assert torch.equal(plain, shifted(x, 12, 0.0, stream(0, "shift")))
    noisy = shifted(x, 12, 0.1, stream(0, "shift")) - plain
    assert abs(noisy.std() - 0.1) < 0.005
    with pytest.raises(OptionError, match="a canvas of 7x7 is too small for images of 8x8"):
        shifted(x, 7, 0.0, stream(0, "shift"))
