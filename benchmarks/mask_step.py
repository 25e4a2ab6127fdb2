"""How fast is one step of mask training? Our backends for K masks, compared with a lower bound and the textbook
version.

    python benchmarks/mask_step.py [--quick] [--only ff800] [--samples 4 8] [--json FILE]

A step is the same for all: K masks, forward pass of 128 rows (K chunks), cross entropy + penalty on the
scores, backward pass, clipping of the gradient norm and fused Adam on the scores. What differs is where the K
weight tensors of each layer come from and how the network runs on them:

    loop       our sampling, K passes through the network
    vmap       our sampling, one vectorised pass
    layers     our sampling, one pass through batched layers: what `auto` takes
    blocks     as layers, without compiled code (SIEVE_COMPILE=0)
    floor      as layers, but the K weights are drawn beforehand: gradients to them, no sampling. Penalty,
               clipping and Adam on scores of the same size are in it: layers / floor is the price of sampling
    textbook   W * m, m straight through Gumbel noise made of two uniforms and four logarithms, by autograd
               through every operation, the frozen weights' gradients computed too; plain bmm layers

Every round runs each variant once, in turn, and ratios are taken within a round; the tables give the median
over rounds and the quartiles. As in main.py, the C library keeps freed memory, which speeds up all variants.
On a machine with other work to do, `--cpu --threads 1` compares what the variants cost rather than how long
they wait, and OMP_WAIT_POLICY=passive keeps waiting threads from spinning.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import layers.linear
import layers.lstm
from benchmarks.rounds import Step, machine, measure, over
from core.malloc import keep_freed_memory
from core.rng import stream
from masks.masking import Sample
from masks.methods.gumbel import Gumbel
from masks.model import MaskedModel, freeze
from models.feedforward import FeedForward
from models.lstm import LSTMModel

ROWS, DIGITS = 128, 4


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="ff800 with 4 samples, few rounds")
    parser.add_argument("--only", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--samples", nargs="+", type=int, default=[4, 8])
    parser.add_argument("--seconds", type=float, default=15.0, help="for each network and number of samples")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu", action="store_true", help="measure processor time instead of wall time")
    parser.add_argument("--json", type=Path, help="write the numbers and what machine they are from")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    if args.quick:
        args.only, args.samples, args.seconds = ["ff800"], [4], 5.0
    clock = time.process_time if args.cpu else time.perf_counter
    cells = []
    for name in args.only:
        for k in args.samples:
            times = measure(variants(name, k), args.seconds, clock)
            cells.append({"network": name, "samples": k, "clock": clock.__name__, "milliseconds": times})
            report(name, k, times)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "cells": cells}, indent=1))


# ---------------------------------------------------------------- the networks and the variants

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ff128": (lambda: FeedForward(80, 10 * DIGITS, (128,) * 3, rng=stream(0, "init")), (ROWS, 80)),
    "ff800": (lambda: FeedForward(80, 10 * DIGITS, (800,) * 4, rng=stream(0, "init")), (ROWS, 80)),
    "ff2000": (lambda: FeedForward(80, 10 * DIGITS, (2000,) * 4, rng=stream(0, "init")), (ROWS, 80)),
    "lstm256": (lambda: LSTMModel(40, 10 * DIGITS, 256, 2, rng=stream(0, "init")), (ROWS, 6, 40)),
}


def variants(name: str, k: int) -> dict[str, Step]:
    """Return the variants by name; each call is one training step."""
    build, shape = NETWORKS[name]
    model, rng = freeze(build()), stream(0, "data")
    names = [parameter for parameter, _ in model.named_parameters()]
    x = torch.randn(shape, generator=rng)
    y = torch.randint(10, (x.shape[:-1].numel() * DIGITS,), generator=rng)
    seeds = iter(range(10**9))

    def prepared(backend: str = "layers") -> tuple[MaskedModel, Callable[[Tensor], None]]:
        masked = MaskedModel(model, Gumbel(), names, backend=backend)
        scores = list(masked.add_scores("subnet", 2.0, 0).values())
        optimizer = torch.optim.Adam(scores, 1e-2, fused=True)

        def update(logits: Tensor) -> None:
            loss = F.cross_entropy(logits.reshape(-1, 10), y) + 1e-4 / ROWS * masked.penalty("subnet")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(scores, 1.0)
            optimizer.step()

        return masked, update

    def ours(backend: str) -> Step:
        masked, update = prepared(backend)
        return lambda: update(masked(x, Sample("subnet", k, next(seeds))))

    def floor() -> Step:
        masked, update = prepared()
        drawn = {n: w.expand(k, *w.shape).clone().requires_grad_() for n, w in masked.weights.items()}

        def step() -> None:
            for weight in drawn.values():
                weight.grad = None
            update(masked(x, Drawn(drawn, k)))

        return step

    def textbook() -> Step:
        masked, update = prepared()
        copies = {n: w.detach().clone().requires_grad_() for n, w in masked.weights.items()}

        def step() -> None:
            for weight in copies.values():
                weight.grad = None
            scores = masked.scores("subnet")
            drawn = {n: w * textbook_sample(scores[n], k) for n, w in copies.items()}
            with plain_products():
                update(masked(x, Drawn(drawn, k)))

        return step

    return {
        "floor": floor(),
        "layers": ours("layers"),
        "blocks": without_compiler(ours("layers")),
        "vmap": ours("vmap"),
        "loop": ours("loop"),
        "textbook": textbook(),
    }


class Drawn:
    """Masking whose weights are there already."""

    def __init__(self, drawn: dict[str, Tensor], k: int):
        self.drawn, self.k = drawn, k

    def weights(self, masked: MaskedModel) -> dict[str, Tensor]:
        return self.drawn


def textbook_sample(scores: Tensor, k: int) -> Tensor:
    """Return K hard samples with the gradient of the soft ones, as papers and their code write it."""
    scores = scores.expand(k, *scores.shape)
    u, v = torch.rand(2, *scores.shape).clamp(1e-10, 1 - 1e-7).unbind()
    soft = torch.sigmoid(scores - torch.log(-torch.log(u)) + torch.log(-torch.log(v)))
    hard = (soft > 0.5).to(soft.dtype)
    return hard - soft.detach() + soft


@contextmanager
def plain_products() -> Iterator[None]:
    """Let our layers multiply as anyone would write it, with autograd's own backward pass."""
    ours, steps, width = layers.linear.product, layers.lstm.recurrence, layers.lstm.KERNEL_WIDTH

    def plain(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        y = torch.bmm(x, weight.transpose(1, 2))
        return y if bias is None else y + bias.unsqueeze(1)

    def plain_steps(inputs: Tensor, weight: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        states = []
        for step in inputs.unbind(1):
            i, f, g, o = (step + torch.bmm(h, weight.transpose(1, 2))).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append((h, c))
        return torch.stack([h for h, _ in states], 1), torch.stack([c for _, c in states], 1)

    layers.linear.product = layers.lstm.product = plain
    layers.lstm.recurrence, layers.lstm.KERNEL_WIDTH = plain_steps, sys.maxsize  # an LSTM by steps of K products
    try:
        yield
    finally:
        layers.linear.product = layers.lstm.product = ours
        layers.lstm.recurrence, layers.lstm.KERNEL_WIDTH = steps, width


def without_compiler(step: Step) -> Step:
    """Return the step with compiled code switched off."""

    def switched() -> None:
        os.environ["SIEVE_COMPILE"] = "0"
        try:
            step()
        finally:
            del os.environ["SIEVE_COMPILE"]

    return switched


def report(network: str, k: int, times: dict[str, list[float]]) -> None:
    """Print one table."""
    rounds = len(times["floor"])
    print(f"\n{network}, K = {k}, {rounds} rounds    ms     over the floor       textbook over it")
    for name, own in times.items():
        above, under = over(own, times["floor"]), over(times["textbook"], own)
        print(f"  {name:<12}{statistics.median(own):>22.1f}     {above}     {under}", flush=True)


if __name__ == "__main__":
    main()
