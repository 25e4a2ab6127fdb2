"""MaskedModel: a network and its subnets. It runs the network through masks without modifying it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, Self

import torch
from torch import Tensor, nn

from core.errors import MaskError
from core.registry import nearest
from core.rng import key, stream
from masks.algebra import Masks
from masks.methods.method import GlobalMethod, MaskMethod
from masks.network import MaskedNetwork, Masking, freeze
from masks.units import units_of

__all__ = ["MaskedModel", "Masking", "freeze"]

HALF = (torch.float16, torch.bfloat16)  # too coarse for scores, which move by less than their last digit


class MaskedModel(MaskedNetwork):
    """A network with any number of named subnets.

    Weights get a gradient only where their `requires_grad` says so; `freeze` the network to train masks alone.

    Args:
        model: any nn.Module. What torch.compile made of one is taken out of it: compiled code has its own weights.
        method: how scores become masks.
        names: the masked parameters, by names or patterns such as "*.weight"; None: all weights, that is, parameters
            with two or more axes.
        backend: "auto", "layers", "vmap" or "loop": how K masks run at once (layers/functional/batching.py).
        unit: which weights share a score: "weight", none; "output", "input", "head", "tensor" (masks/units.py).
        batch_axis: where inputs and outputs have the batch; None: axis 0, and a layer that has time there is refused.

    Raises:
        LayerError: the model is TorchScript or runs on several devices by copies of itself.
        MaskError: a name is not a parameter of the model, or a masked parameter has no such units.
    """

    def __init__(
        self, model: nn.Module, method: MaskMethod, names: str | Sequence[str] | None = None, backend: str = "auto",
        unit: str = "weight", batch_axis: int | None = None,
    ):  # fmt: skip
        super().__init__(model, names, backend, batch_axis)
        self.method, self.unit = method, unit
        self.units = {name: units_of(self.model, name, unit) for name in self.shapes}
        if unit != "weight" and method.by_shape:
            raise MaskError(f"mask.unit={unit}: {method} counts by the shapes of single weights; mask.unit=weight")
        self._scores: dict[str, dict[str, Tensor]] = {}
        self._masks: dict[str, Masks] = {}

    def __repr__(self) -> str:
        every = sum(parameter.numel() for parameter in self.model.parameters())
        of = sum(math.prod(shape) for shape in self.shapes.values())
        frozen = not any(parameter.requires_grad for parameter in self.model.parameters())
        parts = [
            f"{len(self.shapes)} tensors with {of} of {every} weights masked",
            "frozen" if frozen else "not frozen",
        ]
        parts += [f"learning {', '.join(self._scores)}"] if self._scores else []
        parts += [f"learned {', '.join(self._masks)}"] if self._masks else []
        return f"MaskedModel({type(self.model).__name__}, {self.method}: {'; '.join(parts)})"

    def to(self, *args: Any, **keywords: Any) -> Self:
        """Move the network, as its own `to` does, and scores and masks to where their weights are.

        Scores stay the tensors that they are, so an optimiser keeps hold of them; they keep their precision.
        """
        self.model.to(*args, **keywords)
        at = {name: weight.device for name, weight in self.weights.items()}
        for scores in self._scores.values():
            for name, tensor in scores.items():
                if tensor.device != at[name]:  # the same Python object, elsewhere
                    moved = tensor.detach().to(at[name]).requires_grad_()
                    moved.grad = None if tensor.grad is None else tensor.grad.to(at[name])
                    torch.utils.swap_tensors(tensor, moved)
        for subnet, masks in self._masks.items():
            self._masks[subnet] = Masks({name: mask.to(at[name]) for name, mask in masks.items()}, masks.units)
        return self

    def parameters(self) -> Iterator[Tensor]:
        """Yield what an optimiser may train: the scores being learned, and the network's weights unless frozen."""
        for scores in self._scores.values():
            yield from scores.values()
        yield from (parameter for parameter in self.model.parameters() if parameter.requires_grad)

    @property
    def subnets(self) -> list[str]:
        """Names of all subnets, in the order they came."""
        return list(dict.fromkeys([*self._masks, *self._scores]))

    def add_scores(self, subnet: str, init_value: float | None, seed: int) -> dict[str, Tensor]:
        """Return the scores of a subnet by parameter name, new ones unless there are some already.

        Args:
            subnet: its name.
            init_value: first value of every score, where the method uses it; None: drawn at random.
            seed: for methods whose first scores are random.

        Raises:
            MaskError: the subnet is settled already.
        """
        if subnet in self._masks:
            raise MaskError(f"subnet {subnet!r} has been learned already; learn it under another name")
        if subnet not in self._scores:
            drawn = self.first_scores(subnet, init_value, seed)
            self._scores[subnet] = {name: tensor.requires_grad_() for name, tensor in drawn.items()}
        return self._scores[subnet]

    def first_scores(self, subnet: str, init_value: float | None, seed: int) -> dict[str, Tensor]:
        """Return the initial scores of a subnet of that name; see `add_scores`."""
        weights = {name: w.float() if w.dtype in HALF else w for name, w in self.weights.items()}
        drawn = {
            name: self.method.init(weight, init_value, stream(seed, "mask", "init", subnet, name))
            for name, weight in weights.items()
        }
        if self.unit == "weight":
            return drawn
        # any of a unit's own draws has their law, as its mean has not
        of = {name: unit.pick if self.method.learns else unit.mean for name, unit in self.units.items()}
        return {name: of[name](tensor).clone() for name, tensor in drawn.items()}

    def finalize(self, subnet: str) -> Masks:
        """End the learning of a subnet: keep its deterministic masks, drop its scores, return the masks."""
        masks = self.masks(subnet)
        self._scores.pop(subnet, None)
        self._masks[subnet] = masks
        return masks

    def remove(self, subnet: str) -> None:
        """Drop a subnet, its scores and its masks, if there is one of that name."""
        self._scores.pop(subnet, None)
        self._masks.pop(subnet, None)

    def add(self, subnet: str, masks: Masks) -> None:
        """Add a subnet from elsewhere.

        Raises:
            MaskError: the masks are for other tensors.
        """
        masks.check_fits(self.shapes)
        self._masks[subnet] = masks

    def scores(self, subnet: str) -> dict[str, Tensor]:
        """Return the scores of a subnet that is being learned."""
        if subnet not in self._scores:
            raise MaskError(self._unknown(subnet, self._scores, "is being learned"))
        return self._scores[subnet]

    def masks(self, subnet: str) -> Masks:
        """Return the deterministic masks of a subnet."""
        if subnet in self._scores:
            return self.hard({name: tensor.detach() for name, tensor in self._scores[subnet].items()})
        if subnet in self._masks:
            return self._masks[subnet]
        raise MaskError(self._unknown(subnet, self.subnets, "exists"))

    def drawn(self, subnet: str, seed: int) -> Masks:
        """Return one draw of the masks of a subnet that is being learned, a function of the seed."""
        return Masks({
            name: self.method.sample(tensor.detach(), 1, key(seed, name))[0].bool()
            for name, tensor in self.scores(subnet).items()
        })  # fmt: skip

    def hard(self, scores: Mapping[str, Tensor]) -> Masks:
        """Return the deterministic masks of scores, those of the method as it is at the end of the training."""
        method = self.method.at(1.0)
        if isinstance(method, GlobalMethod) and method.global_scope:
            flat = method.hard(torch.cat([tensor.flatten() for tensor in scores.values()]), self.covers)
            parts = flat.split([tensor.numel() for tensor in scores.values()])
            found = {n: part.view(scores[n].shape) for n, part in zip(scores, parts, strict=True)}
        else:
            found = {name: method.hard(tensor) for name, tensor in scores.items()}
        if self.unit == "weight":
            return Masks(found)
        return Masks({name: self.units[name].spread(mask) for name, mask in found.items()}, self.units)

    @property
    def covers(self) -> Tensor | None:
        """The number of weights that each score of all tensors, laid flat, stands for [n]; None: one."""
        if self.unit == "weight":
            return None
        counts = torch.tensor([unit.covers for unit in self.units.values()])
        sizes = torch.tensor([math.prod(unit.scores) for unit in self.units.values()])
        return counts.repeat_interleave(sizes).to(next(iter(self.weights.values())).device)

    def penalty(self, subnet: str, progress: float = 0.0) -> Tensor:
        """Return the method's penalty over the masked parameters, a unit counted as often as it has weights (a scalar).

        Args:
            subnet: its name.
            progress: of the training, as of `masks.masking.Sample`.
        """
        method, scores = self.method.at(progress), self.scores(subnet)
        share: dict[str, float]
        if method.reduction == "sum":
            share = {name: unit.covers for name, unit in self.units.items()}
        elif method.reduction == "mean":
            total = sum(math.prod(shape) for shape in self.shapes.values())
            share = {name: unit.covers / total for name, unit in self.units.items()}
        else:
            share = {name: 1 / (tensor.numel() * len(scores)) for name, tensor in scores.items()}
        parts = {name: method.penalty(tensor) for name, tensor in scores.items()}
        return reduce(torch.add, (part if share[name] == 1 else part * share[name] for name, part in parts.items()))

    def annealed(self, progress: float) -> dict[str, float]:
        """Return what the method anneals, as it is at this progress of the training."""
        return self.method.at(progress).annealed

    def state_dict(self) -> dict[str, Any]:
        """Return weights, buffers, scores and masks as plain tensors."""
        return {
            "model": self.model.state_dict(),
            "scores": {
                subnet: {name: tensor.detach() for name, tensor in scores.items()}
                for subnet, scores in self._scores.items()
            },
            "masks": {subnet: masks.packed() for subnet, masks in self._masks.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`; scores that are there stay the tensors that they are, which an optimiser may hold.

        Raises:
            MaskError: the state is one of other masked parameters; nothing is changed.
        """
        wanted = {name: unit.scores for name, unit in self.units.items()}
        masks = {subnet: Masks.unpacked(bits) for subnet, bits in state["masks"].items()}
        for subnet, scores in state["scores"].items():
            _check_scores(subnet, scores, wanted)
        for one in masks.values():
            one.check_fits(self.shapes)
        self.model.load_state_dict(state["model"])
        at = {name: weight.device for name, weight in self.weights.items()}
        before, self._scores = self._scores, {}
        for subnet, scores in state["scores"].items():
            there = before.get(subnet)
            if there is None:
                there = {name: scores[name].to(at[name]).clone().requires_grad_() for name in wanted}
            else:
                with torch.no_grad():
                    for name, tensor in there.items():
                        tensor.copy_(scores[name])
            self._scores[subnet] = there
        self._masks = {s: Masks({n: m.to(at[n]) for n, m in one.items()}, one.units) for s, one in masks.items()}

    @staticmethod
    def _unknown(subnet: str, known: Collection[str], what: str) -> str:
        return f"no subnet {subnet!r} {what}; there are: {', '.join(known) or 'none'}{nearest(subnet, known)}"


def _check_scores(subnet: str, scores: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> None:
    for name in sorted(set(wanted) ^ set(scores)):
        what, others = ("lack", scores) if name in wanted else ("have an extra", wanted)
        raise MaskError(f"the scores of {subnet!r} in this state {what} {name!r}{nearest(name, others)}")
    for name, tensor in scores.items():
        if tuple(tensor.shape) != wanted[name]:
            raise MaskError(
                f"the scores of {subnet!r} in this state have shape {list(tensor.shape)} for {name!r}; "
                f"here they have {list(wanted[name])}"
            )
