"""Options of supermasks in superposition: many tasks, one after the other or side by side, in one network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from core.conditions import unless, when
from core.errors import OptionError
from core.limits import BatchSize, Count, CountFrom0, Few, Positive, Range, Rate, Real, Strength, Width
from core.option_groups import RunOptions, TaskOptions, TrainOptions, fixed
from masks.options import MaskConfig, mask_options
from tasks.image_options import ManyImageOptions
from tasks.random_net_options import RandomNetOptions


@dataclass(frozen=True)
class SequenceOptions:
    """The tasks."""

    kind: Literal["permuted", "rotated", "split"] = "permuted"
    """What a task is: the pixels in an order of its own, the images at its own angle, or some of the classes."""
    count: Few = 10
    """Number of tasks."""
    angle: Real = 10.0
    """Degrees between a task and the next, of rotated."""
    classes: Annotated[int, Range(2, 10_000)] = 2
    """Classes per task, of split."""
    ordered: bool = False
    """Split the classes in their order, and not by a permutation that the seed draws."""
    relabel: bool = True
    """Label the classes of a task from 0; false: as they are labelled in the images' set."""

    only_with: ClassVar = {
        "angle": when("kind", "rotated"),
        "classes": when("kind", "split"),
        "ordered": when("kind", "split"),
        "relabel": when("kind", "split"),
    }


@dataclass(frozen=True)
class SequenceImages(ManyImageOptions):
    """The images that the tasks are made from."""

    name: Literal["cifar10", "cifar100", "mnist", "digits", "imagenet"] = "mnist"
    """Which; digits are sklearn's 1,797 of 8x8 and need no download; imagenet is read from <run.cache>/imagenet/train
    and /val, a folder for each class."""


@dataclass(frozen=True)
class SupermaskKind(MaskConfig):
    """The masks; nothing pays for the weights that they keep."""

    init: Real | None = None
    """First value of every score; none: drawn as torch draws a weight, U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    penalty: Strength = 0.0
    """Weight of the regulariser: the loss gets penalty / batch size * (the method's penalty)."""


@dataclass(frozen=True)
@fixed(beta2=TrainOptions.beta2, eps=TrainOptions.eps, decay_at=(), decay=TrainOptions.decay)
class SequenceTraining(TrainOptions):
    """Training of a task."""

    steps: Count = 1000
    """Number of optimiser steps for each task."""
    lr: Rate = 1e-4
    """Learning rate of what belongs to a task: its scores, its head, its vectors."""
    weights_lr: Rate | None = None
    """Learning rate of everything while the network's own weights are trained; none: train.lr."""
    optimizer: Literal["adam", "sgd", "rmsprop"] = "rmsprop"
    """adam, sgd with momentum, or rmsprop (alpha 0.99)."""
    schedule: Literal["constant", "cosine", "inverse_sqrt"] = "constant"
    """Learning rate after the warm-up: constant; cosine to zero at the last step; inverse_sqrt: falling as
    1 / sqrt(step), from lr at the end of the warm-up."""
    grad_clip: Positive | None = None
    """Largest global gradient norm; none turns clipping off."""
    eval_every: Count = 1000
    """Steps between validations."""
    eval_batch_size: BatchSize = 1000
    """Examples per forward pass of a measurement."""


@dataclass(frozen=True)
@fixed(warmup=0, schedule="constant", weights_lr=None, eval_every=1000)
class StreamTraining(SequenceTraining):
    """Training of a task; its stretches begin at one rate, and are measured when they end."""


@dataclass(frozen=True)
class InferenceOptions:
    """Which task is this batch?"""

    strategy: Literal["none", "one-shot", "binary", "gradient", "exhaustive"] = "one-shot"
    """One derivative, halving the tasks until one is left, descent on the mixture, or a forward pass for each task."""
    objective: Literal["H", "G"] = "H"
    """The entropy of the outputs, or the logsumexp whose gradient goes through superfluous outputs alone."""
    images: BatchSize = 1
    """The first images of a batch, from which its task is inferred."""
    batch_size: BatchSize = 128
    """Test images that are of one task and get one answer."""
    batches: Count | None = None
    """Use only the first batches of each task; none: all."""

    only_with: ClassVar = {
        "objective": when("strategy", "one-shot", "binary", "gradient"),
        **{name: unless("strategy", "none") for name in ("images", "batch_size", "batches")},
    }

    def __post_init__(self) -> None:
        if self.images > self.batch_size:
            raise OptionError(f"infer.images={self.images} is more than infer.batch_size={self.batch_size}")


@dataclass(frozen=True)
class ManyTasksOptions(TaskOptions, RandomNetOptions):
    """What supsup and supsup_nns share; `train_weights_for` and `transfer` stand among the options of supsup."""

    if TYPE_CHECKING:

        @property
        def train_weights_for(self) -> int | None: ...

        @property
        def transfer(self) -> str: ...

    layer_sizes: tuple[Width, ...] = (300, 100)
    """Widths of the hidden layers of fc."""
    outputs: Width | None = None
    """Outputs of the network; those beyond the classes are superfluous, and tell tasks apart. none: the classes."""
    tasks: SequenceOptions = field(default_factory=SequenceOptions)
    data: SequenceImages = field(default_factory=SequenceImages)
    train: SequenceTraining = field(default_factory=SequenceTraining)
    mask: SupermaskKind = field(default_factory=mask_options("threshold", SupermaskKind, "threshold"))
    infer: InferenceOptions = field(default_factory=InferenceOptions)
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True)
class SupSupOptions(ManyTasksOptions):
    """Many tasks in one network; which task it is is known in training, and told or inferred in the test."""

    learner: Literal["masks", "batch_ensemble", "heads", "rotation"] = "masks"
    """What a task is: a mask, two vectors for each layer, a last layer, or a random rotation of each layer's inputs."""
    transfer: Literal["none", "scores"] = "none"
    """First scores of a task: drawn, or the mean of the last scores of all tasks before it."""
    train_weights_for: CountFrom0 | None = 0
    """The network's own weights are trained for the first so many tasks; none: for all."""
    tasks_at_once: Few = 1
    """Tasks trained in one pass; each as if it were alone."""
    evaluate_at: tuple[Count, ...] = ()
    """Numbers of learned tasks after which all of them are tested, besides the last."""

    only_with: ClassVar = {  # train.weights_lr may always be given, as a grid over train_weights_for does
        "mask": when("learner", "masks"),
        "affine": unless("train_weights_for", 0),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask.method == "signed-popup":
            raise OptionError("mask.method=signed-popup: a task is kept as a bit for each weight, which has no sign")
        if self.tasks_at_once > self.tasks.count:
            raise OptionError(f"tasks_at_once={self.tasks_at_once} is more than tasks.count={self.tasks.count}")
        if self.tasks_at_once > 1:
            if self.train_weights_for != 0:
                raise OptionError(f"tasks_at_once={self.tasks_at_once} would train one set of weights for all of them: "
                                  "train_weights_for=0")  # fmt: skip
            if self.transfer != "none":
                raise OptionError(f"transfer={self.transfer} takes the tasks one after the other: tasks_at_once=1")
            if self.train.grad_clip is not None:
                raise OptionError(f"train.grad_clip={self.train.grad_clip} would couple the tasks: tasks_at_once=1")
        if self.learner == "rotation" and self.train_weights_for == 0:
            raise OptionError("learner=rotation has nothing to train but the weights: train_weights_for=none")
        if self.transfer != "none" and self.learner != "masks":
            raise OptionError(f"transfer={self.transfer} is of masks; learner={self.learner}")
        if self.infer.strategy != "none" and (self.learner != "masks" or self.train_weights_for != 0):
            raise OptionError(f"infer.strategy={self.infer.strategy} needs masks on weights that stay: learner=masks, "
                              "train_weights_for=0; or infer.strategy=none")  # fmt: skip
        wrong = [n for n in self.evaluate_at if not 1 <= n <= self.tasks.count]
        if wrong:
            raise OptionError(f"evaluate_at={wrong[0]}: there are {self.tasks.count} tasks (tasks.count)")


@dataclass(frozen=True)
@fixed(affine=False, scale="none")
class NNsOptions(ManyTasksOptions):
    """A stream of tasks whose borders nobody tells: a new mask is begun when none of the known ones fits."""

    revision: ClassVar[int] = 2
    train_weights_for: ClassVar[int] = 0  # which supsup lets one choose, as it does `affine` and `scale`
    transfer: ClassVar[str] = "none"

    train: StreamTraining = field(default_factory=StreamTraining)
    outputs: Width | None = 100
    """Outputs of the network; those beyond the classes are superfluous, and tell tasks apart. none: the classes."""
    check_every: Count = 100
    """Steps between two questions which mask the stream needs."""
    threshold: Strength = 1.125
    """A new mask is begun where k * max softmax(-dH/dalpha) is below this."""
    references: Annotated[int, Range(2, 10_000)] = 5
    """Masks to compare with, at least; as long as fewer are learned, random ones stand in."""
    budget: Few | None = None
    """Masks at most; none: as many as there are tasks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train.steps % self.check_every:
            raise OptionError(f"train.steps={self.train.steps} is no multiple of check_every={self.check_every}")
        if self.mask.method != "threshold" or getattr(self.mask, "threshold", 0) != 0:
            raise OptionError(f"mask.method={self.mask.method}: a mask that the stream comes back to is taken up again "
                              "from its bits, which only threshold masks allow, at mask.threshold=0")  # fmt: skip
