"""The cue-conflict images of Geirhos et al.: the shape of one class in the texture of another.

    <folder>/<shape>/<shape><i>-<texture><j>.png     such as cat/cat7-elephant1.png

Source: Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR 2019, section 2.3 (16 classes, 80
images of each shape, five of them in a texture of their own class).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.errors import OptionError
from core.registry import nearest
from data.image_folder import FolderImages

NAME = re.compile(r"([a-z_]+)\d+-([a-z_]+)\d+\.png")


@dataclass(frozen=True)
class CueConflict:
    """Images with two classes.

    Attributes:
        images: as they are read for a test.
        shape, texture: [N] int64, the places of the two in the classes.
    """

    images: FolderImages
    shape: Tensor
    texture: Tensor


def cue_conflict(
    folder: Path, classes: Sequence[str], same_class: bool = False, device: torch.device | str = "cpu"
) -> CueConflict:
    """Return the images of a folder, in the order of the alphabet.

    Args:
        folder: with a folder per shape.
        classes: names; a label is the place in it.
        same_class: also those whose shape and texture are of one class. They say nothing about which of the two a
            network goes by, so that a shape bias must not count them.
        device: where batches and labels are put.

    Raises:
        OptionError: there are no images; a name cannot be read, has an unknown class, or is in the wrong folder.
    """
    paths, labels = [], []
    for path in sorted(Path(folder).glob("*/*.png")):
        found = NAME.fullmatch(path.name)
        if found is None:
            raise OptionError(f"{path}: the name is not of the form cat7-elephant1.png: <shape><i>-<texture><j>.png")
        for name in found.groups():
            if name not in classes:
                known = ", ".join(classes)
                raise OptionError(f"{path}: unknown class {name!r}; there are {known}{nearest(name, classes)}")
        shape, texture = found.groups()
        if path.parent.name != shape:
            raise OptionError(f"{path}: its shape is {shape}, but it is in the folder of {path.parent.name}")
        if same_class or shape != texture:
            paths.append(str(path))
            labels.append((classes.index(shape), classes.index(texture)))
    if not paths:
        raise OptionError(f"no images with two cues in {folder}; put them there as cat/cat7-elephant1.png")
    return CueConflict(FolderImages(paths, device), *torch.tensor(labels, device=device).unbind(1))
