"""How fast do K masks run on networks that know nothing of masks? By vmap, by a loop, and by what `auto` takes.

    python benchmarks/foreign.py [--only resnet50_96] [--samples 4] [--cpu] [--json FILE]

A step: K masks of all weights of two or more axes, forward pass of a batch in K chunks, a scalar of the output,
backward pass. The network is frozen, in evaluation mode, and has random weights; the number behind a name is the side
of the images or the length of the text. GPT-2 needs transformers and is left out where it is missing. The ways:

    plain      K passes of the network itself, a chunk each, with gradients of its weights: what K masks cannot avoid
    whole      one pass of the network itself over the whole batch, with gradients of its weights
    vmap, loop, auto    K masks, see layers/functional/backends.py

Every round runs each way once, in turn, and ratios are taken within a round; the tables give the median over rounds
and the quartiles.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import resnet18, resnet50, vit_b_16

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.rounds import Step, arguments, measure, over, write
from core.malloc import keep_freed_memory
from core.rng import stream
from masks.masking import Sample
from masks.methods.gumbel import Gumbel
from masks.model import MaskedModel, freeze


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(
        __doc__, 20.0, "network and number of samples",
        only={"nargs": "+", "choices": list(NETWORKS), "default": list(NETWORKS)},
        samples={"type": int, "nargs": "+", "default": [4]},
        batch={"type": int, "default": 8, "help": "rows; a multiple of the samples"},
    )  # fmt: skip
    keep_freed_memory()
    cells = []
    for name in args.only:
        for k in args.samples:
            steps = ways(name, k, args.batch)
            if steps is None:
                print(f"\n{name}: transformers is not installed")
                continue
            times = measure(steps, args.seconds, args.clock)
            cells.append({"network": name, "samples": k, "clock": args.clock.__name__, "milliseconds": times})
            print(f"\n{name}, K = {k}, {len(times['plain'])} rounds    ms     over plain            over whole")
            for way, own in times.items():
                ratios = f"{over(own, times['plain'])}     {over(own, times['whole'])}"
                print(f"  {way:<12}{statistics.median(own):>26.1f}     {ratios}", flush=True)
    write(args.json, cells=cells)


def images(build: Callable[[], nn.Module], side: int) -> Callable[[int], tuple[nn.Module, Tensor]]:
    """Return a function from the number of rows to a network and a batch of images."""
    return lambda rows: (build(), torch.randn(rows, 3, side, side, generator=stream(0, "data")))


def gpt2(layers: int, length: int) -> Callable[[int], tuple[nn.Module, Tensor] | None]:
    """Return a function from the number of rows to GPT-2 of the small one's width and a batch of words."""

    def build(rows: int) -> tuple[nn.Module, Tensor] | None:
        try:
            from transformers import GPT2Config, GPT2LMHeadModel
        except ImportError:
            return None
        words = torch.randint(50257, (rows, length), generator=stream(0, "data"))
        return GPT2LMHeadModel(GPT2Config(n_layer=layers, use_cache=False)), words

    return build


NETWORKS: dict[str, Callable[[int], tuple[nn.Module, Tensor] | None]] = {
    "resnet18_64": images(resnet18, 64),
    "resnet50_96": images(resnet50, 96),
    "vit_b_16_224": images(vit_b_16, 224),
    "gpt2_of_6_64": gpt2(6, 64),
    "gpt2_small_64": gpt2(12, 64),
}


def ways(name: str, k: int, rows: int) -> dict[str, Step] | None:
    """Return the ways by name; each call is one forward and backward pass."""
    made = NETWORKS[name](rows)
    if made is None:
        return None
    model, x = made
    freeze(model)
    seeds = iter(range(10**9))

    def scalar(output: Any) -> Tensor:
        return (output if isinstance(output, Tensor) else output.logits).square().mean()

    def alone(chunks: int) -> Step:
        def step() -> None:
            model.requires_grad_(True)
            for part in x.chunk(chunks):
                model.zero_grad()
                scalar(model(part)).backward()
            freeze(model)

        return step

    def masked(backend: str) -> Step:
        network = MaskedModel(model, Gumbel(), backend=backend)
        scores = network.add_scores("subnet", 2.0, 0).values()

        def step() -> None:
            for tensor in scores:
                tensor.grad = None
            scalar(network(x, Sample("subnet", k, next(seeds)))).backward()

        return step

    return {"plain": alone(k), "whole": alone(1)} | {way: masked(way) for way in ("vmap", "loop", "auto")}


if __name__ == "__main__":
    main()
