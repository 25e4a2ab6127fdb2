"""A stream of tasks with unknown task boundaries: a mask is trained while it fits, else a new one is started.

At regular checks, the mask that the next batch needs is inferred; it is trained until the next check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analysis.task_inference import derivatives, entropy, familiarity
from core.fit import Stage
from core.option_groups import TrainOptions
from core.store import Run
from core.trackers import Mirrors
from masks.packed_masks import PackedMasks
from tasks.supsup.learners.masks import MaskLearner
from tasks.supsup.many_tasks import ManyTasks
from tasks.supsup.supsup_options import NNsOptions

SKIPPED = -1  # no mask is trained: the budget is spent


class NNs(ManyTasks[NNsOptions]):
    """A stage, called `learn`, for every check and the steps until the next.

    Source: Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, section 3.4 and its code. Differs from the
    code: a random mask that the first masks are compared with is never trained by mistake, a batch it fits best is new;
    the scores of a mask and the optimiser's state live while the stream stays with it, and no longer. The code resets
    the optimiser when the stream's task changes, which is information the method should not have.
    """

    learner: MaskLearner

    def __init__(self, options: NNsOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors, MaskLearner)
        self.chosen: list[int] = []  # the mask of every stretch between two questions
        self.asked: list[float] = []  # what its question said: k * max softmax(-slopes)
        self.optimizer: dict[str, Any] = {}  # its state, from one stretch of a mask to the next

    def state_dict(self) -> dict[str, Any]:
        """Return masks, scores, and what was chosen so far."""
        return {
            "learner": self.learner.state_dict(), "chosen": self.chosen, "asked": self.asked,
            "optimizer": self.optimizer,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.learner.load_state_dict(state["learner"])
        self.chosen, self.asked = list(state["chosen"]), list(state["asked"])
        self.optimizer = state["optimizer"]

    @property
    def stretches(self) -> int:
        """Number of questions in the whole stream."""
        return self.options.tasks.count * self.options.train.steps // self.options.check_every

    def stages(self) -> Iterator[Stage]:
        """Yield a stage for each stretch that trains a mask."""
        train, every = self.options.train, self.options.check_every
        for stretch in range(self.stretches):
            if stretch == len(self.chosen):
                self.ask(stretch)
            skipped = self.chosen[stretch] == SKIPPED
            if skipped and stretch < self.stretches - 1:  # the last one tests
                continue
            yield Stage(
                name="learn",
                batch=partial(self.batch, stretch),
                steps=0 if skipped else every,
                parameters=partial(self.begin, stretch),
                masking=lambda seed, progress: (seed, progress),
                annealed=self.learner.annealed,
                loss=partial(self.loss, [self.chosen[stretch]]),
                evaluate=partial(self.measure, stretch),
                optim=TrainOptions.of(train, eval_every=every),
                on_end=partial(self.finish, stretch),
                carried=self.optimizer,
            )  # fmt: skip

    def place(self, stretch: int) -> tuple[int, int]:
        """Return the task that the stream shows in a stretch, and the number of the stretch's first batch of it."""
        return divmod(stretch * self.options.check_every, self.options.train.steps)

    def batch(self, stretch: int, rng: torch.Generator, step: int) -> tuple[Tensor, Tensor]:
        """Return the next batch of the stream."""
        task, first = self.place(stretch)
        return self.tasks.batch(task, first + step)

    def ask(self, stretch: int) -> None:
        """Choose the mask of a stretch by the stretch's first batch; no label is looked at."""
        task, first = self.place(stretch)
        found, value = self.fitting(self.tasks.batch(task, first)[0])
        known, last = len(self.learner.bits), self.chosen[-1] if self.chosen else SKIPPED
        budget = self.options.tasks.count if self.options.budget is None else self.options.budget
        if found is None:
            found = known if known < budget else SKIPPED
        if last != found:
            self.optimizer.clear()
        if last not in (found, SKIPPED):
            self.learner.masked.remove(str(last))
        if found not in (last, known, SKIPPED):
            self.learner.recall(found)
        self.chosen.append(found)
        self.asked.append(value)

    def fitting(self, x: Tensor) -> tuple[int | None, float]:
        """Return the mask that fits the images, None where none of them does, and k * max softmax(-slopes)."""
        bits = self.learner.bits
        known = len(bits)
        if known == 0:
            return None, 1.0
        if known < self.options.references:
            compared = PackedMasks(bits.shapes, self.options.references, self.device)
            for number in range(known):
                compared.add(bits.masks(number))
            for number in range(known, self.options.references):
                compared.add(self.learner.first_mask(number))
            bits = compared
        slopes = derivatives(self.learner.masked, bits, x, entropy)
        best, value = int(slopes.argmin()), familiarity(slopes)
        return (best if value >= self.options.threshold and best < known else None), value

    def begin(self, stretch: int) -> dict[str, Tensor]:
        """Return the scores that the stretch trains."""
        if self.chosen[stretch] == SKIPPED:
            return {}
        return self.learner.begin([self.chosen[stretch]])

    def measure(self, stretch: int) -> dict[str, float]:
        """Return what the stretch's question said, and how good its mask is on held-out images."""
        task, mask = self.place(stretch)[0], self.chosen[stretch]
        numbers = {"task": float(task), "mask": float(mask), "familiarity": self.asked[stretch]}
        if "valid" in self.tasks.parts:
            numbers["valid/accuracy"] = self.accuracy(task, "valid", mask)
        return numbers

    def finish(self, stretch: int) -> dict[str, float]:
        """Keep the mask as it is now; after the last stretch, test all tasks."""
        if self.chosen[stretch] != SKIPPED:
            self.learner.store(self.chosen[stretch])
        return self.test_all() if stretch == self.stretches - 1 else {}

    def test_all(self) -> dict[str, float]:
        """Test every task of the stream; numbers of single tasks and stretches go to arrays/."""
        tasks = [self.place(stretch)[0] for stretch in range(self.stretches)]
        pairs = Counter(zip(tasks, self.chosen, strict=True))
        most = [max(self.masks, key=lambda m: (pairs[task, m], -m)) for task in range(self.tasks.count)]
        own = [mask if pairs[task, mask] else None for task, mask in enumerate(most)]
        trained_on = [max(range(self.tasks.count), key=lambda t: (pairs[t, m], -t)) for m in self.masks]
        found = self.all_tested(own, lambda task, mask: trained_on[mask] == task)
        self.run.write_arrays("tasks", **{name: np.array(values) for name, values in found.items()})
        self.run.write_arrays(
            "stretches", task=np.array(tasks), mask=np.array(self.chosen), familiarity=np.array(self.asked)
        )
        begun = [self.chosen.index(mask) for mask in self.masks]
        boundaries = {stretch for stretch in range(self.stretches) if self.place(stretch)[1] == 0}
        at_boundary = sum(stretch in boundaries for stretch in begun)
        numbers = {name: float(np.mean(values)) for name, values in found.items()} | {
            "masks": float(len(begun)), "new_masks/at_boundary": float(at_boundary),
            "new_masks/elsewhere": float(len(begun) - at_boundary), "skipped": float(self.chosen.count(SKIPPED)),
        }  # fmt: skip
        return {f"final/{name}": value for name, value in numbers.items()}

    @property
    def masks(self) -> range:
        """The numbers of all masks."""
        return range(len(self.learner.bits))
