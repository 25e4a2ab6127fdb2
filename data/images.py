"""Labelled images as tensors: MNIST, CIFAR-10, CIFAR-100, scikit-learn's digits, or your own from an .npz file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.errors import OptionError
from core.locks import turn
from core.npz import Unreadable, read_npz
from core.registry import nearest

KEYS = ("x_train", "y_train", "x_test", "y_test")
VALID_SEED, VALID_SHARE = 0xC1CAFA52, 0.2
MOST_CLASSES = 100_000  # beyond it a label is a mistake, and the last layer would not fit in memory


@dataclass(frozen=True)
class Images:
    """Images and their labels.

    Attributes:
        x: [N, C, H, W] uint8.
        y: [N] int64.
    """

    x: Tensor
    y: Tensor

    def __getitem__(self, chosen: Tensor | slice) -> Images:
        return Images(self.x[chosen], self.y[chosen])

    def __len__(self) -> int:
        return len(self.y)


def load_images(name: str, cache: str | Path = "cache", file: str | Path | None = None) -> dict[str, Images]:
    """Return the sets "train", "valid" and "test".

    `valid` is a fifth of the training images, drawn once and for all; the test images select nothing.

    Args:
        name: mnist, cifar10, cifar100 or digits.
        cache: where downloads lie; what is missing is fetched, checked by its hash, and by one process at a time.
        file: an .npz with x_train, y_train, x_test and y_test in place of the named set: x uint8 [N, C, H, W], y whole
            numbers from 0.

    Raises:
        OptionError: an unknown name; a file that is missing or is not of that form; a set that cannot be fetched.

    Source: the validation split is that of Csordas et al., "Are Neural Nets Modular?" (ICLR 2021), its code.
    """
    if name not in SOURCES:
        raise OptionError(f"unknown images {name!r}; allowed: {', '.join(SOURCES)}{nearest(name, SOURCES)}")
    train, test = images_from_file(Path(file)) if file is not None else SOURCES[name](Path(cache))
    stays = stays_in_training(len(train))
    return {"train": train[stays], "valid": train[~stays], "test": test}


def stays_in_training(count: int) -> Tensor:
    """Return which of so many training images are not held out for validation, [count] bool."""
    return torch.from_numpy(np.random.RandomState(VALID_SEED).rand(count) > VALID_SHARE)


def normalise(images: Images, like: Images, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return images with mean 0 and standard deviation 1 in each channel, and their labels.

    Args:
        images: what to normalise.
        like: whose mean and standard deviation to use, the training images.
        device: where the result lies.

    Returns:
        x [N, C, H, W] float32, y [N].
    """
    x = images.x.to(device, torch.float32, copy=True)
    for channel, of_training in zip(x.unbind(1), like.x.unbind(1), strict=True):
        variance, mean = torch.var_mean(of_training.float(), correction=0)
        channel.sub_(mean.item()).div_(max(variance.sqrt().item(), 1e-6))
    return x, images.y.to(device)


def images_from_file(path: Path) -> tuple[Images, Images]:
    """Return the training and test images of an .npz file.

    Raises:
        OptionError: it is missing, no readable .npz, or its arrays do not have the right types, shapes or labels.
    """
    if not path.is_file():
        raise OptionError(f"no image file {str(path)!r}; it is an .npz with {', '.join(KEYS)}")
    try:
        found = read_npz(path)
    except Unreadable as error:
        raise OptionError(f"{path} {error}; it must hold {', '.join(KEYS)}") from None
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise OptionError(f"{path} lacks {', '.join(missing)}; it has {', '.join(found) or 'nothing'}")
    arrays = {key: found[key] for key in KEYS}
    train, test = (_checked(path, part, arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test"))
    if train.x.shape[1:] != test.x.shape[1:]:
        raise OptionError(
            f"{path}: x_train has images {list(train.x.shape[1:])} and x_test {list(test.x.shape[1:])}; "
            "they must agree in channels, height and width"
        )
    return train, test


def _checked(path: Path, part: str, x: np.ndarray, y: np.ndarray) -> Images:
    if x.ndim != 4 or x.dtype != np.uint8 or 0 in x.shape or _channels_last(x):
        raise OptionError(
            f"{path}: x_{part} is {x.dtype} {list(x.shape)}{_remedy(part, x)}; it must be uint8 [N, C, H, W], "
            "with at least one image"
        )
    whole = y.shape == x.shape[:1] and np.issubdtype(y.dtype, np.integer)
    if not whole or int(y.min()) < 0 or int(y.max()) >= MOST_CLASSES:
        raise OptionError(
            f"{path}: y_{part} is {y.dtype} {list(y.shape)}{_of_labels(part, x, y)}; it must be {len(x)} whole numbers "
            f"from 0 to {MOST_CLASSES - 1} at most"
        )
    return Images(torch.from_numpy(x), torch.from_numpy(y.astype(np.int64)))


def _channels_last(x: np.ndarray) -> bool:
    """Return whether images are [N, H, W, C]: nobody's have one or three rows and more channels than that."""
    return x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3) and x.shape[2] > 3


def _remedy(part: str, x: np.ndarray) -> str:
    """Return what may be wrong with images, and what would mend it."""
    if _channels_last(x):
        return f": channels last; np.moveaxis(x_{part}, -1, 1) puts them where they belong"
    if x.ndim == 3 and 0 not in x.shape:
        return f": no channels; x_{part}[:, None] adds one"
    if x.ndim == 4 and np.issubdtype(x.dtype, np.floating) and x.size and 0 <= x.min() and x.max() <= 1:
        return f": from 0 to 1; (x_{part} * 255).round().astype(np.uint8) has the range of bytes"
    if x.ndim == 4 and np.issubdtype(x.dtype, np.integer) and x.size and 0 <= x.min() and x.max() <= 255:
        return f": x_{part}.astype(np.uint8) would do"
    return ""


def _of_labels(part: str, x: np.ndarray, y: np.ndarray) -> str:
    if y.shape == (len(x), 1):
        return f": y_{part}[:, 0] would do"
    if y.ndim == 2 and len(y) == len(x) and np.issubdtype(y.dtype, np.number):
        return f": a row each; y_{part}.argmax(1) if they are one-hot"
    if y.shape == x.shape[:1] and np.issubdtype(y.dtype, np.floating) and y.size and (y == np.round(y)).all():
        return f": y_{part}.astype(np.int64) would do"
    if y.shape == x.shape[:1] and np.issubdtype(y.dtype, np.integer) and y.size:
        return f", {int(y.min())} to {int(y.max())}"
    return ""


def _torchvision(title: str, hint: str) -> Callable[[Path], tuple[Images, Images]]:
    def load(cache: Path) -> tuple[Images, Images]:
        import torchvision.datasets

        kind = getattr(torchvision.datasets, title)
        cache.mkdir(parents=True, exist_ok=True)
        try:
            with turn(cache / f"{title}.lock"):  # two processes that download at once would spoil each other's file
                parts = [kind(str(cache), train=train, download=True) for train in (True, False)]
        except (OSError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            advice = f"put {hint} into {cache}, or give an .npz file"
            raise OptionError(f"{title} cannot be fetched ({why}); {advice}") from None
        train, test = (_plain(part.data, part.targets) for part in parts)
        return train, test

    return load


def _plain(x: Any, y: Any) -> Images:
    x = torch.as_tensor(np.asarray(x))
    x = x.unsqueeze(1) if x.dim() == 3 else x.permute(0, 3, 1, 2)
    return Images(x.contiguous(), torch.as_tensor(np.asarray(y)).long())


def _digits(_: Path) -> tuple[Images, Images]:
    """1,797 images of 8x8; the last 797 of a fixed permutation are the test set."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x = torch.from_numpy((found.images * (255 / 16)).round().astype(np.uint8)).unsqueeze(1)
    order = torch.from_numpy(np.random.RandomState(0).permutation(len(x)))
    images = Images(x, torch.from_numpy(found.target.astype(np.int64)))[order]
    return images[:1000], images[1000:]


SOURCES: dict[str, Callable[[Path], tuple[Images, Images]]] = {
    "mnist": _torchvision("MNIST", "MNIST/raw/*-ubyte.gz"),
    "cifar10": _torchvision("CIFAR10", "cifar-10-python.tar.gz"),
    "cifar100": _torchvision("CIFAR100", "cifar-100-python.tar.gz"),
    "digits": _digits,
}
