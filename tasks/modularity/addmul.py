"""Addition or multiplication of one pair of numbers, selected by an input. What do the two operations share?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from analysis.confusion import confusion
from analysis.inverse import inverse
from core.rng import stream
from data.arithmetic import BASE, encode
from masks.algebra import Masks
from masks.masking import Given, Hard
from masks.model import Masking
from models.feedforward import FeedForward
from models.layered import Layered
from models.lstm import LSTMModel
from tasks.modularity.arithmetic import Arithmetic, ArithmeticT, Cases, EvalSet
from tasks.modularity.arithmetic_options import AddMulFeedForwardOptions, AddMulOptions
from tasks.subnets import CONTROL

OPERATIONS = ("add", "mul")
STEPS = 3


class _AddOrMultiply(Arithmetic[ArithmeticT]):
    """The data and the scores that both networks share; a case holds `pairs` [C, 2] and `operation` [C]."""

    subtasks = OPERATIONS

    @property
    def n_in(self) -> int:
        """Number of inputs: two operands in one-hot digits, and the operation."""
        return 2 * self.options.n_digits * BASE + len(OPERATIONS)

    def draw_examples(self, which: str, n: int) -> Cases:
        """Return the examples of a set."""
        pairs = self.draw_pairs(which, n, 1)[:, 0]
        rng = stream(0, "data", which, "operation")
        return {"pairs": pairs, "operation": torch.randint(len(OPERATIONS), (n,), generator=rng).to(self.device)}

    def make_train_set(self) -> Cases:
        examples = self.draw_examples("train", self.options.data.train_size)
        self.of_operation = {name: (examples["operation"] == i).nonzero()[:, 0] for i, name in enumerate(OPERATIONS)}
        return examples

    def subset(self, subtask: str) -> Tensor | None:
        return self.of_operation[subtask]

    def make_eval_set(self, name: str) -> EvalSet:
        size = self.options.data.seen_size if name == "seen" else self.options.data.eval_size
        examples = self.draw_examples(name, size)
        rows = torch.cat([examples["pairs"], examples["operation"].unsqueeze(1)], 1)
        cases, inverse_index = rows.unique(dim=0, return_inverse=True)
        return EvalSet(
            {"pairs": cases[:, :2], "operation": cases[:, 2]}, inverse_index.unsqueeze(1), examples["operation"]
        )

    def restricted(self, eval_set: EvalSet, subtask: str | None) -> EvalSet:
        if subtask is None:
            return eval_set
        assert eval_set.operation is not None
        mine = eval_set.operation == OPERATIONS.index(subtask)
        return EvalSet(eval_set.cases, eval_set.items[mine], eval_set.operation[mine])

    def cases(self, examples: Cases, subtask: str | None) -> Cases:
        return examples

    def parts(self, correct: Tensor, eval_set: EvalSet) -> dict[str, float]:
        each = {name: correct[eval_set.operation == i].double().mean().item() for i, name in enumerate(OPERATIONS)}
        return {"total": correct.double().mean().item()} | each

    def both_results(self, pairs: Tensor) -> Tensor:
        """Return sum and product of every pair: [C, 2] -> [C, 2]."""
        return torch.stack([pairs.sum(-1), pairs.prod(-1)], -1) % BASE**self.options.n_digits

    def results(self, cases: Cases, subtask: str | None) -> Tensor:
        return self.both_results(cases["pairs"]).gather(1, cases["operation"].unsqueeze(1))

    def inputs(self, cases: Cases) -> Tensor:
        """Return the network's input of every case, [C, n_in]."""
        digits = encode(cases["pairs"], self.options.n_digits)
        return torch.cat([digits, one_hot(cases["operation"], len(OPERATIONS)).to(digits)], 1)

    def extra(self, subnet: str, masks: Masks) -> dict[str, float]:
        self.count_confusion(f"confusion_{subnet}", Hard(subnet))
        self.count_confusion(f"confusion_inverse_{subnet}", Given(inverse(masks, self.model.io())))
        if subnet == CONTROL:
            self.count_confusion("confusion_network", None)
        return super().extra(subnet, masks)

    def count_confusion(self, name: str, masking: Masking | None) -> None:
        """Write arrays/<name>.npz: which operation the answers of the test set belong to."""
        eval_set = self.eval_sets["test"]
        assert eval_set.operation is not None
        _, answers = self.answers(masking, eval_set)
        of_item = eval_set.items[:, 0]
        results = self.both_results(eval_set.cases["pairs"])[of_item]
        counts = confusion(answers[:, 0][of_item], results, eval_set.operation)
        self.run.write_arrays(name, counts=counts.cpu().numpy())


class AddMulFeedForward(_AddOrMultiply[AddMulFeedForwardOptions]):
    """Feed-forward network."""

    middle_is_early = True

    def make_model(self, rng: torch.Generator) -> Layered:
        return FeedForward(self.n_in, self.options.n_digits * BASE, self.options.layer_sizes, rng=rng)

    def logits(self, cases: Cases, masking: Masking | None, subtask: str | None) -> Tensor:
        return self.masked(self.inputs(cases), masking).view(-1, 1, self.options.n_digits, BASE)


class AddMul(_AddOrMultiply[AddMulOptions]):
    """LSTM that sees its input for three steps and answers at the last."""

    def make_model(self, rng: torch.Generator) -> Layered:
        options = self.options
        return LSTMModel(self.n_in, options.n_digits * BASE, options.state_size, options.n_layers, rng=rng)

    def logits(self, cases: Cases, masking: Masking | None, subtask: str | None) -> Tensor:
        x = self.inputs(cases).unsqueeze(1).expand(-1, STEPS, -1)
        return self.masked(x, masking)[:, -1].view(-1, 1, self.options.n_digits, BASE)
