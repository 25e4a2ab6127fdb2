"""Image sets ready for a network: on the device, standardised, pasted on a canvas if asked for."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from core.errors import OptionError
from core.rng import stream
from data.image_folder import check_size, folder_images
from data.images import Images, load_images, normalise
from data.random_canvas import shifted


def standardised_images(
    name: str, cache: str | Path = "cache", file: str | None = None, canvas: int | None = None, noise: float = 0.0,
    train_size: int | None = None, test_size: int | None = None, hold_out: bool = True,
    device: torch.device | str = "cpu",
) -> dict[str, tuple[Tensor, Tensor]]:  # fmt: skip
    """Return images with mean 0 and standard deviation 1 over the training set, channel by channel, and their labels.

    Args:
        name, cache, file: as of `data.images.load_images`; imagenet: read from <cache>/imagenet, batch by batch.
        canvas: paste each image at a random place of a canvas of this side; the same place in every run.
        noise: standard deviation of the Gaussian noise on the canvas, where white is 1.
        train_size, test_size: only so many, the first ones; of imagenet, which lies class by class, drawn once and for
            all; None: all.
        hold_out: keep the validation images out of training; otherwise there is no set "valid".
        device: where the tensors lie.

    Returns:
        "train", "valid" (if held out) and "test" -> x [N, C, H, W] float32, y [N] int64.

    Raises:
        OptionError: as `load_images`; more images asked for than there are; a canvas smaller than the images; a test
            label that training does not have.
    """
    if name == "imagenet" and file is None:
        if canvas is not None:
            raise OptionError(f"data.canvas={canvas} is for images that fit in memory; data.name={name}")
        found = folder_images(Path(cache) / name, hold_out, train_size, test_size, device)
        return found  # type: ignore[return-value]  # they stand in for tensors: what is indexed is read
    sets = load_images(name, cache, file)
    valid = sets.pop("valid")
    if hold_out:
        sets["valid"] = valid
    else:
        sets["train"] = Images(torch.cat([sets["train"].x, valid.x]), torch.cat([sets["train"].y, valid.y]))
    for part, size in (("train", train_size), ("test", test_size)):
        check_size(part, size, len(sets[part]))
        sets[part] = sets[part][:size]
    if canvas is not None:
        sets = {
            part: Images(shifted(images.x, canvas, noise, stream(0, "canvas", part)), images.y)
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
