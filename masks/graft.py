"""Grafts: a subnet of one network, the donor, transplanted into another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import MaskError
from core.registry import nearest
from layers.functional.batching import forward
from masks.algebra import Masks
from masks.fills import others


class Graft:
    """A network whose weights are the donor's inside a mask, and its own new ones elsewhere.

        W = M * donor + (1 - M) * new

    The network runs on W, which is assembled at every pass. So the weights of a frozen donor stay bit-identical
    whatever the optimiser does: gradients, momentum and weight decay reach only the new weights. To train it:

        Stage(parameters=graft.trained, loss=lambda batch, masking: loss(graft(batch.x), batch.y), ...)

    Args:
        model: the network to graft onto, freshly initialised: its weights are the new ones. It is modified.
        donor: the state dict of a network of the same shapes.
        masks: of some of the model's parameters; True: the donor's weight. No masks at all: new weights everywhere.
        inherit: which of the parameters and buffers without a mask (embeddings, norms, biases, a head, running
            statistics) are also the donor's, by dotted name; * and ? are wildcards. They are trained. (): none.
        frozen: the donor's masked part is never changed; False: it is only the initialisation.

    Raises:
        MaskError: a mask names no parameter of the model, a shape of the donor differs, or a pattern matches nothing.

    Source: Zhang, Lepori, Pavlick, "Instilling Inductive Biases with Subnetworks", 2023, section 3.
    """

    def __init__(
        self, model: nn.Module, donor: Mapping[str, Tensor], masks: Masks, inherit: Iterable[str] = ("*",),
        frozen: bool = True,
    ):  # fmt: skip
        parameters = dict(model.named_parameters())
        for name in masks:
            if name not in parameters:
                raise MaskError(f"the model has no parameter {name!r}{nearest(name, parameters)}")
        masks.check_fits({name: parameters[name].shape for name in masks})
        every, stored = parameters | dict(model.named_buffers()), model.state_dict()  # some buffers belong to the code
        rest = {name: tensor for name, tensor in every.items() if name in stored and name not in masks}
        taken = set()
        for pattern in inherit:
            matched = {name for name in rest if fnmatchcase(name, pattern)}
            if not matched and pattern != "*":
                raise MaskError(
                    f"inherit={pattern} matches nothing without a mask; there are: {', '.join(rest) or 'none'}"
                    f"{nearest(pattern, rest)}"
                )
            taken |= matched
        whole = others({name: tensor for name, tensor in rest.items() if name in taken}, donor)
        part = others({name: parameters[name] for name in masks}, donor)
        self.model, self.frozen = model, frozen
        self._donor, self._kept = part, {name: (mask != 0).to(part[name].device) for name, mask in masks.items()}
        with torch.no_grad():
            for name, tensor in whole.items():
                rest[name].copy_(tensor)
            for name, weight in parameters.items():
                if name in masks:
                    weight.copy_(torch.where(self._kept[name], part[name], weight))

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        """Run the network; inputs and outputs are its own."""
        return forward(self.model, self.weights(), None, *inputs, **keywords)

    def weights(self) -> dict[str, Tensor]:
        """Return W of the masked parameters by name; empty where nothing is frozen: the model's own are right."""
        if not self.frozen:
            return {}
        own = dict(self.model.named_parameters())
        return {name: torch.where(self._kept[name], donor, own[name]) for name, donor in self._donor.items()}

    def trained(self) -> dict[str, Tensor]:
        """Return what is trained, by name: every parameter of the model; a frozen part is unaffected."""
        return dict(self.model.named_parameters())

    def finalize(self) -> nn.Module:
        """Write W into the model and return it: from then on it is an ordinary network."""
        with torch.no_grad():
            for name, weight in self.weights().items():
                self.model.get_parameter(name).copy_(weight)
        return self.model

    def state_dict(self) -> dict[str, Tensor]:
        """Return the network's tensors with W in the place of the weights."""
        return {name: tensor.clone() for name, tensor in self.finalize().state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state_dict`; the donor's part comes from the donor."""
        self.model.load_state_dict(state)
