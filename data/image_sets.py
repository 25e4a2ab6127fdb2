"""Image sets ready for a network: on the device, standardised, pasted on a canvas if asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from core.errors import OptionError
from core.rng import stream
from data.image_folder import check_size, folder_images
from data.images import Images, load_images, normalise
from data.random_canvas import shifted

Sets = dict[str, tuple[Tensor, Tensor]]


class ImageChoice(Protocol):
    """Which images; the options of a task's `data` are such a choice.

    Attributes:
        name: of the set; imagenet is read from <cache>/imagenet, batch by batch.
        file: an .npz in place of the named set; see `data.images.load_images`.
        canvas: paste each image at a random place of a canvas of this side; the same place in every run.
        noise: standard deviation of the Gaussian noise on the canvas, where white is 1.
        train_size, test_size: only so many, the first ones; of imagenet, which lies class by class, drawn once and for
            all; None: all.
        hold_out: keep the validation images out of training; otherwise there is no set "valid".
    """

    @property
    def name(self) -> str: ...

    @property
    def file(self) -> str | None: ...

    @property
    def canvas(self) -> int | None: ...

    @property
    def noise(self) -> float: ...

    @property
    def train_size(self) -> int | None: ...

    @property
    def test_size(self) -> int | None: ...

    @property
    def hold_out(self) -> bool: ...


def standardised_images(chosen: ImageChoice, cache: str | Path = "cache", device: torch.device | str = "cpu") -> Sets:
    """Return images with mean 0 and standard deviation 1 over the training set, channel by channel, and their labels.

    Args:
        chosen: which images.
        cache: folder of downloads.
        device: where the tensors lie.

    Returns:
        "train", "valid" (if held out) and "test" -> x [N, C, H, W] float32, y [N] int64.

    Raises:
        OptionError: as `load_images`; more images asked for than there are; a canvas smaller than the images; a test
            label that training does not have.
    """
    if chosen.name == "imagenet" and chosen.file is None:
        if chosen.canvas is not None:
            raise OptionError(f"data.canvas={chosen.canvas} is for images that fit in memory; data.name={chosen.name}")
        folder = Path(cache) / chosen.name
        found = folder_images(folder, chosen.hold_out, chosen.train_size, chosen.test_size, device)
        return found  # type: ignore[return-value]  # they stand in for tensors: what is indexed is read
    sets = load_images(chosen.name, cache, chosen.file)
    valid = sets.pop("valid")
    if chosen.hold_out:
        sets["valid"] = valid
    else:
        sets["train"] = Images(torch.cat([sets["train"].x, valid.x]), torch.cat([sets["train"].y, valid.y]))
    for part, size in (("train", chosen.train_size), ("test", chosen.test_size)):
        check_size(part, size, len(sets[part]))
        sets[part] = sets[part][:size]
    if chosen.canvas is not None:
        sets = {
            part: Images(shifted(images.x, chosen.canvas, chosen.noise, stream(0, "canvas", part)), images.y)
            for part, images in sets.items()
        }
    classes = int(sets["train"].y.max()) + 1
    for part, images in sets.items():
        if len(images) == 0:
            raise OptionError(f"there are no {part} images left")
        if int(images.y.max()) >= classes:
            raise OptionError(f"the {part} images have label {int(images.y.max())}; training has 0 to {classes - 1}")
    order = ("train", "valid", "test")
    return {part: normalise(sets[part], sets["train"], device) for part in order if part in sets}
