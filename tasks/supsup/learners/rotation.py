"""Parameter superposition: a task is a random orthogonal matrix before every linear layer of a shared network."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from core.errors import OptionError
from core.rng import stream
from core.store import Run
from tasks.supsup.learners.learner import Learner
from tasks.supsup.supsup_options import ManyTasksOptions


class Rotation(Learner):
    """W_t = W C_t with C_t orthogonal, drawn from the Haar measure and not trained; W is trained for every task.

    Raises:
        OptionError: the network has layers that are not linear.

    Source: Cheung, Terekhov, Chen, Agrawal, Olshausen, "Superposition of many models into one", NeurIPS 2019,
    rotational superposition; as a baseline in "Supermasks in Superposition", section 4.
    """

    def __init__(self, model: nn.Module, options: ManyTasksOptions, run: Run):
        super().__init__(model, options, run)
        if any(weight.dim() > 2 for weight in model.parameters()):
            raise OptionError(f"learner=rotation rotates the inputs of linear layers; model={options.model} has others")
        self._contexts = lru_cache(4)(self._draw)

    def own(self, task: int) -> dict[str, Tensor]:
        return {}

    def learned(self, task: int) -> dict[str, Tensor]:
        contexts = self._contexts(task)
        return {name: weight @ contexts[name] for name, weight in self.model.named_parameters() if name in contexts}

    def own_bytes(self, task: int) -> float:
        return 4.0 * sum(tensor.numel() for tensor in self._contexts(task).values())

    def _draw(self, task: int) -> dict[str, Tensor]:
        found = {}
        for name, weight in self.model.named_parameters():
            if weight.dim() == 2:
                normal = torch.randn(weight.shape[1], weight.shape[1], generator=stream(self.options.seed, task, name))
                q, r = torch.linalg.qr(normal)
                found[name] = (q * r.diagonal().sign()).to(self.device)  # the signs make it uniform
        return found
