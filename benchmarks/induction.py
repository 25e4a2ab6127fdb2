"""What does a step of learning a mask by continuous sparsification cost, beside a step that trains the network itself?

    python benchmarks/induction.py [--only gpt_2_layers] [--seconds 20] [--cpu] [--json FILE]

A step: forward pass of a batch, cross entropy, backward pass, AdamW. Networks: the published GPT of two layers (width
128, four words, batch 50), and torchvision's ResNet-18 on 16 images of 64 x 64 in evaluation mode. The ways:

    unmasked   trains the weights that could be masked
    ours       trains the scores of a mask on them, K = 1, with the penalty (masks/methods/continuous_sparsification.py)
    wrapped    the same scores, each module with masked weights in a wrapper that multiplies by sigmoid(T s) and leaves
               everything to autograd, as libraries that replace layers do

That `ours` and `wrapped` have the same loss and gradients is checked before anything is timed. Every round runs each
way once, in turn, and ratios are taken within a round: the median over rounds and the quartiles.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torchvision.models import resnet18

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.rounds import Step, arguments, measure, over, write
from core.malloc import keep_freed_memory
from core.rng import stream
from masks.masking import Sample
from masks.methods.continuous_sparsification import ContinuousSparsification
from masks.model import MaskedModel, freeze
from models.gpt import GPT

PROGRESS, PENALTY, CLASSES = 0.5, 1e-6, 7
METHOD = ContinuousSparsification()
TEMPERATURE = METHOD.at(PROGRESS).initial_temperature


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(
        __doc__, 20.0, "network", only={"nargs": "+", "choices": list(NETWORKS), "default": list(NETWORKS)}
    )
    keep_freed_memory()
    cells = []
    for name in args.only:
        times = measure(ways(*NETWORKS[name]()), args.seconds, args.clock)
        cells.append({"network": name, "clock": args.clock.__name__, "milliseconds": times})
        print(f"\n{name}, {len(times['ours'])} rounds    ms     over unmasked         over wrapped")
        for way, own in times.items():
            ratios = f"{over(own, times['unmasked'])}     {over(own, times['wrapped'])}"
            print(f"  {way:<12}{statistics.median(own):>20.2f}     {ratios}", flush=True)
    write(args.json, cells=cells)


def gpt() -> tuple[nn.Module, list[str], Tensor, Tensor]:
    """Return the network, its maskable weights, words and answers."""
    network = GPT(1001, 4, 2, 128, 4, rng=stream(0, "init"))
    words = torch.randint(1001, (50, 3), generator=stream(0, "data"))
    return network, network.maskable(), words, torch.randint(CLASSES, (50,), generator=stream(0, "answers"))


def resnet() -> tuple[nn.Module, list[str], Tensor, Tensor]:
    """Return the network, the weights of its convolutions, images and labels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet18(num_classes=CLASSES).eval()
    names = [f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    images = torch.randn(16, 3, 64, 64, generator=stream(0, "data"))
    return network, names, images, torch.randint(CLASSES, (16,), generator=stream(0, "answers"))


NETWORKS: dict[str, Callable[[], tuple[nn.Module, list[str], Tensor, Tensor]]] = {
    "gpt_2_layers": gpt,
    "resnet18_64": resnet,
}


def ways(network: nn.Module, names: list[str], x: Tensor, y: Tensor) -> dict[str, Step]:
    """Return the ways by name; each call is one step of its own network."""

    def loss_of(output: Tensor) -> Tensor:
        last = output if output.dim() == 2 else output[:, -1]
        return nn.functional.cross_entropy(last[:, :CLASSES], y)

    def step(parameters: Mapping[str, Tensor], loss: Callable[[], Tensor]) -> Step:
        optimizer = torch.optim.AdamW(parameters.values(), lr=1e-6)

        def update() -> None:
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()

        return update

    plain = freeze(deepcopy(network))
    trained = {name: plain.get_parameter(name).requires_grad_() for name in names}
    masked = MaskedModel(freeze(deepcopy(network)), METHOD, names)
    scores = masked.add_scores("subnet", 0.1, 0)
    seeds = iter(range(10**9))

    def ours() -> Tensor:
        through = masked(x, Sample("subnet", 1, next(seeds), PROGRESS))
        return loss_of(through) + PENALTY * masked.penalty("subnet", PROGRESS)

    other = freeze(deepcopy(network))
    wrapped_scores = wrap(other, names, {name: scores[name].detach().clone() for name in names})

    def wrapped() -> Tensor:
        soft = [(TEMPERATURE * tensor).sigmoid().sum() for tensor in wrapped_scores.values()]
        return loss_of(other(x)) + PENALTY * torch.stack(soft).sum()

    check({name: scores[name] for name in names}, ours, wrapped_scores, wrapped)
    return {
        "unmasked": step(trained, lambda: loss_of(plain(x))),
        "ours": step(scores, ours),
        "wrapped": step(wrapped_scores, wrapped),
    }


class Wrapped(nn.Module):
    """A module whose named parameters are multiplied by sigmoid(T * score) whenever it is called."""

    def __init__(self, inner: nn.Module, scores: Mapping[str, Tensor]):
        super().__init__()
        self.inner, self.names = inner, list(scores)
        self.scores = nn.ParameterList([nn.Parameter(tensor) for tensor in scores.values()])

    def weights(self) -> dict[str, Tensor]:
        """Return the parameters under the mask."""
        pairs = zip(self.names, self.scores, strict=True)
        return {name: self.inner.get_parameter(name) * (TEMPERATURE * s).sigmoid() for name, s in pairs}

    def forward(self, *inputs: Any) -> Any:
        """Call the module with them."""
        return functional_call(self.inner, self.weights(), inputs)


def wrap(network: nn.Module, names: list[str], scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put every block of a GPT, or convolution, that has masked weights into a wrapper; return the scores by name."""
    found: dict[str, Tensor] = {}
    for path in dict.fromkeys(place(name) for name in names):
        own = {name.removeprefix(f"{path}."): scores[name] for name in names if place(name) == path}
        parent, _, last = path.rpartition(".")
        wrapper = Wrapped(network.get_submodule(path), own)
        setattr(network.get_submodule(parent), last, wrapper)
        found |= {f"{path}.{name}": tensor for name, tensor in zip(own, wrapper.scores, strict=True)}
    return found


def place(name: str) -> str:
    """Return the module that is called with the weight: of a GPT's, which reads its attention's weights, the block."""
    return ".".join(name.split(".")[:2]) if name.startswith("blocks.") else name.rpartition(".")[0]


def check(
    ours: Mapping[str, Tensor], our_loss: Callable[[], Tensor], theirs: Mapping[str, Tensor], loss: Callable[[], Tensor]
) -> None:
    """Raise AssertionError unless both ways have the same loss and gradients."""
    mine, other = our_loss(), loss()
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    gradients = zip(ours, torch.autograd.grad(mine, list(ours.values())), strict=True)
    expected = dict(zip(theirs, torch.autograd.grad(other, list(theirs.values())), strict=True))
    for name, gradient in gradients:
        torch.testing.assert_close(gradient, expected[name], rtol=1e-2, atol=1e-5)


if __name__ == "__main__":
    main()
