"""Does a subnetwork for shapes carry a bias for shape into another network? Subtask induction on images.

Stages: `base` learns from normal images; `mask` finds the subnetwork that suffices for mean-pooled ones, which have no
texture; then each transfer learns from normal images again, beginning with that subnetwork or with a control.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.fit import Stage
from core.option_groups import TrainOptions
from core.rng import key
from core.store import Run
from core.trackers import Mirrors
from data.epochs import Epochs
from layers.functional.batching import forward
from masks.algebra import Masks
from masks.graft import Graft
from masks.maskable import maskable
from masks.masking import Given, Sample
from masks.model import MaskedModel, freeze
from masks.options import method_of
from models.vision_nets import is_head, layer_parameters, load_pretrained, vision_net
from tasks.induction.conditions import beside, check_complement, graft
from tasks.induction.conditions_options import WITH_MASK, Cell
from tasks.induction.cue_images import Set, Unseen, images_of
from tasks.induction.cue_measures import Measured, cue_loss, measured, named, totals
from tasks.induction.induction_vision_options import InductionVisionOptions
from tasks.sizes import check_at_most
from tasks.task import Task

SUBNET = "subnet"


class InductionVision(Task[InductionVisionOptions]):
    """The experiment of Zhang, Lepori and Pavlick, with controls of the subnetwork's own size.

    Source: Zhang, Lepori, Pavlick, "Instilling Inductive Biases with Subnetworks", arXiv 2310.10899, section 4; the
    differences from its code are in docs/induction_vision.md.
    """

    def __init__(self, options: InductionVisionOptions, run: Run, mirrors: Mirrors):
        super().__init__(options, run, mirrors)
        self.images = images_of(options, self.device)
        batches = {"base": "train.batch_size", "mask": "mask.batch_size", "transfer": "transfer.batch_size"}
        for stage, name in batches.items():
            check_at_most(options, name, self.images.sizes[stage], "images of its stage")
        self.model = self.network("init", heads=self.images.heads)
        if options.pretrained is not None:
            load_pretrained(self.model, options.model, Path(options.pretrained))
        mask = options.mask
        names = maskable(layer_parameters(self.model), mask.include, mask.exclude, mask.bias)
        # one sample is a plain pass through any network, and vmap has no quick attention
        backend = "loop" if mask.samples == 1 and options.model != "cue_cnn" else "auto"
        self.masked = MaskedModel(self.model, method_of(mask), names, backend, mask.unit)
        self.check_inherit()
        self.grafted: Graft | None = None
        self.restored: dict[str, Tensor] = {}
        self.latest: Measured | None = None  # of this stage
        self.epochs: Epochs | None = None
        self.weights: Tensor | None = None

    def network(self, *names: str | int, heads: Sequence[str]) -> nn.Module:
        """Return a new network on the device; its weights are a function of the seed and the names."""
        seed = key(self.options.seed, *names)
        return vision_net(self.options.model, len(self.images.classes), seed, heads).to(self.device)

    def check_inherit(self) -> None:
        """Raise MaskError where `transfer.inherit` names nothing that a transfer's network has."""
        heads = self.images.heads
        network = self.model if len(heads) == 1 else self.network("new", 0, heads=heads[:1])
        masks = self.nothing.only({*network.state_dict()})
        graft(Cell("rest", 0), self.options.transfer, network, self.model.state_dict(), masks, 0)

    @property
    def current(self) -> Graft:
        """The network of the transfer that is going on."""
        assert self.grafted is not None, "a transfer has begun"
        return self.grafted

    @property
    def nothing(self) -> Masks:
        """The empty mask."""
        return Masks({name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in self.masked.weights.items()})

    @cached_property
    def unseen(self) -> Unseen:
        """The images of the measurements."""
        return self.images.unseen()

    # what training changes

    def state_dict(self) -> dict[str, Any]:
        """Return the base, the mask, and the network of the transfer that is going on."""
        going_on = {} if self.grafted is None else self.grafted.state_dict()
        return {"masked": self.masked.state_dict(), "grafted": going_on}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.masked.load_state_dict(state["masked"])
        self.restored = state["grafted"]

    # stages

    def stages(self) -> Iterator[Stage]:
        """Yield `base`, `mask` and every transfer."""
        transfer = self.options.transfer
        if transfer.needs_base:
            self.model.requires_grad_(True).train(not self.options.train.head_only)
            yield self.base()
            freeze(self.model)
        if transfer.needs_mask:
            yield self.mask()
        for cell in transfer.cells(transfer.disambiguating):
            yield self.transfer(cell)

    def base(self) -> Stage:
        """Return the stage that trains the base."""
        train = self.options.train
        return Stage(
            name="base",
            batch=self.batch,
            steps=train.steps,
            parameters=self.begin_base,
            loss=lambda batch, masking: self.loss(self.masked(batch[0]), batch[1]),
            evaluate=lambda: totals(self.measure_base()),
            optim=train,
            on_end=self.finish_base,
        )

    def mask(self) -> Stage:
        """Return the stage that learns the mask; of a method that learns nothing, one without steps."""
        mask, learns = self.options.mask, self.masked.method.learns
        return Stage(
            name="mask",
            batch=self.batch,
            steps=mask.steps if learns else 0,
            parameters=self.begin_mask if learns else dict,
            masking=lambda seed, progress: Sample(SUBNET, mask.samples, seed, progress),
            annealed=self.masked.annealed,
            loss=self.mask_loss,
            evaluate=self.measure_mask,
            optim=TrainOptions(
                lr=mask.lr, warmup=mask.warmup, optimizer="adamw", weight_decay=mask.weight_decay,
                grad_clip=mask.grad_clip, eval_every=mask.eval_every,
            ),
            on_end=self.finish_mask,
        )  # fmt: skip

    def transfer(self, cell: Cell) -> Stage:
        """Return the stage that trains the network of one transfer."""
        return Stage(
            name=cell.name,
            batch=self.batch,
            steps=self.options.transfer.steps,
            parameters=lambda: self.begin_transfer(cell),
            loss=lambda batch, masking: self.loss(self.current(batch[0]), batch[1]),
            evaluate=lambda: totals(self.measure_transfer()),
            optim=self.options.transfer,
            on_end=lambda: self.finish_transfer(cell),
        )

    def batch(self, rng: torch.Generator, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step, which is a function of the seed and the kind of stage."""
        assert self.epochs is not None, "a stage has begun"
        return self.epochs.batch(step)

    def train_on(self, images: Set, size: int, *names: str | int, augment: bool = False) -> None:
        """Take the batches from these images, in an order that the names decide."""
        order = key(self.options.seed, *names)
        self.latest = None
        self.epochs = Epochs(images.x, images.y, size, order, endless=True, augment=augment)
        self.weights = images.weights

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean cross entropy of a batch."""
        return cue_loss(outputs, y, self.weights)

    def mask_loss(self, batch: tuple[Tensor, Tensor], masking: Sample) -> Tensor:
        """Return the loss under masks, with their penalty."""
        loss = self.loss(self.masked(batch[0], masking), batch[1])
        return loss + self.options.mask.penalty * self.masked.penalty(SUBNET, masking.progress)

    # beginnings of stages

    def begin_base(self) -> dict[str, Tensor]:
        """Return the weights of the base, or those of its last layer."""
        self.train_on(self.images.base(), self.options.train.batch_size, "base")
        model, head_only = self.options.model, self.options.train.head_only
        return {n: p for n, p in self.model.named_parameters() if is_head(model, n) or not head_only}

    def begin_mask(self) -> dict[str, Tensor]:
        """Return the scores."""
        mask = self.options.mask
        self.train_on(self.images.mask(), mask.batch_size or self.options.train.batch_size, "mask")
        return self.scores()

    def scores(self) -> dict[str, Tensor]:
        """Return the scores of the mask, new ones unless there are some already."""
        return self.masked.add_scores(SUBNET, self.options.mask.init, self.options.seed)

    def begin_transfer(self, cell: Cell) -> dict[str, Tensor]:
        """Graft what the condition takes from the base upon a new network, and return what is trained of it."""
        transfer = self.options.transfer
        images = self.images.transfer(cell.count, cell.repeat, cell.condition == "augmented")
        names = "transfer", cell.count, cell.repeat  # and not the condition: all see the same
        self.train_on(images, transfer.batch_size, *names, augment=self.images.augment)
        network = self.network("new", cell.repeat, heads=self.images.heads[:1])
        donor = self.model.state_dict()
        masks = self.masked.masks(SUBNET) if transfer.needs_mask else self.nothing
        own = network.state_dict()
        head = {name: tensor.clone() for name, tensor in own.items() if is_head(self.options.model, name)}
        if transfer.head == "new":
            donor |= head
            own = {name: tensor for name, tensor in own.items() if name not in head}
        masks = masks.only({*own})
        taken = Cell("full", cell.count, repeat=cell.repeat) if cell.condition == "augmented" else cell
        self.grafted = graft(taken, transfer, network, donor, masks, self.options.seed)
        if self.restored:
            self.grafted.load_state_dict(self.restored)
            self.restored = {}
        network.train()
        if not transfer.freeze_rest or cell.condition not in (*WITH_MASK, "rest"):
            return self.grafted.trained()
        network.eval()  # statistics of batch normalisation stay too
        layers = {name.rpartition(".")[0] for name in masks}
        trained = {n: p for n, p in self.grafted.trained().items() if n.rpartition(".")[0] in layers}
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name in trained)
        return trained

    # measurements

    def measure_base(self) -> Measured:
        """Measure the base as it is now."""
        return self.measure(self.model, self.model)

    def under(self, masks: Masks) -> Measured:
        """Measure the base under masks."""
        weights = Given(masks).weights(self.masked)  # once, and not for every batch
        return self.measure(self.model, lambda x: forward(self.model, weights, None, x))

    def measure(self, model: nn.Module, run: Callable[[Tensor], Tensor]) -> Measured:
        """Measure a network, with `run` its forward pass, on images that nothing is trained on."""
        self.latest = measured(model, run, self.unseen, self.images, self.options.eval_batch_size)
        return self.latest

    def measure_mask(self) -> Measured:
        """Measure the subnetwork as it is now."""
        masks = self.masked.masks(SUBNET)
        return totals(self.under(masks)) | {"kept": masks.density()}

    def measure_transfer(self) -> Measured:
        """Measure the network of the transfer that is going on."""
        return self.measure(self.current.model, self.current)

    # ends of stages

    def finish_base(self) -> Measured:
        """Save the base and measure it."""
        if self.options.run.save_tensors:
            self.run.write_tensors("base", self.model.state_dict())
        return named("final/base", self.latest or self.measure_base())  # the last step was measured, unless resumed

    def finish_mask(self) -> Measured:
        """Save the mask, and measure the base under it and under its controls.

        Raises:
            MaskError: a control that is asked for cannot have the size of the subnetwork.
        """
        options, wanted = self.options, self.options.transfer.conditions
        scores = self.scores()
        if options.run.save_tensors:
            self.run.write_tensors("scores", scores)
        masks = self.masked.finalize(SUBNET)
        check_complement(masks, wanted)
        numbers: Measured = {}
        for name, mask in masks.items():
            numbers |= {f"kept/{name}": float(mask.count_nonzero()), f"size/{name}": float(mask.numel())}
        numbers |= {"kept/total": float(masks.count()), "size/total": float(masks.size())}
        for name, chosen in beside(masks, self.masked.weights, options.seed).items():
            chosen.save(self.run.path("masks", f"{name}.npz"))
            numbers |= named(f"final/mask/{name}", self.under(chosen))
        return numbers

    def finish_transfer(self, cell: Cell) -> Measured:
        """Save the network of a transfer, measure it and forget it."""
        if self.options.run.save_tensors:
            self.run.write_tensors(cell.name.replace("/", "_"), self.current.state_dict())
        numbers = named(f"final/{cell.name}", self.latest or self.measure_transfer())
        self.grafted = None
        return numbers
