"""BatchEnsemble: a task is a vector over the inputs and one over the outputs of every layer."""

from __future__ import annotations

import torch
from torch import Tensor

from core.rng import stream
from tasks.supsup.learners.learner import Learner


class BatchEnsemble(Learner):
    """W_t = W * (s_t r_t^T), with s_t over the outputs and r_t over the inputs, first 1 or -1, each as likely.

    Source: Wen, Tran, Ba, "BatchEnsemble", ICLR 2020; as a baseline in "Supermasks in Superposition", section 4.
    """

    def own(self, task: int) -> dict[str, Tensor]:
        if task not in self._learning:
            drawn = {}
            for name, weight in self.model.named_parameters():
                if weight.dim() > 1:
                    for side, size in (("out", weight.shape[0]), ("in", weight.shape[1])):
                        rng = stream(self.options.seed, "ensemble", task, name, side)
                        signs = torch.randint(2, (size,), generator=rng) * 2.0 - 1
                        drawn[f"{name}/{side}"] = signs.to(self.device)
            self._learning[task] = drawn
        return self._learning[task]

    def learned(self, task: int) -> dict[str, Tensor]:
        own = self.own(task)
        found = {}
        for name, weight in self.model.named_parameters():
            if weight.dim() > 1:
                ones = (1,) * (weight.dim() - 2)
                found[name] = weight * own[f"{name}/out"].view(-1, 1, *ones) * own[f"{name}/in"].view(1, -1, *ones)
        return found

    def own_bytes(self, task: int) -> float:
        return 4.0 * sum(tensor.numel() for tensor in self.own(task).values())
