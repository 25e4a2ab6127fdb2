"""Supermasks: a task is a mask on a network whose weights are random and, by default, never trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.store import Run
from masks.algebra import Masks
from masks.mask_bytes import stored_bytes
from masks.mask_files import fingerprint
from masks.masking import Select
from masks.model import MaskedModel
from masks.options import method_of
from masks.packed_masks import PackedMasks
from tasks.random_nets import masked_names
from tasks.supsup.learners.learner import Learner
from tasks.supsup.supsup_options import ManyTasksOptions

TINY = 1e-9  # a score of exactly 0 has no sign


class MaskLearner(Learner):
    """Scores exist while their task is trained; then its mask is written to masks/task_<t>.npz and kept as bits.

    transfer=scores: the first scores of a task are the mean of the last scores of all before it.

    Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, sections 3.1 and 3.2; transfer: its code,
    whose text says "the running mean of all supermasks".
    """

    def __init__(self, model: nn.Module, options: ManyTasksOptions, run: Run):
        super().__init__(model, options, run)
        names = masked_names(model, options.mask)
        self.masked = MaskedModel(model, method_of(options.mask), names, unit=options.mask.unit)
        self.bits = PackedMasks(self.masked.shapes, device=self.device)
        self._sums: dict[str, Tensor] = {}  # of the last scores of all tasks, for transfer
        self._network = ""

    def own(self, task: int) -> dict[str, Tensor]:
        new = str(task) not in self.masked.subnets
        scores = self.masked.add_scores(str(task), self.options.mask.init, self.options.seed)
        if new and self._sums and len(self.bits):
            with torch.no_grad():
                for name, tensor in scores.items():
                    tensor.copy_(self._sums[name] / len(self.bits))
        return scores

    def weights(self, tasks: Sequence[int], seed: int, progress: float) -> dict[str, Tensor]:
        return Select([str(task) for task in tasks], seed, progress).weights(self.masked)

    def annealed(self, progress: float) -> dict[str, float]:
        return self.masked.annealed(progress)

    def penalty(self, tasks: Sequence[int], progress: float) -> Tensor:
        """Return the sum of the method's penalties."""
        return reduce(torch.add, (self.masked.penalty(str(task), progress) for task in tasks))

    def masks(self, task: int) -> Masks:
        """Return the mask of a task."""
        return self.masked.masks(str(task)) if str(task) in self.masked.subnets else self.bits.masks(task)

    def learned(self, task: int) -> dict[str, Tensor]:
        masks = self.masks(task)
        return {name: weight * masks[name] for name, weight in self.masked.weights.items()}

    def end(self, tasks: Sequence[int]) -> None:
        for task in tasks:
            if self.options.transfer == "scores":
                for name, tensor in self.masked.scores(str(task)).items():
                    self._sums[name] = self._sums.get(name, 0) + tensor.detach()
            self.finalize(task)

    def finalize(self, task: int) -> None:
        """Keep the mask of a task, in its file and as bits, and drop its scores."""
        self.store(task)
        self.masked.remove(str(task))

    def store(self, task: int) -> None:
        """Keep the mask of a task as it is now, in its file and as bits; its scores live on."""
        masks = self.masked.masks(str(task))
        masks.save(self._file(task), self.network_name, self._statistics[task])
        if task < len(self.bits):
            self.bits.replace(task, masks)
        else:
            self.bits.add(masks)

    def recall(self, task: int) -> None:
        """Take up a settled task again: its first scores, with the signs that its mask says.

        Only for threshold masks at 0, whose scores then have just this mask.
        """
        masks = self.bits.masks(task)
        with torch.no_grad():
            for name, scores in self.own(task).items():
                kept = self.masked.units[name].pick(masks[name]).to(scores.dtype)
                scores.copy_(scores.abs().clamp_min(TINY) * (2 * kept - 1))

    def first_mask(self, task: int) -> Masks:
        """Return the mask that a task would begin with."""
        return self.masked.hard(self.masked.first_scores(str(task), self.options.mask.init, self.options.seed))

    @property
    def network_name(self) -> str:
        """The fingerprint of the random weights; "" while weights are trained, which has no name yet."""
        if self.options.train_weights_for != 0:
            return ""
        self._network = self._network or fingerprint(self.masked.weights)
        return self._network

    def own_bytes(self, task: int) -> float:
        return stored_bytes(self.masks(task))

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {
            "scores": self.masked.state_dict()["scores"],
            "sums": self._sums,
            "learned": len(self.bits),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.masked.load_state_dict({"model": state["model"], "scores": state["scores"], "masks": {}})
        self._sums = {name: tensor.to(self.device) for name, tensor in state["sums"].items()}
        self.bits = PackedMasks(self.masked.shapes, state["learned"], self.device)
        for task in range(state["learned"]):
            self.bits.add(Masks.load(self._file(task), self.device, self.network_name))

    def _file(self, task: int) -> Path:
        return self.run.path("masks", f"task_{task:04d}.npz")
