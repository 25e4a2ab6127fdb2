"""How fast is one step of mask training of the networks of class removal and of SCAN? Our backends for K masks.

    python benchmarks/networks.py [--only resnet110_32] [--samples 4 8] [--cpu] [--json FILE]

A step is the same for all, as in mask_step.py: K masks of every weight but embeddings and biases, forward pass of a
batch in K chunks, cross entropy + penalty on the scores, backward pass, clipping of the gradient norm and fused Adam
on the scores. The network is frozen and in evaluation mode; the number behind a name is the batch. Commands of SCAN
are of 5 to 9 words, as most are, answers of 1 to 24 and given; "own": the words before are the network's own, as they
are in half of the LSTMs' steps. The ways:

    loop       K passes through the network
    vmap       one vectorised pass
    layers     one pass through batched layers: what `auto` takes
    floor      as layers, but the K weights are drawn beforehand: layers / floor is the price of sampling

Every round runs each way once, in turn, and ratios are taken within a round; the tables give the median over rounds
and the quartiles. On a machine with other work to do, `--cpu --threads 1` compares what the ways cost rather than
how long they wait.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.mask_step import Drawn
from benchmarks.rounds import Step, arguments, measure, over, write
from core.errors import LayerError
from core.malloc import keep_freed_memory
from core.rng import stream
from masks.maskable import maskable
from masks.masking import Sample
from masks.methods.gumbel import Gumbel
from masks.model import MaskedModel, Masking, freeze
from models.cifar import conv_net, resnet110
from models.encoder_decoder import EncoderDecoder
from models.transformer import Transformer

IMAGES, WORDS = (3, 10), (13, 6)  # channels and classes; vocabularies
LENGTHS = (5, 9), (1, 24)  # shortest and longest command and answer


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(
        __doc__, 20.0, "network and number of samples",
        only={"nargs": "+", "choices": list(NETWORKS), "default": list(NETWORKS)},
        samples={"type": int, "nargs": "+", "default": [4, 8]},
    )  # fmt: skip
    keep_freed_memory()
    cells = []
    for name in args.only:
        for k in args.samples:
            steps, cannot = runnable(ways(name, k))
            times = measure(steps, args.seconds, args.clock)
            cells.append({"network": name, "samples": k, "clock": args.clock.__name__, "milliseconds": times} | cannot)
            report(name, k, times, cannot)
    write(args.json, cells=cells)


# ---------------------------------------------------------------- the networks and the ways


def images(build: Callable[..., nn.Module], batch: int) -> tuple[nn.Module, tuple[Tensor, ...], Tensor]:
    """Return a network for images, a batch of them, and their classes."""
    rng = stream(0, "data")
    x, y = torch.randn(batch, 3, 32, 32, generator=rng), torch.randint(10, (batch,), generator=rng)
    return build(*IMAGES, stream(0, "init")), (x,), y


def sequences(
    build: Callable[..., nn.Module], batch: int, taught: bool = True
) -> tuple[nn.Module, tuple[Any, ...], Tensor]:  # fmt: skip
    """Return a network for sequences, a batch of commands with their answers, and the right next words."""
    rng = stream(0, "data")
    (source, length), (target, answer) = (
        (torch.randint(words, (batch, most), generator=rng), torch.randint(least, most + 1, (batch,), generator=rng))
        for words, (least, most) in zip(WORDS, LENGTHS, strict=True)
    )
    target = torch.where(torch.arange(target.shape[1]) < answer[:, None], target, WORDS[1])
    y = torch.cat([target, target.new_full((batch, 1), WORDS[1])], 1)
    behind = torch.arange(y.shape[1]) > answer[:, None]
    inputs = source, length, target, 0, taught
    return build(*WORDS, stream(0, "init")), inputs, y.masked_fill(behind, -100).flatten()


NETWORKS: dict[str, Callable[[], tuple[nn.Module, tuple[Any, ...], Tensor]]] = {
    "conv_net_32": lambda: images(conv_net, 32),
    "conv_net_128": lambda: images(conv_net, 128),
    "resnet110_32": lambda: images(resnet110, 32),
    "transformer_32": lambda: sequences(Transformer, 32),
    "transformer_128": lambda: sequences(Transformer, 128),
    "encoder_decoder_32": lambda: sequences(EncoderDecoder, 32),
    "encoder_decoder_128": lambda: sequences(EncoderDecoder, 128),
    "encoder_decoder_own_32": lambda: sequences(EncoderDecoder, 32, taught=False),
    "encoder_decoder_own_128": lambda: sequences(EncoderDecoder, 128, taught=False),
}


def ways(name: str, k: int) -> dict[str, Step]:
    """Return the ways by name; each call is one training step."""
    model, inputs, y = NETWORKS[name]()
    names = maskable(dict(freeze(model).named_parameters()), exclude=("*embedding*",), bias=False)
    seeds = iter(range(10**9))

    def step_of(backend: str, drawn: bool = False) -> Step:
        masked = MaskedModel(model, Gumbel(), names, backend=backend)
        scores = list(masked.add_scores("subnet", 2.0, 0).values())
        optimizer = torch.optim.Adam(scores, 1e-2, fused=True)
        weights = {n: w.expand(k, *w.shape).clone().requires_grad_() for n, w in masked.weights.items() if drawn}

        def step() -> None:
            for weight in weights.values():
                weight.grad = None
            masking: Masking = Drawn(weights, k) if drawn else Sample("subnet", k, next(seeds))
            logits = masked(inputs[0], masking, *inputs[1:]).flatten(0, -2)
            loss = F.cross_entropy(logits, y) + 1e-4 / len(inputs[0]) * masked.penalty("subnet")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(scores, 1.0)
            optimizer.step()

        return step

    return {
        "floor": step_of("auto", drawn=True), "layers": step_of("auto"), "vmap": step_of("vmap"),
        "loop": step_of("loop"),
    }  # fmt: skip


def runnable(steps: dict[str, Step]) -> tuple[dict[str, Step], dict[str, str]]:
    """Return the ways that run, and why the others do not."""
    cannot = {}
    for name, step in steps.items():
        try:
            step()
        except (LayerError, RuntimeError) as error:  # vmap cuts no packed sequences
            cannot[name] = str(error).splitlines()[0][:80]
    return {name: step for name, step in steps.items() if name not in cannot}, cannot


def report(network: str, k: int, times: dict[str, list[float]], cannot: dict[str, str]) -> None:
    """Print one table."""
    rounds = len(times["floor"])
    print(f"\n{network}, K = {k}, {rounds} rounds    ms     over the floor      over layers")
    for name, own in times.items():
        above, gain = over(own, times["floor"]), over(own, times["layers"])
        print(f"  {name:<12}{statistics.median(own):>26.1f}     {above}     {gain}")
    for name, why in cannot.items():
        print(f"  {name:<12}{why}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
