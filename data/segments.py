"""Segments of an image, and the image with every segment in its mean colour."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import OptionError
from core.files import write_atomic
from core.npz import Unreadable, read_npz

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")  # of images
KINDS = (".png", ".npz")  # of their segments


def pooled_labels(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the image with all pixels of a label in their mean colour, rounded.

    Args:
        image: [H, W, 3] uint8.
        labels: [H, W] whole numbers, one for each segment.
    """
    segment = np.unique(labels, return_inverse=True)[1].reshape(-1)
    sums = np.stack([np.bincount(segment, channel.reshape(-1)) for channel in np.moveaxis(image, 2, 0)], 1)
    means = np.rint(sums / np.bincount(segment)[:, None]).astype(np.uint8)
    return means[segment].reshape(image.shape)


def pooled_masks(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the image with each mask in the mean colour of its pixels, rounded, a small one over a large one.

    What is in no mask is one segment more.

    Args:
        image: [H, W, 3] uint8.
        masks: [M, H, W] bool, which may overlap. The mean of one is over all its pixels, those under others too.
    """
    pooled = np.empty_like(image)
    by_size = masks[np.argsort(-masks.sum((1, 2)), kind="stable")]
    for mask in (~masks.any(0), *by_size):
        if mask.any():
            pooled[mask] = np.rint(image[mask].mean(0))
    return pooled


@dataclass(frozen=True)
class Felzenszwalb:
    """The segments of Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation", IJCV 2004.

    Attributes:
        scale: the higher, the larger the segments.
        sigma: width in pixels of the Gaussian that smooths the image first.
        min_size: fewest pixels of a segment.
    """

    scale: float = 100.0
    sigma: float = 0.5
    min_size: int = 50

    def check(self, names: Sequence[Path]) -> None:
        """Raise OptionError if scikit-image is not installed."""
        _felzenszwalb()

    def pooled(self, image: np.ndarray, name: Path) -> np.ndarray:
        """Return the mean-pooled image."""
        return pooled_labels(image, _felzenszwalb()(image, self.scale, self.sigma, self.min_size))


@dataclass(frozen=True)
class SavedSegments:
    """Segments in files, one beside the other as the images are.

    Attributes:
        folder: with a/b.png or a/b.npz for an image a/b.JPEG.
    """

    folder: Path

    def check(self, names: Sequence[Path]) -> None:
        """Raise OptionError if an image has no segments."""
        without = [name for name in names if self.file(name) is None]
        if without:
            raise OptionError(
                f"{self.folder} has no segments of {len(without)} of {len(names)} images, the first {without[0]}; they "
                f"are named as the image, and end in {' or '.join(KINDS)}"
            )

    def file(self, name: Path) -> Path | None:
        """Return the file of an image a/b.JPEG, or None."""
        paths = (self.folder / name.with_suffix(kind) for kind in KINDS)
        return next((path for path in paths if path.is_file()), None)

    def pooled(self, image: np.ndarray, name: Path) -> np.ndarray:
        """Return the mean-pooled image.

        Raises:
            OptionError: the file is missing, cannot be read, or is of an image of another size.
        """
        self.check([name])
        path = self.file(name)
        assert path is not None  # or the check has refused it
        kind, found = _read(path)
        if found.shape[-2:] != image.shape[:2]:
            sizes = (f"{height}x{width}" for height, width in (found.shape[-2:], image.shape[:2]))
            raise OptionError("{}: the segments are of {} pixels, the image is of {}".format(path, *sizes))
        return pooled_labels(image, found) if kind == "labels" else pooled_masks(image, found.astype(bool))


def pool_file(source: Path, target: Path, name: Path, segments: Felzenszwalb | SavedSegments) -> None:
    """Write target/a/b.png for source/a/b.JPEG.

    Raises:
        OptionError: the image or its segments cannot be read.
        StoreError: the twin cannot be written.
    """
    from PIL import Image

    try:
        with Image.open(source / name) as file:
            image = np.asarray(file.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise OptionError(f"{source / name} cannot be read: {str(error).splitlines()[0]}") from None
    data = io.BytesIO()
    Image.fromarray(segments.pooled(image, name)).save(data, "png")
    write_atomic(target / name.with_suffix(".png"), data.getvalue())


def _felzenszwalb() -> Callable[..., np.ndarray]:
    try:
        from skimage.segmentation import felzenszwalb
    except ImportError as error:
        raise OptionError(
            f"--segments=felzenszwalb needs scikit-image ({str(error).splitlines()[0]}): "
            "pip install -r requirements-optional.txt, or use --segments=masks"
        ) from None
    return felzenszwalb


def _read(path: Path) -> tuple[str, np.ndarray]:
    """Return "labels" [H, W] or "masks" [M, H, W]."""
    if path.suffix == ".png":
        from PIL import Image

        try:
            with Image.open(path) as file:
                found = {"labels": np.asarray(file)}
        except (OSError, SyntaxError, ValueError) as error:
            raise OptionError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    else:
        try:
            found = {kind: array for kind, array in read_npz(path).items() if kind in ("labels", "masks")}
        except (FileNotFoundError, Unreadable) as error:
            why = error if isinstance(error, Unreadable) else "is not there"
            raise OptionError(f"{path} {why}; it must hold labels [H, W] or masks [M, H, W]") from None
    if len(found) != 1:
        has = " and ".join(found) or "neither"
        raise OptionError(f"{path} must hold labels [H, W] or masks [M, H, W]; it has {has}")
    ((kind, array),) = found.items()
    if array.ndim != (2 if kind == "labels" else 3) or array.dtype.kind not in "biu":
        wanted = "whole numbers [H, W], one for each segment" if kind == "labels" else "0 or 1 [M, H, W]"
        raise OptionError(f"{path}: its {kind} are {array.dtype} {list(array.shape)}; they must be {wanted}")
    return kind, array
