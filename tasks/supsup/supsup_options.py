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
    """What defines a task: a permutation of the pixels, a rotation of the images, or a subset of the classes."""
    count: Few = 10
    """Number of tasks."""
    angle: Real = 10.0
    """Angle between consecutive tasks with kind=rotated, in degrees."""
    classes: Annotated[int, Range(2, 10_000)] = 2
    """Classes per task with kind=split."""
    ordered: bool = False
    """Split the classes in order; false: in a random order drawn from the seed."""
    relabel: bool = True
    """Label the classes of each task from 0; false: keep the dataset's labels."""

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
    """Dataset; digits are scikit-learn's 1,797 images of 8x8 and need no download; imagenet is read from
    <run.cache>/imagenet/train and /val, with a folder per class."""


@dataclass(frozen=True)
class SupermaskKind(MaskConfig):
    """The masks; by default, keeping weights is not penalised."""

    init: Real | None = None
    """Initial value of every score; none: drawn from torch's default initialisation, U(-1/sqrt(fan_in),
    1/sqrt(fan_in))."""
    penalty: Strength = 0.0
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""


@dataclass(frozen=True)
@fixed(beta2=TrainOptions.beta2, eps=TrainOptions.eps, decay_at=(), decay=TrainOptions.decay)
class SequenceTraining(TrainOptions):
    """Training of a task."""

    steps: Count = 1000
    """Number of optimiser steps per task."""
    lr: Rate = 1e-4
    """Learning rate of the parameters of a task: its scores, its head, its vectors."""
    weights_lr: Rate | None = None
    """Learning rate of all parameters while the network's weights are trained; none: train.lr."""
    optimizer: Literal["adam", "sgd", "rmsprop"] = "rmsprop"
    """adam, sgd with momentum, or rmsprop (alpha 0.99)."""
    schedule: Literal["constant", "cosine", "inverse_sqrt"] = "constant"
    """Learning rate after the warm-up: constant; cosine: decays to zero at the last step; inverse_sqrt: proportional to
    1 / sqrt(step), from lr at the end of the warm-up."""
    grad_clip: Positive | None = None
    """Maximum global gradient norm; none: no clipping."""
    eval_every: Count = 1000
    """Steps between validations."""
    eval_batch_size: BatchSize = 1000
    """Examples per forward pass of an evaluation."""


@dataclass(frozen=True)
@fixed(warmup=0, schedule="constant", weights_lr=None, eval_every=1000)
class StreamTraining(SequenceTraining):
    """Training on a stream; the learning rate is constant, and evaluation is at the boundary checks."""


@dataclass(frozen=True)
class InferenceOptions:
    """Task inference at test time."""

    strategy: Literal["none", "one-shot", "binary", "gradient", "exhaustive"] = "one-shot"
    """How the task is inferred: by a single derivative, by halving the set of tasks until one is left, by gradient
    descent on the mixture, or by a forward pass per task; none: not at all."""
    objective: Literal["H", "G"] = "H"
    """H: entropy of the outputs; G: logsumexp, whose gradient flows through superfluous outputs only."""
    images: BatchSize = 1
    """Number of images at the start of a batch from which its task is inferred."""
    batch_size: BatchSize = 128
    """Number of test images of the same task for which one task is inferred."""
    batches: Count | None = None
    """Number of batches of each task to use, the first ones; none: all."""

    only_with: ClassVar = {
        "objective": when("strategy", "one-shot", "binary", "gradient"),
        **{name: unless("strategy", "none") for name in ("images", "batch_size", "batches")},
    }

    def __post_init__(self) -> None:
        if self.images > self.batch_size:
            raise OptionError(f"infer.images={self.images} is more than infer.batch_size={self.batch_size}")


@dataclass(frozen=True)
class ManyTasksOptions(TaskOptions, RandomNetOptions):
    """Options shared by supsup and supsup_nns; `train_weights_for` and `transfer` stand among the options of supsup."""

    if TYPE_CHECKING:

        @property
        def train_weights_for(self) -> int | None: ...

        @property
        def transfer(self) -> str: ...

    layer_sizes: tuple[Width, ...] = (300, 100)
    """Widths of the hidden layers of fc."""
    outputs: Width | None = None
    """Number of outputs; those beyond the number of classes are superfluous and help to distinguish tasks. none: one
    per class."""
    tasks: SequenceOptions = field(default_factory=SequenceOptions)
    data: SequenceImages = field(default_factory=SequenceImages)
    train: SequenceTraining = field(default_factory=SequenceTraining)
    mask: SupermaskKind = field(default_factory=mask_options("threshold", SupermaskKind, "threshold"))
    infer: InferenceOptions = field(default_factory=InferenceOptions)
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True)
class SupSupOptions(ManyTasksOptions):
    """Many tasks in one network; the task is given in training, and given or inferred at test time."""

    learner: Literal["masks", "batch_ensemble", "heads", "rotation"] = "masks"
    """What is learned or drawn per task: a mask, two vectors for each layer, an output layer, or a random rotation of
    each layer's inputs."""
    transfer: Literal["none", "scores"] = "none"
    """Initial scores of a task: as set by mask.init (none), or the mean of the final scores of all earlier tasks
    (scores)."""
    train_weights_for: CountFrom0 | None = 0
    """Number of tasks, from the first, for which the network's weights are trained; none: all."""
    tasks_at_once: Few = 1
    """Number of tasks trained in one pass, each as if it were alone."""
    evaluate_at: tuple[Count, ...] = ()
    """Numbers of learned tasks after which all of them are tested, besides after the last."""

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
    """A stream of tasks with unknown task boundaries: a new mask is started when none of the existing ones fits."""

    revision: ClassVar[int] = 2
    train_weights_for: ClassVar[int] = 0  # which supsup lets one choose, as it does `affine` and `scale`
    transfer: ClassVar[str] = "none"

    train: StreamTraining = field(default_factory=StreamTraining)
    outputs: Width | None = 100
    """Number of outputs; those beyond the number of classes are superfluous and help to distinguish tasks. none: one
    per class."""
    check_every: Count = 100
    """Steps between boundary checks, which determine the mask that the stream needs."""
    threshold: Strength = 1.125
    """A new mask is started if k * max softmax(-dH/dalpha) is below this."""
    references: Annotated[int, Range(2, 10_000)] = 5
    """Minimum number of masks to compare with; random masks are added while fewer have been learned."""
    budget: Few | None = None
    """Maximum number of masks; none: the number of tasks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train.steps % self.check_every:
            raise OptionError(f"train.steps={self.train.steps} is no multiple of check_every={self.check_every}")
        if self.mask.method != "threshold" or getattr(self.mask, "threshold", 0) != 0:
            raise OptionError(f"mask.method={self.mask.method}: a mask that the stream comes back to is taken up again "
                              "from its bits, which only threshold masks allow, at mask.threshold=0")  # fmt: skip
