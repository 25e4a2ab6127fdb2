"""The contract of a mask method: how real-valued scores become the K masks of a forward pass."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.values import check_limits

if TYPE_CHECKING:  # options are read without torch
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class MaskMethod(ABC):
    """A family of pure functions; a method's fields are its options (`mask.<field>`).

    All shapes below: `weight` and `scores` [...]; K samples are stacked in front. A score is one of a weight, or of a
    unit of weights (masks/units.py), which all functions but `init` take for one entry.

    Attributes:
        elementwise: an entry's mask depends on no other entry, so tensors may be sampled side by side as one.
        random: samples are drawn; else all of them are the deterministic mask.
        signed: masks are -1, 0 and 1; -1 keeps a weight with its sign flipped.
        relaxed: samples lie in [0, 1] and are differentiable; others are 0 and 1 with a gradient of the method's own.
        learns: False: scores are a measure of the weights and get no gradient; that of a unit is the mean over it.
        init_value: the default of `mask.init`; None: that of the task.
        reduction: how the penalties of entries become one number: their sum over all weights ("sum"), its mean over
            all weights ("mean"), or the mean over tensors of each one's mean ("tensor_mean").
        unused: options of mask training that play no part; a task does not have them with this method.
        revision: goes up when a correction changes what the same options compute; see `core.options.revisions`.
    """

    revision: ClassVar[int] = 1
    elementwise: ClassVar[bool] = False
    random: ClassVar[bool] = False
    signed: ClassVar[bool] = False
    relaxed: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    init_value: ClassVar[float | None] = None
    reduction = "sum"
    unused: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_limits(self, "mask.")

    @property
    def global_scope(self) -> bool:
        """True: a subnet's tensors are masked as one, laid flat; what is kept of one depends on the others.

        Only a `GlobalMethod` can be so.
        """
        return False

    @property
    def by_shape(self) -> bool:
        """True: how much is kept depends on the shape of the weight, so that scores must be of single weights."""
        return False

    def at(self, progress: float) -> MaskMethod:
        """Return the method as it is when this part of the training is done, 0 at the first step and 1 at the last.

        A method that anneals returns a copy with other fields; nothing but `progress` may decide which. Deterministic
        masks are always those of `at(1)`.
        """
        return self

    @property
    def annealed(self) -> dict[str, float]:
        """What `at` changes, by name: logged beside every evaluation."""
        return {}

    def init(self, weight: Tensor, init_value: float | None, rng: torch.Generator) -> Tensor:
        """Return the first scores of a weight: `init_value` everywhere, unless the method has its own rule.

        None: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch draws a weight.
        """
        if init_value is not None:
            return weight.detach().new_full(weight.shape, init_value)
        from layers.init import torch_default

        scores = weight.detach().new_empty(weight.shape, device=rng.device)  # the same numbers on every device
        if weight.dim() < 2:
            scores.uniform_(-1, 1, generator=rng).div_(math.sqrt(max(1, weight.numel())))
        else:
            torch_default(scores, None, rng)
        return scores.to(weight.device)

    @abstractmethod
    def sample(self, scores: Tensor, k: int, seed: int) -> Tensor:
        """Return K masks [k, ...] of 0 and 1 as numbers, relaxed ones of [0, 1], differentiable in the scores.

        The noise is a function of (seed, k, entry) only.
        """

    def masked_weight(self, weight: Tensor, scores: Tensor, k: int, seed: int) -> Tensor:
        """Return `weight * sample(scores, k, seed)` [k, ...]; a method may have a faster way to the same."""
        return weight * self.sample(scores, k, seed)

    @abstractmethod
    def hard(self, scores: Tensor) -> Tensor:
        """Return the deterministic mask [...] as booleans; a signed one as int8."""

    @abstractmethod
    def penalty(self, scores: Tensor) -> Tensor:
        """Return the scalar that `mask.penalty` multiplies, a sum over entries: it falls as fewer are kept."""


class GlobalMethod(MaskMethod):
    """A method that can mask all tensors of a subnet as one, laid flat: where its `global_scope` is True."""

    @abstractmethod
    def sample(self, scores: Tensor, k: int, seed: int, covers: Tensor | None = None) -> Tensor:
        """Return K masks; `covers` [...] is how many weights each entry stands for, None: one."""

    @abstractmethod
    def hard(self, scores: Tensor, covers: Tensor | None = None) -> Tensor:
        """Return the deterministic mask; `covers` as of `sample`."""
