"""Subtask induction on modular arithmetic: does a transplanted subnetwork decide which rule is learned?

A network learns one rule of two numbers, a mask finds the part that computes a subtask, and that part is grafted into
new networks, which learn another rule from pairs that leave it open.

Stages: `base`; `mask`, on the frozen base; then a transfer for each condition, way to treat the donor's part, and
number of disambiguating pairs. Base and mask are made once and are those of all transfers. A transfer's random numbers
are a function of the seed and its own options, so that one alone has the number it has among others.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import MaskError
from core.fit import Stage
from core.option_groups import TrainOptions
from core.rng import key, stream
from core.store import Run
from core.trackers import Mirrors
from data.epochs import Epochs
from data.induction_arithmetic import QUESTION
from layers.eval_mode import outputs
from masks.algebra import Masks
from masks.graft import Graft
from masks.mask_files import fingerprint
from masks.maskable import maskable
from masks.masking import Given, Hard, Sample
from masks.model import MaskedModel, Masking, freeze
from masks.options import method_of
from models.gpt import GPT
from models.hugging_face import HuggingFaceGPT2
from tasks.induction.conditions import beside, check_complement, graft
from tasks.induction.conditions_options import Cell
from tasks.induction.induction_math_options import InductionMathOptions
from tasks.induction.parent import Parent
from tasks.induction.questions import Network, Questions, Rows
from tasks.induction.selection import Selection
from tasks.task import Task

CONTEXT = QUESTION + 1  # the question and its answer
SUBNET = "subnet"
EVAL_BATCH = 8192


class InductionMath(Task[InductionMathOptions]):
    """Subtask induction on modular arithmetic, with the controls that tell the subnet from what surrounds it.

    Source: Zhang, Lepori, Pavlick, "Instilling Inductive Biases with Subnetworks", arXiv 2310.10899, section 3.
    Differs from its code: see docs/induction.md.
    """

    def __init__(self, options: InductionMathOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.model = self.make_model(stream(options.seed, "init")).to(self.device)
        self.parent = None if options.parent is None else Parent.of(options.parent, options, self.model)
        self.questions = Questions(options, self.parent.seed if self.parent else options.seed, self.device)
        if self.parent:
            names = list(self.parent.masks)
        else:
            inside = [name for group in self.model.groups() for name in group]
            names = maskable(inside, options.mask.include, options.mask.exclude, options.mask.bias)
        self.masked = MaskedModel(self.model, method_of(options.mask), names, unit=options.mask.unit)
        if self.parent:
            self.masked.add(SUBNET, self.parent.masks)
        self.current: Graft | None = None  # the network of the transfer that is being trained
        self.resumed: dict[str, Tensor] | None = None  # its tensors, until it is made again
        self.selection, self.step = Selection(), 0
        self.check()

    def check(self) -> None:
        """Refuse what no transfer could begin with, as far as it can be known without a mask.

        Raises:
            MaskError: a pattern matches nothing, or a control would be larger than its complement.
        """
        transfer, mask = self.options.transfer, self.options.mask
        try:
            Graft(self.model, self.model.state_dict(), self.nothing, transfer.inherit)  # onto itself: changes nothing
        except MaskError as error:
            raise MaskError(f"transfer.{error}") from None
        if self.parent:
            check_complement(self.parent.masks, transfer.conditions)
        elif mask.method == "magnitude":  # whose mask is known to be as large
            scores = self.masked.first_scores(SUBNET, None, self.options.seed)
            check_complement(self.masked.hard(scores), transfer.conditions)

    def make_model(self, rng: torch.Generator) -> GPT | HuggingFaceGPT2:
        """Return a new network, its weights drawn from `rng`."""
        o = self.options
        sizes = (o.data.operands + 1, CONTEXT, o.layers, o.width, o.heads)
        kind = GPT if o.model == "gpt" else HuggingFaceGPT2
        return kind(*sizes, dropout=o.dropout, narrow=o.narrow, rng=rng)

    @property
    def nothing(self) -> Masks:
        """Masks of the masked parameters that keep nothing."""
        shapes = self.masked.shapes.items()
        return Masks({name: torch.zeros(shape, dtype=torch.bool, device=self.device) for name, shape in shapes})

    # what training changes

    def state_dict(self) -> dict[str, Any]:
        """Return the base and its mask, and the transfer that is being trained."""
        current = None if self.current is None else self.current.state_dict()
        return {"masked": self.masked.state_dict(), "graft": current, "selection": dict(vars(self.selection))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.masked.load_state_dict(state["masked"])
        self.resumed, self.selection = state["graft"], Selection(**state["selection"])

    # stages

    def stages(self) -> Iterator[Stage]:
        """Yield the base, its mask and every transfer, without what no transfer needs."""
        transfer, own = self.options.transfer, self.parent is None
        if transfer.needs_base and own:
            yield self.base()
        freeze(self.model)
        if transfer.needs_mask and own:
            yield self.mask()
            check_complement(self.masked.masks(SUBNET), transfer.conditions)
        for cell in transfer.cells(transfer.disambiguating):
            yield self.transfer(cell)

    def base(self) -> Stage:
        """Return the stage that trains the base network."""
        train = self.options.train
        rows = self.questions.seen(train.rule, train.rows)
        return Stage(
            name="base",
            batch=lambda rng, step: draw(rows, train.batch_size, rng),
            steps=train.steps,
            parameters=lambda: dict(self.model.train().requires_grad_(True).named_parameters()),
            loss=lambda batch, masking: self.questions.loss(self.model(batch[0]), batch),
            evaluate=lambda: self.measure(None, train.rule, "valid"),
            optim=train,
            on_end=self.finish_base,
        )

    def mask(self) -> Stage:
        """Return the stage that learns the mask; of a method that learns nothing, one without steps."""
        mask, learns = self.options.mask, self.masked.method.learns
        rows = self.questions.seen(mask.rule, mask.rows)
        size = mask.batch_size or self.options.train.batch_size
        optim = TrainOptions(
            lr=mask.lr, warmup=mask.warmup, optimizer="adamw", weight_decay=mask.weight_decay,
            grad_clip=mask.grad_clip, eval_every=self.options.train.eval_every,
        )  # fmt: skip
        return Stage(
            name="mask",
            batch=lambda rng, step: draw(rows, size, rng),
            steps=mask.steps if learns else 0,
            parameters=lambda: self.scores() if learns else {},
            masking=lambda seed, progress: Sample(SUBNET, mask.samples, seed, progress),
            loss=self.mask_loss,
            annealed=self.masked.annealed,
            evaluate=lambda: (
                self.measure(Hard(SUBNET), mask.rule, "valid") | {"kept": self.masked.masks(SUBNET).density()}
            ),
            optim=optim,
            on_end=self.finish_mask,
        )

    def transfer(self, cell: Cell) -> Stage:
        """Return the stage that trains the network of one transfer."""
        transfer = self.options.transfer
        seed = self.options.seed if cell.repeat == 0 else key(self.options.seed, "repeat", cell.repeat)
        x, y = self.questions.transfer(cell.count, seed)
        # the same batches for all conditions
        epochs = Epochs(x, y, transfer.batch_size, key(seed, "transfer", cell.count))
        steps = transfer.steps or transfer.epochs * epochs.steps

        def batch(rng: torch.Generator, step: int) -> Rows:
            self.step = step + 1
            return epochs.batch(step)

        return Stage(
            name=cell.name,
            batch=batch,
            steps=steps,
            parameters=lambda: self.begin(cell, seed),
            loss=lambda batch, masking: self.questions.loss(self.graft(batch[0]), batch),
            evaluate=self.measure_transfer,
            optim=TrainOptions(
                lr=transfer.lr, optimizer="adamw", weight_decay=transfer.weight_decay, grad_clip=None
            ),
            on_end=lambda: self.finish_transfer(cell),
            eval_steps={round(steps * i / transfer.evaluations) for i in range(1, transfer.evaluations + 1)} - {0},
        )  # fmt: skip

    # their parts

    def scores(self) -> dict[str, Tensor]:
        """Return the scores of the mask, new ones unless there are some already."""
        return self.masked.add_scores(SUBNET, self.options.mask.init, self.options.seed)

    def mask_loss(self, batch: Rows, masking: Sample) -> Tensor:
        """Return the loss of the subtask through a mask, and what the mask costs."""
        loss = self.questions.loss(self.masked(batch[0], masking), batch)
        return loss + self.options.mask.penalty * self.masked.penalty(SUBNET, masking.progress)

    @property
    def graft(self) -> Graft:
        """The network of the transfer that is being trained."""
        if self.current is None:
            raise RuntimeError("no transfer is being trained")
        return self.current

    def begin(self, cell: Cell, seed: int) -> dict[str, Tensor]:
        """Make the network of a transfer, or take it up again, and return what is trained."""
        # new weights are the same for all conditions
        model = self.make_model(stream(seed, "init", "transfer", cell.count)).to(self.device)
        masks = self.masked.masks(SUBNET) if SUBNET in self.masked.subnets else self.nothing
        self.current = graft(cell, self.options.transfer, model, self.model.state_dict(), masks, self.options.seed)
        if self.resumed is None:
            self.selection = Selection()
        else:
            self.current.load_state_dict(self.resumed)
            self.resumed = None
        return self.current.trained()

    # measures

    def network(self, model: nn.Module, run: Network) -> Network:
        """Return `run`, which uses the model, for any number of questions: in batches, in evaluation mode."""
        return partial(outputs, model, run, size=self.options.train.eval_batch_size or EVAL_BATCH)

    def measure(self, masking: Masking | None, rule: str, part: str) -> dict[str, float]:
        """Measure the base under masks on one set."""
        return self.questions.measure(self.network(self.model, lambda x: self.masked(x, masking)), rule, part)

    def measure_transfer(self) -> dict[str, float]:
        """Measure the network of the transfer on every set."""
        network = self.network(self.graft.model, self.graft)
        found = self.questions.adopted(network)
        for part in ("ambiguous", "valid", "test"):
            found |= self.questions.measure(network, self.options.transfer.rule, part)
        self.selection.note(self.step, found["valid/accuracy"], found["test/accuracy"])
        return found

    def finish_base(self) -> dict[str, float]:
        """Save the base network and measure it."""
        if self.options.run.save_tensors:
            self.run.write_tensors("weights", self.model.state_dict())
        return {"majority/base": self.questions.majority(self.options.train.rule)} | self.both_rules("base", None)

    def finish_mask(self) -> dict[str, float]:
        """Save the mask; measure the subnet, what is left without it, and controls of the same size."""
        scores = self.scores()
        if self.options.run.save_tensors:
            self.run.write_tensors("scores", scores)
        masks = self.masked.finalize(SUBNET)
        masks.save(self.run.path("masks", f"{SUBNET}.npz"), fingerprint(self.masked.weights))
        numbers = {"majority/subtask": self.questions.majority(self.options.mask.rule)}
        for part, chosen in beside(masks, self.masked.weights, self.options.seed).items():
            numbers |= self.both_rules(part, chosen)
        for name, mask in masks.items():
            numbers |= {f"kept/{name}": float(mask.count_nonzero()), f"size/{name}": float(mask.numel())}
        return numbers | {"kept/total": float(masks.count()), "size/total": float(masks.size())}

    def both_rules(self, part: str, masks: Masks | None) -> dict[str, float]:
        """Return final/<part>/<rule>/<set>/accuracy of the base under masks, on its own rule and on the subtask."""
        masking = None if masks is None else Given(masks)
        rules = {"base": self.options.train.rule, "subtask": self.options.mask.rule}
        return {
            f"final/{part}/{which}/{held}/accuracy": self.measure(masking, rule, held)[f"{held}/accuracy"]
            for which, rule in rules.items() for held in ("valid", "test")
        }  # fmt: skip

    def finish_transfer(self, cell: Cell) -> dict[str, float]:
        """Return the accuracy after the last step and those of the steps that were selected; let the network go."""
        network = self.network(self.graft.model, self.graft)
        measured = self.questions.measure(network, self.options.transfer.rule, "test")
        found = {"last": measured["test/accuracy"]} | self.questions.adopted(network) | self.selection.results()
        self.current = None
        chances = {"majority/target": self.questions.majority(self.options.transfer.rule)} | self.questions.chances()
        return chances | {f"final/{cell.name}/{name}": value for name, value in found.items()}


def draw(rows: Rows, size: int, rng: torch.Generator) -> Rows:
    """Return a batch of rows, drawn with replacement."""
    x, y = rows
    index = torch.randint(len(y), (size,), generator=rng).to(y.device)
    return x[index], y[index]
