"""Tasks whose masks are trained on subsets of image classes: their common data, networks and scores."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from analysis.accuracy import accuracy
from core.errors import OptionError
from core.store import Run
from core.trackers import Mirrors
from data.augment import cropped_and_flipped
from data.image_sets import standardised_images
from data.outline import Outline, image_outline
from layers.eval_mode import outputs
from masks.algebra import Masks
from masks.masking import Hard
from masks.model import Masking
from models.cifar import conv_net, layer_groups
from tasks.modularity.class_options import ClassOptions, ConvNetOptions
from tasks.sizes import check_at_most
from tasks.subnets import SubnetTask

EVAL_BATCH = 1000
Batch = tuple[Tensor, Tensor]


ClassT = TypeVar("ClassT", bound=ClassOptions)


class ClassTask(SubnetTask[ClassT]):
    """Base of these: a subtask is a set of classes, on whose images its mask is trained."""

    model: nn.Sequential
    middle_is_early = True

    def __init__(self, options: ClassT, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.sets = tuple(name for name in ("valid", "test", "seen") if name == "seen" or name in self.outline.sizes)
        check_at_most(options, "seen_size", self.outline.sizes["train"], "training images")
        if options.keep_last_layer:
            last = self.groups()[-1]
            self.from_control = frozenset(last) & frozenset(self.masked.weights)
            if not self.from_control:
                raise OptionError(f"keep_last_layer=true, but {' and '.join(last)} are not masked; see mask.exclude")

    @cached_property
    def images(self) -> dict[str, Batch]:
        """The sets "train", "valid" (unless nothing is held out), "test", and "seen", a part of "train"."""
        sets = standardised_images(self.options.data, self.options.run.cache, self.device)
        x, y = sets["train"]
        return sets | {"seen": (x[: self.options.seen_size], y[: self.options.seen_size])}

    @cached_property
    def outline(self) -> Outline:
        """What is known of the images before they are loaded."""
        return image_outline(self.options.data, self.options.run.cache)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.outline.classes

    @property
    def channels(self) -> int:
        """The number of channels of an image."""
        return self.outline.shape[0]

    @abstractmethod
    def classes_of(self, subtask: str) -> tuple[int, ...]:
        """Return the classes whose images a subtask's mask is learned from."""

    def make_model(self, rng: torch.Generator) -> nn.Sequential:
        options = self.options
        assert isinstance(options, ConvNetOptions)  # or the task has a network of its own
        return conv_net(self.channels, self.classes, rng, options.width, options.dropout)

    def groups(self) -> list[list[str]]:
        """Return the network's parameter names by layer, or stage of layers, from input to output."""
        return layer_groups(self.model)

    @property
    def best(self) -> str:
        """The key that marks the best checkpoint."""
        return "valid/accuracy/total" if "valid" in self.outline.sizes else ""

    @cached_property
    def black(self) -> Tensor:
        """A black pixel, [C, 1, 1]."""
        return self.images["train"][0].amin((0, 2, 3)).view(-1, 1, 1)

    def of_subtask(self, name: str, subtask: str | None) -> Tensor:
        """Return the numbers of a set's images that belong to a subtask, to all for None."""
        y = self.images[name][1]
        if subtask is None:
            return torch.arange(len(y), device=self.device)
        return torch.isin(y, torch.tensor(self.classes_of(subtask), device=self.device)).nonzero()[:, 0]

    @cached_property
    def drawn_from(self) -> dict[str | None, Tensor]:
        """The training images of every subtask."""
        return {subtask: self.of_subtask("train", subtask) for subtask in (None, *self.subtasks)}

    def draw(self, rng: torch.Generator, size: int, subtask: str | None) -> Batch:
        """Draw training images with replacement."""
        x, y = self.images["train"]
        mine = self.drawn_from[subtask]
        index = mine[torch.randint(len(mine), (size,), generator=rng).to(self.device)]
        drawn = x[index]
        return cropped_and_flipped(drawn, self.black, rng) if self.options.data.augment else drawn, y[index]

    def loss(self, batch: Batch, subtask: str | None, masking: Masking | None) -> Tensor:
        """Return the mean cross entropy."""
        x, y = batch
        return cross_entropy(self.masked(x, masking), y)

    def logits(self, masking: Masking | None, x: Tensor) -> Tensor:
        """Return the network's outputs [N, classes], in eval mode."""
        size = self.options.train.eval_batch_size or EVAL_BATCH
        return outputs(self.model, lambda part: self.masked(part, masking), x, size)

    def measure(self, masking: Masking | None, subtask: str | None) -> dict[str, float]:
        """Return loss and accuracy on the held-out and the seen images of the subtask's classes."""
        numbers = {}
        for name in self.images.keys() & {"valid", "seen"}:
            index = self.of_subtask(name, subtask)
            x, y = (tensor[index] for tensor in self.images[name])
            logits = self.logits(masking, x)
            numbers[f"{name}/loss"] = cross_entropy(logits, y).item()
            numbers[f"{name}/accuracy/total"] = accuracy(logits, y)
        return dict(sorted(numbers.items()))

    def confusion(self, masking: Masking | None, name: str) -> Tensor:
        """Count a set's images by class (row) and by the network's answer (column): [classes, classes] int64."""
        x, y = self.images[name]
        answers = self.logits(masking, x).argmax(1)
        return torch.bincount(y * self.classes + answers, minlength=self.classes**2).view(self.classes, -1)

    def accuracy(self, masking: Masking | None, name: str) -> dict[str, float]:
        """Return accuracy/total and that of each class."""
        counts = self.confusion(masking, name).double()
        right = counts.diagonal()
        each = (right / counts.sum(1).clamp(min=1)).tolist()
        numbers = {"accuracy/total": (right.sum() / counts.sum()).item()}
        return numbers | {f"accuracy/{i}": value for i, value in enumerate(each)}

    def extra(self, subnet: str, masks: Masks) -> dict[str, float]:
        """Write arrays/confusion_<subnet>.npz, of the test images."""
        self.run.write_arrays(f"confusion_{subnet}", counts=self.confusion(Hard(subnet), "test").cpu().numpy())
        return {}
