"""Images of a few classes, such as the 16 of Geirhos et al., and an evaluation set that nothing is trained on.

    <source>/<class>/*.JPEG                                          a folder per class, or
    <source>/<class>.txt  with <images>/n02690373/n02690373_5435.JPEG  a list of file names per class

Source: Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR 2019 (the classes); Zhang, Lepori,
Pavlick, "Instilling Inductive Biases with Subnetworks", arXiv 2310.10899, section 4 (at most 1,000 of each, a tenth of
them for evaluation, weighted classes). Differs from its code: a class is numbered by its place in the alphabet, there
by the order in which the disk lists folders; and no evaluation image is trained on, there 119 of 1,549 are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.errors import OptionError
from core.rng import stream
from data.image_folder import FolderImages
from data.segments import SUFFIXES


@dataclass(frozen=True)
class ClassImages:
    """The sets of a few classes.

    Attributes:
        classes: their names; a label is the place in it.
        train: images and labels [N], all but those of `valid`.
        small: at most so many of each class, of `train`.
        valid: the evaluation set, as many for its class as for any other.
    """

    classes: tuple[str, ...]
    train: tuple[FolderImages, Tensor]
    small: tuple[FolderImages, Tensor]
    valid: tuple[FolderImages, Tensor]

    def weights(self) -> Tensor:
        """Return what an image of each class counts in the loss of `train`; see `class_weights`."""
        return class_weights(self.train[1], len(self.classes))


def class_images(
    source: Path, images: Path | None = None, evaluation: Path | None = None, most: int = 1000, held_out: float = 0.1,
    device: torch.device | str = "cpu",
) -> ClassImages:  # fmt: skip
    """Return the sets of the classes in a folder.

    Args:
        source: a folder per class, or a list of file names per class.
        images: where the files of lists are: there, or in the folder of their synset.
        evaluation: the evaluation set, a folder as `source`; None: a part of each class, drawn once and for all.
        most: images of a class that the small set and the evaluation set take together.
        held_out: fraction of those for evaluation.
        device: where batches and labels are put.

    Raises:
        OptionError: as `class_files`; the evaluation set has other classes; a set has nothing of some class.
    """
    files = class_files(source, images)
    classes = tuple(files)
    drawn = {name: few(name, paths, most) for name, paths in files.items()}
    if evaluation is None:
        # of 30 images a tenth is 3 and not, as in floating point, a little more
        valid = {name: sorted(paths[: math.ceil(held_out * len(paths) - 1e-9)]) for name, paths in drawn.items()}
    else:
        valid = class_files(evaluation, images)
        if tuple(valid) != classes:
            raise OptionError(f"{evaluation} has the classes {', '.join(valid)}; {source} has {', '.join(classes)}")
    # The names in lists are ImageNet's, one for each image; in folders 1.png is another image for every class.
    listed = bool(_lists(source))
    out = {path.stem if listed else (name, path.stem) for name, paths in valid.items() for path in paths}
    train, small = (
        {
            name: sorted(path for path in paths if (path.stem if listed else (name, path.stem)) not in out)
            for name, paths in part.items()
        }
        for part in (files, drawn)
    )
    parts = {"train": train, "small": small, "valid": valid}
    for part, by_class in parts.items():
        empty = [name for name in classes if not by_class[name]]
        if empty:
            raise OptionError(
                f"{source}: no image of {empty[0]} is left for the {part} set; {len(files[empty[0]])} are there, "
                f"most={most} and held_out={held_out:g} of them"
            )
    return ClassImages(classes, **{part: _joined(by_class, device) for part, by_class in parts.items()})


def class_files(source: Path, images: Path | None = None) -> dict[str, list[Path]]:
    """Return the files of each class, classes and files in the order of the alphabet.

    Raises:
        OptionError: there is no class, or one without images; a list names files that are not there; a file is in two
            classes.
    """
    source = Path(source)
    if lists := _lists(source):
        return _of_lists(lists, Path(source if images is None else images))
    if not source.is_dir():
        raise OptionError(f"there is no folder {source}; it holds a folder, or a list of files, per class")
    found = {
        folder.name: sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        for folder in sorted(source.iterdir()) if folder.is_dir() and not folder.name.startswith(".")
    }  # fmt: skip
    empty = [name for name, paths in found.items() if not paths]
    if empty or not found:
        what = f"{source / empty[0]} has no images" if empty else f"{source} has no classes"
        raise OptionError(f"{what}; put them there as {source}/<class>/*.JPEG, or lists of files as <class>.txt")
    return found


def few(name: str, paths: Sequence[Path], most: int) -> list[Path]:
    """Return at most so many files of a class, drawn once and for all, in the order in which they were drawn."""
    order = torch.randperm(len(paths), generator=stream(0, "classes", name))
    return [paths[i] for i in order[:most].tolist()]


def class_weights(y: Tensor, classes: int) -> Tensor:
    """Return N / n_c for each class c, divided by the length of that vector, [classes] float32.

    Raises:
        OptionError: a class has no image.
    """
    counts = torch.bincount(y, minlength=classes).double()
    if not counts.all():
        raise OptionError(f"class {int(counts.argmin())} has no images, so its weight would be infinite")
    weights = len(y) / counts
    return (weights / weights.norm()).float()


def twins(originals: FolderImages, root: Path, pooled: Path) -> FolderImages:
    """Return the mean-pooled twins of images, in their order: <pooled>/x/y.png of <root>/x/y.JPEG.

    Args:
        originals: images in `root`.
        root: the folder that was pooled.
        pooled: what `data.mean_pool` made of it.

    Raises:
        OptionError: an image is not in `root`, or has no twin of its size.
    """
    names = []
    for path in map(Path, originals.paths):
        if not path.is_relative_to(root):
            raise OptionError(f"{path} is not in {root}, of which {pooled} is the pooled twin")
        names.append(path.relative_to(root))
    paths = [Path(pooled) / name.with_suffix(".png") for name in names]
    missing = [name for name, path in zip(names, paths, strict=True) if not path.is_file()]
    if missing:
        raise OptionError(
            f"{pooled} lacks the twins of {len(missing)} of {len(names)} images, the first that of {missing[0]}; "
            f"make them: python -m data.mean_pool {root} {pooled}"
        )
    for original, path in zip(originals.paths, paths, strict=True):
        sizes = [_size(Path(original)), _size(path)]
        if sizes[0] != sizes[1]:
            raise OptionError(
                "{} is not the twin of {}: it has {}x{} pixels, and not {}x{}".format(
                    path, original, *sizes[1], *sizes[0]
                )
            )
    return FolderImages([str(path) for path in paths], originals.device)


def _size(path: Path) -> tuple[int, int]:
    """Return width and height in pixels, of which only the head of the file is read."""
    from PIL import Image

    try:
        with Image.open(path) as file:
            return file.size
    except (OSError, SyntaxError, ValueError) as error:
        raise OptionError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None


def _lists(source: Path) -> list[Path]:
    return sorted(Path(source).glob("*.txt"))


def _of_lists(lists: list[Path], images: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    where: dict[str, Path] = {}
    for file in lists:
        names = sorted({line.strip() for line in file.read_text().splitlines() if line.strip()})
        places = {name: _place(images, name) for name in names}
        missing = [name for name, path in places.items() if path is None]
        paths = [path for path in places.values() if path is not None]
        if missing or not names:
            what = f"{len(missing)} files that are not in {images}, the first {missing[0]}" if missing else "no files"
            raise OptionError(f"{file} names {what}")
        for path in paths:
            if where.setdefault(path.stem, file) != file:
                raise OptionError(f"{path.name} is in {where[path.stem]} and in {file}; an image has one class")
        found[file.stem] = sorted(paths)
    return found


def _place(images: Path, name: str) -> Path | None:
    """Return images/n02690373/n02690373_5435.JPEG, images/n02690373_5435.JPEG, or None if there is neither."""
    for path in (images / name.partition("_")[0] / name, images / name):
        if path.is_file():
            return path
    return None


def _joined(by_class: dict[str, list[Path]], device: torch.device | str) -> tuple[FolderImages, Tensor]:
    paths = [str(path) for files in by_class.values() for path in files]
    labels = [label for label, files in enumerate(by_class.values()) for _ in files]
    return FolderImages(paths, device), torch.tensor(labels, device=device)
