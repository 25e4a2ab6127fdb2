"""Options of the task induction_vision: does a subnetwork for shapes carry a bias for shape into another network?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from core.conditions import unless, when
from core.errors import OptionError
from core.limits import (
    BatchSize,
    Count,
    CountFrom0,
    Examples,
    Few,
    Fraction,
    HeldOut,
    Items,
    Path,
    Positive,
    Rate,
    Strength,
)
from core.option_groups import RunOptions, TaskOptions, TrainOptions, fixed
from masks.options import METHODS, MaskOptions, mask_options
from tasks.induction.conditions_options import WITH_BASE, WITH_MASK, GraftOptions

Condition = Literal[
    "subnet", "random", "complement", "inverse", "magnitude", "rest", "full", "scratch", "augmented"
]  # fmt: skip
DRAWN = ("base_size", "base_pooled", "mask_size", "transfer_size", "test_size", "ambiguous_size")
OF_LEARNING = ("steps", "samples", "batch_size", "lr", "weight_decay", "warmup", "grad_clip", "eval_every")
IN_FOLDERS = ("source", "images", "evaluation", "pooled", "conflict", "most", "held_out")


@dataclass(frozen=True)
class CueOptions:
    """Images with two cues, shape and texture, their mean-pooled twins, and images whose cues contradict each other."""

    name: Literal["drawn", "folders"] = "drawn"
    """drawn: shapes of 32x32 filled with textures, made by this program; folders: photographs, such as the 16 classes
    of ImageNet, their twins of `python -m data.mean_pool`, and cue-conflict images."""
    base_size: Examples = 6000
    """Images that the base learns from; each shape has each texture."""
    base_pooled: Fraction = 0.25
    """Fraction of them that are mean-pooled, so that the base knows such images."""
    mask_size: Examples = 3000
    """Mean-pooled images that the mask learns from."""
    transfer_size: Examples = 1000
    """Images of the transfer, whose shape says what the texture says."""
    test_size: Examples = 1500
    """Images for the test whose shape and texture contradict each other, each with its mean-pooled twin."""
    ambiguous_size: Examples = 600
    """Images for the test whose shape says what the texture says."""
    source: Path | None = None
    """A folder for each class, or <class>.txt with file names; none: <run.cache>/sixteen_classes."""
    images: Path | None = None
    """Where all images lie, of which `pooled` is the twin; none: `source`, or <run.cache>/imagenet/train where
    that has lists of names."""
    evaluation: Path | None = None
    """The evaluation set, a folder as `source`; none: a part of each class. No such image is trained on."""
    pooled: Path | None = None
    """The mean-pooled twin of `images`; none: <run.cache>/sixteen_classes_pooled."""
    conflict: Path | None = None
    """The cue-conflict images, as cat/cat7-elephant1.png; none: <run.cache>/cue_conflict."""
    most: Examples = 1000
    """Images of a class that base, mask and evaluation set take together; the transfer takes all others as well."""
    held_out: HeldOut = 0.1
    """Fraction of those for evaluation."""

    only_with: ClassVar = {name: when("name", "drawn") for name in DRAWN} | {
        name: when("name", "folders") for name in IN_FOLDERS
    }


@dataclass(frozen=True)
@fixed(eval_batch_size=None)  # the task has one for all stages
class CueTraining(TrainOptions):
    """Training of a network on images."""

    steps: Count = 800
    """Number of optimiser steps."""
    batch_size: BatchSize = 64
    """Images per step."""
    lr: Rate = 3e-3
    """Learning rate."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adamw"
    """adam, adamw (whose weight decay is no part of the gradient), sgd with momentum, or rmsprop (alpha 0.99)."""
    weight_decay: Strength = 0.01
    """The optimiser's own weight decay."""
    warmup: CountFrom0 = 20
    """Steps over which the learning rate rises linearly from lr / warmup."""
    schedule: Literal["constant", "linear", "cosine", "step", "inverse_sqrt"] = "cosine"
    """Learning rate after the warm-up: constant; linear or cosine to zero at the last step; step: times `decay` after
    each of `decay_at` steps; inverse_sqrt: falling as 1 / sqrt(step), from lr at the end of the warm-up."""
    grad_clip: Positive | None = None
    """Largest global gradient norm; none turns clipping off."""
    eval_every: Count = 200
    """Steps between measurements."""


@dataclass(frozen=True)
class BaseOptions(CueTraining):
    """Training of the base, the donor of all that is transferred."""

    head_only: bool = False
    """Train the last layer alone, as one adapts a network with `pretrained` weights to other classes."""


@dataclass(frozen=True)
class CueMaskOptions(MaskOptions):
    """Training of the mask on mean-pooled images."""

    penalty: Strength = 3.0
    """Weight of the regulariser: the loss gets penalty * (the method's penalty)."""
    exclude: tuple[str, ...] = ("heads.*", "fc.*")
    """Weights never masked, besides embeddings and norms, which never are; the heads by default."""
    bias: bool = False
    """Mask the biases of those layers too."""
    steps: Count = 300
    """Number of optimiser steps."""
    samples: Few = 1
    """K: masks drawn for each step; chunk i of the batch goes through mask i."""
    batch_size: BatchSize | None = 64
    """Images per step; none: train.batch_size. A multiple of mask.samples."""
    lr: Rate = 0.1
    """Learning rate of AdamW on the scores."""
    weight_decay: Strength = 0.0
    """Scores shrink by lr times it at every step."""
    grad_clip: Positive | None = None
    """Largest global norm of the scores' gradient; none: not clipped."""
    eval_every: Count = 100
    """Steps between measurements."""

    of_method: ClassVar = {"continuous-sparsification": {"reduction": "tensor_mean", "init": 0.1}}
    only_with: ClassVar = {name: unless("method", "magnitude") for name in OF_LEARNING}


@dataclass(frozen=True)
class TransferOptions(CueTraining, GraftOptions):
    """Training on normal images, from the subnetwork and from its controls."""

    steps: Count = 150
    """Number of optimiser steps of each transfer."""
    batch_size: BatchSize = 32
    """Images per step."""
    lr: Rate = 2e-3
    """Learning rate."""
    eval_every: Count = 30
    """Steps between measurements."""
    conditions: Annotated[tuple[Condition, ...], Items(least=1)] = (  # type: ignore[assignment]  # one more
        "subnet", "random", "complement", "rest", "full", "scratch", "augmented"
    )  # fmt: skip
    """subnet: the masked weights of the base; random: as many of every tensor, anywhere; complement: as many, outside
    of the mask; inverse: all outside of the mask; magnitude: as many of every tensor, those of the largest |w|; rest:
    none. What is not masked is as `inherit` says in all of these, everything else is new. full: the whole base, all
    of it trained; augmented: the same, on mean-pooled images as well; scratch: a new network."""
    head: Literal["new", "donor"] = "new"
    """The last layer is new in every condition, or the base's, which gives what the subnetwork is to bring along to
    its controls too."""
    freeze_rest: bool = False
    """Do not train what a subnetwork or its control inherits without a mask, and go on with the base's statistics of
    batch normalisation, as the original program does."""
    disambiguating: Annotated[tuple[CountFrom0, ...], Items(least=1)] = (0,)
    """n, images of a transfer whose texture contradicts their shape, which is the label; one transfer of each kind for
    each n. Fewer are the first of more."""

    @property
    def needs_base(self) -> bool:
        """True where some transfer begins with the base network."""
        return super().needs_base or "augmented" in self.conditions


@dataclass(frozen=True)
class InductionVisionOptions(TaskOptions):
    """Subtask induction on images: a mask for mean-pooled images, grafted into a network that learns normal ones."""

    model: Literal["cue_cnn", "resnet18", "vit_b_16"] = "cue_cnn"
    """cue_cnn, four convolutions; or torchvision's ResNet-18 or ViT-B/16, as they are."""
    pretrained: Path | None = None
    """A file with the weights that torchvision has for this network on ImageNet, such as resnet18-f37072fd.pth, with
    which the base begins, its last layer excepted."""
    eval_batch_size: BatchSize = 500
    """Images of a forward pass of a measurement."""
    data: CueOptions = field(default_factory=CueOptions)
    train: BaseOptions = field(default_factory=BaseOptions)
    mask: CueMaskOptions = field(
        default_factory=mask_options("continuous-sparsification", CueMaskOptions, "continuous-sparsification")
    )
    transfer: TransferOptions = field(default_factory=TransferOptions)
    run: RunOptions = field(default_factory=RunOptions)

    only_with: ClassVar[dict[str, Any]] = {
        "pretrained": unless("model", "cue_cnn"),
        "train.head_only": unless("pretrained", None),
        "data.held_out": when("data.evaluation", None),
        "transfer.disambiguating": when("data.name", "drawn"),
        "train": when("transfer.conditions", *WITH_BASE, "augmented"),
        "mask": when("transfer.conditions", *WITH_MASK),
    }

    def __post_init__(self) -> None:
        if METHODS[self.mask.method].signed:
            raise OptionError(f"mask.method={self.mask.method} turns signs round; a graft takes weights as they are")
        if self.model == "vit_b_16" and self.data.name == "drawn":
            raise OptionError("model=vit_b_16 reads images of 224x224; those of data.name=drawn have 32x32")
