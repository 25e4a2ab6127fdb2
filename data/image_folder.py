"""Images read from files batch by batch: ImageNet, or any folder with the same layout.

<folder>/train/<class>/*.JPEG     <folder>/val/<class>/*.JPEG
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.errors import OptionError
from core.rng import key, stream

if TYPE_CHECKING:  # torchvision is slow to import, and images in memory do not need it
    from torchvision.datasets import ImageFolder

SIDE, RESIZED = 224, 256
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AREA, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
VALID_SHARE = 0.04  # of the training images, 51,000 of ImageNet's

_READERS = ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1), thread_name_prefix="images")
_AHEAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")


class FolderImages:
    """Images [N, 3, 224, 224], standardised, read on access.

    Args:
        paths: of the files.
        device: where the images are put.
    """

    def __init__(self, paths: Sequence[str], device: torch.device | str = "cpu"):
        self.paths, self.device = list(paths), device
        self._next: tuple[object, Future[Tensor]] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, 3, 224, 224)."""
        return len(self), 3, SIDE, SIDE

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return images as the test sees them: the middle of the image whose shorter side is 256."""
        return self._read(self._places(index), None).to(self.device)

    def subset(self, chosen: Tensor) -> FolderImages:
        """Return the images of a mask [N] or of numbers."""
        return FolderImages([self.paths[i] for i in self._places(chosen)], self.device)

    def augmented(self, index: Tensor, seed: int) -> Tensor:
        """Return images as training sees them: a random part of each, resized, half of them mirrored.

        The part is 8 to 100 % of the area at a ratio of 3/4 to 4/3, a function of the seed and the image's place.
        """
        return self._read(self._places(index), seed).to(self.device)

    def ahead(self, index: Tensor, seed: int | None) -> None:
        """Begin to read a batch that will be asked for next."""
        places = self._places(index)
        self._next = (places, seed), _AHEAD.submit(self._decoded, places, seed)

    def _read(self, places: list[int], seed: int | None) -> Tensor:
        waiting, self._next = self._next, None
        if waiting is not None and waiting[0] == (places, seed):
            return waiting[1].result()
        return self._decoded(places, seed)

    def _decoded(self, places: list[int], seed: int | None) -> Tensor:
        seeds = [None if seed is None else key(seed, row) for row in range(len(places))]
        from torchvision.transforms.v2.functional import normalize

        images = list(_READERS.map(_decoded, [self.paths[i] for i in places], seeds))
        return normalize(torch.stack(images).float().div_(255), MEAN, DEVIATION)

    def _places(self, index: Tensor | slice) -> list[int]:
        if isinstance(index, slice):
            return list(range(len(self)))[index]
        return (index.nonzero()[:, 0] if index.dtype == torch.bool else index).tolist()


def check_size(part: str, wanted: int | None, there: int) -> None:
    """Raise OptionError where more images of a part are asked for than there are; None asks for all."""
    if wanted is not None and wanted > there:
        raise OptionError(f"data.{part}_size={wanted} is more than the {there} {part} images there are")


def folder_images(
    folder: Path, hold_out: bool = True, train_size: int | None = None, test_size: int | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, tuple[FolderImages, Tensor]]:  # fmt: skip
    """Return the sets "train", "valid" (if held out) and "test" (the folder's val): images and labels [N].

    Args:
        folder: with train/<class>/ and val/<class>/; a class is labelled by its place in the alphabet.
        hold_out: keep 4 % of the training images out of it, drawn once and for all.
        train_size, test_size: only so many, drawn once and for all; None: all.
        device: where batches are put.

    Raises:
        OptionError: the folder or a part of it is not there, or has fewer images than asked for; its parts have
            different classes.
    """
    found = {part: _listed(folder / part) for part in ("train", "val")}
    if found["train"].classes != found["val"].classes:
        raise OptionError(f"{folder}: train and val have different classes")
    valid = math.ceil(VALID_SHARE * len(found["train"])) if hold_out else 0
    check_size("train", train_size, len(found["train"]) - valid)
    check_size("test", test_size, len(found["val"]))
    order = torch.randperm(len(found["train"]), generator=stream(0, "folder", "train"))
    test = torch.randperm(len(found["val"]), generator=stream(0, "folder", "val"))[:test_size].sort().values
    chosen = {
        "train": ("train", order[valid:][:train_size].sort().values),
        "valid": ("train", order[:valid].sort().values), "test": ("val", test),
    }  # fmt: skip
    return {
        name: (
            FolderImages([found[part].samples[i][0] for i in index.tolist()], device),
            torch.tensor([found[part].targets[i] for i in index.tolist()], device=device),
        )
        for name, (part, index) in chosen.items() if len(index)
    }  # fmt: skip


def _listed(folder: Path) -> ImageFolder:
    from torchvision.datasets import ImageFolder

    try:
        return ImageFolder(str(folder))
    except OSError as error:
        why = str(error).splitlines()[0].rstrip(".") if folder.is_dir() else "there is no such folder"
        raise OptionError(f"no images in {folder}: {why}; put them there as {folder}/<class>/*.JPEG") from None


def _decoded(path: str, seed: int | None) -> Tensor:
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms.v2 import functional as F

    try:
        image = decode_image(path, ImageReadMode.RGB)
    except RuntimeError as error:
        raise OptionError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if seed is None:
        return F.center_crop(F.resize(image, [RESIZED], antialias=True), [SIDE, SIDE])
    rng = stream(seed, "part")
    top, left, height, width = _part(image.shape[1], image.shape[2], rng)
    image = F.resized_crop(image, top, left, height, width, [SIDE, SIDE], antialias=True)
    return F.horizontal_flip(image) if float(torch.rand((), generator=rng)) < 0.5 else image


def _part(height: int, width: int, rng: torch.Generator) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a random part, as torchvision's RandomResizedCrop draws it."""
    for _ in range(TRIES):
        area, ratio = torch.rand(2, generator=rng).tolist()
        area = height * width * (AREA[0] + area * (AREA[1] - AREA[0]))
        low, high = map(math.log, RATIO)
        ratio = math.exp(low + ratio * (high - low))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = (int(torch.randint(free + 1, (), generator=rng)) for free in (height - h, width - w))
            return top, left, h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side
