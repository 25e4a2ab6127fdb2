"""What is known about an image set before it is loaded: shape, classes and sizes, so that mistakes are found early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from core.errors import OptionError
from data.image_folder import SIDE, check_size, folder_images
from data.image_sets import ImageChoice
from data.images import images_from_file, stays_in_training

# name -> channels, height, width, classes, training and test images
KNOWN = {
    "mnist": (1, 28, 28, 10, 60_000, 10_000),
    "cifar10": (3, 32, 32, 10, 50_000, 10_000),
    "cifar100": (3, 32, 32, 100, 50_000, 10_000),
    "digits": (1, 8, 8, 10, 1000, 797),
}


@dataclass(frozen=True)
class Outline:
    """The outline of an image set.

    Attributes:
        shape: (C, H, W) of an image as a network sees it.
        classes: labels go from 0 to classes - 1.
        sizes: number of images in "train", "valid" (if held out) and "test".
    """

    shape: tuple[int, int, int]
    classes: int
    sizes: Mapping[str, int]


def image_outline(chosen: ImageChoice, cache: str | Path = "cache") -> Outline:
    """Return the outline of what `data.image_sets.standardised_images` returns for the same arguments.

    Nothing is downloaded: the named sets are known, a file is read, and a folder is listed.

    Raises:
        OptionError: a file or folder that is missing or not of the right form; a canvas smaller than the images; more
            images asked for than there are, or none left in a set; a test label that training does not have.
    """
    name, file, canvas, hold_out = chosen.name, chosen.file, chosen.canvas, chosen.hold_out
    train_size, test_size = chosen.train_size, chosen.test_size
    if name == "imagenet" and file is None:
        if canvas is not None:
            raise OptionError(f"data.canvas={canvas} is for images that fit in memory; data.name={name}")
        sets = folder_images(Path(cache) / name, hold_out, train_size, test_size)
        classes = int(sets["train"][1].max()) + 1
        return Outline((3, SIDE, SIDE), classes, {part: len(labels) for part, (_, labels) in sets.items()})
    if file is None:
        channels, height, width, classes, n_train, n_test = KNOWN[name]
        stays = stays_in_training(n_train)
    else:
        train, test = images_from_file(Path(file))
        channels, height, width = train.x.shape[1:]
        n_test, stays = len(test), stays_in_training(len(train))
        labels = (train.y[stays] if hold_out else torch.cat([train.y[stays], train.y[~stays]]))[:train_size]
        classes = int(labels.max()) + 1 if len(labels) else 0
        for part, y in {"valid": train.y[~stays][: None if hold_out else 0], "test": test.y[:test_size]}.items():
            if len(y) and int(y.max()) >= classes > 0:
                raise OptionError(f"the {part} images have label {int(y.max())}; training has 0 to {classes - 1}")
    sizes = {"train": int(stays.sum()), "valid": int((~stays).sum()), "test": n_test}
    if not hold_out:
        sizes["train"] += sizes.pop("valid")
    for part, size in (("train", train_size), ("test", test_size)):
        check_size(part, size, sizes[part])
        sizes[part] = sizes[part] if size is None else size
    empty = [part for part, size in sizes.items() if size == 0]
    if empty:
        raise OptionError(f"there are no {empty[0]} images left")
    if canvas is not None:
        if canvas < max(height, width):
            raise OptionError(f"a canvas of {canvas}x{canvas} is too small for images of {height}x{width}")
        height, width = canvas, canvas
    return Outline((channels, height, width), classes, sizes)
