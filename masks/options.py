"""The options of mask training, and the table of mask methods. Does not import torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from typing import Annotated, ClassVar, Literal, TypeVar

from core.cached import cached
from core.limits import BatchSize, Count, CountFrom0, Few, Items, Positive, Rate, Real, Strength
from core.option_groups import TrainOptions
from core.options import leaves
from core.registry import Registry
from masks.methods.method import MaskMethod

METHODS: Registry[type[MaskMethod]] = Registry(
    "mask method",
    {
        "gumbel": "masks.methods.gumbel:Gumbel",
        "threshold": "masks.methods.threshold:Threshold",
        "magnitude": "masks.methods.magnitude:Magnitude",
        "edge-popup": "masks.methods.edge_popup:EdgePopup",
        "signed-popup": "masks.methods.signed_edge_popup:SignedPopup",
        "bernoulli": "masks.methods.bernoulli:Bernoulli",
        "continuous-sparsification": "masks.methods.continuous_sparsification:ContinuousSparsification",
        "hard-concrete": "masks.methods.hard_concrete:HardConcrete",
    },
)


Patterns = Annotated[tuple[str, ...], Items(least=1)]


@dataclass(frozen=True)
class ScoreConfig:
    """How scores become masks; a method adds its own options and removes those that it does not use.

    Attributes:
        of_method: method -> option -> default, where a task's is another one than the method's own.
    """

    of_method: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    method: str = "gumbel"
    """Mask method, which turns scores into masks: gumbel, threshold, magnitude, edge-popup, signed-popup, bernoulli,
    continuous-sparsification, hard-concrete. Determines which further mask.* options exist."""
    unit: Literal["weight", "output", "input", "head", "tensor"] = "weight"
    """The unit that has one score, and is kept or dropped as a whole: each weight; all weights into an output (neuron
    or channel; each entry of a bias) or out of an input; an attention head; a whole tensor. Penalties, densities and
    mask.keep count weights."""
    init: Real | None = 2.0
    """Initial value of every score; sigmoid(2) = 0.88 is the initial probability of keeping a weight. none: each score
    is drawn from torch's default initialisation, U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""


@dataclass(frozen=True)
class MaskConfig(ScoreConfig):
    """The masks, and which parameters are masked."""

    include: Patterns = ("*",)
    """Parameters to mask, by dotted name; * and ? are wildcards."""
    exclude: tuple[str, ...] = ("*embedding*",)
    """Parameters that are never masked, by dotted name; * and ? are wildcards."""


@dataclass(frozen=True)
class MaskOptions(MaskConfig):
    """Training of the masks on the trained network."""

    penalty: Strength = 1e-4
    """Weight of the regulariser: penalty / batch size * (the method's penalty) is added to the loss."""
    bias: bool = True
    """Mask biases too."""
    steps: Count = 20_000
    """Number of optimiser steps per mask."""
    samples: Few = 4
    """K: number of masks sampled per step; chunk i of the batch goes through mask i."""
    batch_size: BatchSize | None = None
    """Examples per step, a multiple of mask.samples; none: train.batch_size."""
    lr: Rate = 1e-2
    """Learning rate of Adam on the scores."""
    warmup: CountFrom0 = 0
    """Steps over which the learning rate rises linearly."""
    grad_clip: Positive | None = None
    """Maximum global norm of the scores' gradient; none: train.grad_clip."""

    def training(self, eval_every: int, grad_clip: float | None = None) -> TrainOptions:
        """Return how scores are trained: by Adam with torch's betas and eps, whatever trains the network's weights.

        Args:
            eval_every: steps between validations.
            grad_clip: largest global norm of the gradient where mask.grad_clip is none.
        """
        clip = grad_clip if self.grad_clip is None else self.grad_clip
        return TrainOptions(lr=self.lr, warmup=self.warmup, grad_clip=clip, eval_every=eval_every)


Config = TypeVar("Config", bound=ScoreConfig)


@cached
def mask_options(method: str, base: type[Config], default: str = "gumbel") -> type[Config]:
    """Return the options dataclass of a method: those of `base` that it uses, then its own.

    Args:
        method: its name.
        base: the options that the task has for every method.
        default: the task's default method, which a run's signature leaves out.

    Raises:
        OptionError: no such method.
    """
    cls = METHODS[method]
    of_task = base.of_method.get(method, {})
    own = [
        (name, leaf.type, dataclasses.field(default=of_task.get(name, leaf.default)))
        for name, leaf in leaves(cls).items()
    ]
    if cls.init_value is not None:
        own.append(("init", Real | None, dataclasses.field(default=of_task.get("init", cls.init_value))))
    own.append(("method", str, dataclasses.field(default=default)))
    there = {field.name: field.default for field in dataclasses.fields(base)}
    own += [(name, ClassVar[object], there[name]) for name in cls.unused if name in there]  # a value, and no option
    # `--help` reads the new fields' meaning from the method's docstring
    more = {"__doc__": cls.__doc__, "revision": cls.revision, "only_with": vars(cls).get("only_with", {})}
    return make_dataclass(f"{cls.__name__}Options", own, bases=(base,), frozen=True, namespace=more)


def method_of(options: ScoreConfig) -> MaskMethod:
    """Return the method with the values chosen in the options."""
    cls = METHODS[options.method]
    return cls(**{field.name: getattr(options, field.name) for field in dataclasses.fields(cls)})
