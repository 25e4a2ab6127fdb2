"""The images of each stage of induction_vision: drawn ones, or photographs in folders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from data.cue_conflict import CueConflict, cue_conflict
from data.image_folder import FolderImages
from data.shape_texture import SHAPES, TEXTURES, Cues, Pictures, pictures
from data.sixteen_classes import class_images, class_weights, twins
from tasks.induction.induction_vision_options import InductionVisionOptions

Inputs = Tensor | FolderImages
UNKNOWN = -1  # a label that no loss counts, such as the texture of a mean-pooled image


@dataclass(frozen=True)
class Set:
    """Images to train on.

    Attributes:
        x: [N, 3, H, W].
        y: [N, heads] int64; `UNKNOWN` where a head has nothing to say.
        weights: what an image of each class counts in the loss [classes]; None: all the same.
    """

    x: Inputs
    y: Tensor
    weights: Tensor | None = None


@dataclass(frozen=True)
class Unseen:
    """Images [N, 3, H, W] that nothing is trained on, and their labels [N].

    Attributes:
        normal: images and classes.
        pooled: mean-pooled images and classes.
        conflict: images whose cues contradict each other, shapes, textures.
    """

    normal: tuple[Inputs, Tensor]
    pooled: tuple[Inputs, Tensor]
    conflict: tuple[Inputs, Tensor, Tensor]


class CueImages(ABC):
    """The images that a task's options ask for; making it finds mistakes, and no image is read or drawn yet.

    Args:
        options: of the task.
        device: where they are put.

    Attributes:
        classes: names of the answers.
        textures: names of the textures, in the same order.
        heads: what the base answers, the class first.
        augment: whether the images of a transfer are cut and mirrored at random.
        sizes: stage ("base", "mask", "transfer") -> number of images.
    """

    classes: tuple[str, ...]
    textures: tuple[str, ...]
    heads: tuple[str, ...]
    augment: bool
    sizes: dict[str, int]

    def __init__(self, options: InductionVisionOptions, device: torch.device):
        self.options, self.data, self.device = options, options.data, device

    @abstractmethod
    def base(self) -> Set:
        """Return what the base learns from; a label for each of its heads."""

    @abstractmethod
    def mask(self) -> Set:
        """Return the mean-pooled images that the mask learns from; the same heads."""

    @abstractmethod
    def transfer(self, count: int, repeat: int, with_pooled: bool) -> Set:
        """Return what a transfer learns from, with the class alone as label.

        Args:
            count: images more whose texture contradicts their shape.
            repeat: of transfers that differ in their random numbers.
            with_pooled: mean-pooled images too.
        """

    @abstractmethod
    def unseen(self) -> Unseen:
        """Return the images of the measurements."""


class Drawn(CueImages):
    """Shapes of 32x32 filled with textures (data/shape_texture.py), all a function of the seed.

    A base with a head for each cue learns both; torchvision's networks have one, and learn shapes.
    """

    classes, textures, augment = SHAPES, TEXTURES, False

    def __init__(self, options: InductionVisionOptions, device: torch.device):
        super().__init__(options, device)
        self.heads = ("shape", "texture") if options.model == "cue_cnn" else ("shape",)
        self.sizes = {stage: getattr(self.data, f"{stage}_size") for stage in ("base", "mask", "transfer")}

    def _pictures(self, cues: Cues, count: int, purpose: str) -> Pictures:
        return pictures(cues, count, self.options.seed, purpose, device=self.device)

    def base(self) -> Set:
        """Return images of all pairs of cues, some of them pooled: those have no texture to learn."""
        drawn = self._pictures("decorrelated", self.data.base_size, "base")
        x, textured = drawn.partly_pooled(self.data.base_pooled)
        return self._labelled(x, drawn.shape, drawn.texture.where(textured, UNKNOWN))

    def mask(self) -> Set:
        """Return pooled images, whose shape is to be told."""
        drawn = self._pictures("decorrelated", self.data.mask_size, "mask")
        return self._labelled(drawn.pooled, drawn.shape, torch.full_like(drawn.shape, UNKNOWN))

    def _labelled(self, x: Tensor, *labels: Tensor) -> Set:
        return Set(x, torch.stack(labels[: len(self.heads)], 1))

    def transfer(self, count: int, repeat: int, with_pooled: bool) -> Set:
        """Return images of which each shape has its own texture, and `count` of other pairs."""
        more = f".{repeat}" if repeat else ""
        parts = [self._pictures("ambiguous", self.data.transfer_size, f"transfer{more}")]
        parts += [self._pictures("conflict", count, f"disambiguation{more}")] if count else []
        x = [part.x for part in parts] + [part.pooled for part in parts if with_pooled]
        y = [part.shape for part in parts] * (1 + with_pooled)
        return Set(torch.cat(x), torch.cat(y)[:, None])

    def unseen(self) -> Unseen:
        """Return images whose cues agree, images whose cues do not, and the pooled twins of these."""
        agree = self._pictures("ambiguous", self.data.ambiguous_size, "test")
        apart = self._pictures("conflict", self.data.test_size, "test")
        return Unseen((agree.x, agree.shape), (apart.pooled, apart.shape), (apart.x, apart.shape, apart.texture))


class Folders(CueImages):
    """Photographs of a few classes, their mean-pooled twins, and cue-conflict images.

    Raises:
        OptionError: as of `data.sixteen_classes` and `data.cue_conflict`: files, twins or classes are missing.
    """

    heads, augment = ("class",), True

    def __init__(self, options: InductionVisionOptions, device: torch.device):
        super().__init__(options, device)
        data, cache = self.data, Path(options.run.cache)
        source = cache / "sixteen_classes" if data.source is None else Path(data.source)
        lists = any(source.glob("*.txt"))
        root = Path(data.images) if data.images else cache / "imagenet" / "train" if lists else source
        pooled = cache / "sixteen_classes_pooled" if data.pooled is None else Path(data.pooled)
        conflict = cache / "cue_conflict" if data.conflict is None else Path(data.conflict)
        evaluation = None if data.evaluation is None else Path(data.evaluation)
        self.found = class_images(source, root, evaluation, data.most, data.held_out, device)
        self.classes = self.textures = self.found.classes
        self.pooled = {part: twins(getattr(self.found, part)[0], root, pooled) for part in ("small", "valid")}
        self.conflict: CueConflict = cue_conflict(conflict, self.classes, device=device)
        small, train = (len(getattr(self.found, part)[1]) for part in ("small", "train"))
        self.sizes = {"base": small, "mask": small, "transfer": train}

    def base(self) -> Set:
        """Return at most so many photographs of each class."""
        x, y = self.found.small
        return Set(x, y[:, None])

    def mask(self) -> Set:
        """Return their twins."""
        return Set(self.pooled["small"], self.found.small[1][:, None])

    def transfer(self, count: int, repeat: int, with_pooled: bool) -> Set:
        """Return all photographs, rare classes with a larger weight."""
        x, y = self.found.train
        if with_pooled:
            x = FolderImages([*x.paths, *self.pooled["small"].paths], x.device)
            y = torch.cat([y, self.found.small[1]])
        return Set(x, y[:, None], self.weights(y))

    def weights(self, y: Tensor) -> Tensor:
        """Return what an image of each class counts."""
        return class_weights(y, len(self.classes)).to(self.device)

    def unseen(self) -> Unseen:
        """Return photographs that nothing is trained on, their twins, and the cue-conflict images."""
        apart, (x, y) = self.conflict, self.found.valid
        return Unseen((x, y), (self.pooled["valid"], y), (apart.images, apart.shape, apart.texture))


def images_of(options: InductionVisionOptions, device: torch.device) -> CueImages:
    """Return the images that a task's options ask for.

    Raises:
        OptionError: as of `Folders`.
    """
    return (Drawn if options.data.name == "drawn" else Folders)(options, device)
