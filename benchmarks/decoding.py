"""How fast is autoregressive decoding? Our incremental decoding compared with recomputing the prefix.

    python benchmarks/decoding.py [--batch 32 256] [--samples 1 8] [--cpu] [--json FILE]

The commands are random, of 9 words. The networks are untrained and their output for the end has a bias of -1e9, so
that none stops early: every answer is of 49 words, 48 and the place of the end, the longest that SCAN has. The ways:

    anew           at each step the decoder runs over all words found so far
    step by step   forward(source, length, most=49): it keeps the keys and values, or the state, of what was found

Both encode the command once and find the same words. With several samples the batch goes through so many sets of
weights in chunks. Every round runs each way once, and the ratio is taken within a round.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.rounds import Step, arguments, measure, over, write
from core.malloc import keep_freed_memory
from core.rng import stream
from layers.functional.batching import forward
from models.encoder_decoder import EncoderDecoder
from models.sequence import SequenceModel
from models.transformer import Transformer

NETWORKS = {"transformer": Transformer, "encoder_decoder": EncoderDecoder}
WORDS, COMMAND, MOST = (13, 6), 9, 49


class Anew(torch.nn.Module):
    """A network whose decoder starts from the first word at every step."""

    def __init__(self, network: SequenceModel):
        super().__init__()
        self.network = network

    def forward(self, source: Tensor, length: Tensor) -> Tensor:
        """Return [B, MOST] words."""
        begin = source.new_full((len(source), 1), WORDS[1])
        state = self.network.encode(torch.cat([source, source.new_full((len(source), 1), WORDS[0])], 1), length + 1)
        words = begin
        for _ in range(MOST):
            words = torch.cat([words, self.network.decode(state, words)[0][:, -1:].argmax(-1)], 1)
        return words[:, 1:]


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(
        __doc__, 15.0, "network and batch size",
        only={"nargs": "+", "choices": list(NETWORKS), "default": list(NETWORKS)},
        batch={"type": int, "nargs": "+", "default": [32, 256]},
        samples={"type": int, "nargs": "+", "default": [1]},
    )  # fmt: skip
    keep_freed_memory()
    cells = []
    for name in args.only:
        for batch in args.batch:
            for k in args.samples:
                times = measure(ways(name, batch, k), args.seconds, args.clock)
                own, anew = times["step by step"], times["anew"]
                cells.append({"network": name, "batch": batch, "samples": k, "milliseconds": times})
                print(
                    f"{name}, batch {batch}, K = {k}, {len(own)} rounds: step by step {statistics.median(own):.1f} "
                    f"ms, anew {statistics.median(anew):.1f} ms; anew / step by step {over(anew, own)}",
                    flush=True,
                )
    write(args.json, clock=args.clock.__name__, cells=cells)


def ways(name: str, batch: int, k: int) -> dict[str, Step]:
    """Return the ways by name; each call answers the batch.

    Raises:
        AssertionError: they do not find the same words.
    """
    network = NETWORKS[name](*WORDS, stream(0, "init")).eval()
    with torch.no_grad():
        [bias] = [p for n, p in network.named_parameters() if n.startswith("output") and n.endswith("bias")]
        bias[WORDS[1]] = -1e9
    source = torch.randint(WORDS[0], (batch, COMMAND), generator=stream(0, "data"))
    length = torch.full((batch,), COMMAND)
    anew, rng = Anew(network), stream(0, "masks")
    weights = {} if k == 1 else {
        n: p.detach() * (torch.rand(k, *p.shape, generator=rng) < 0.9)
        for n, p in network.named_parameters() if p.dim() > 1 and "embedding" not in n
    }  # fmt: skip

    @torch.no_grad()
    def step_by_step() -> Tensor:
        return forward(network, weights, k if weights else None, source, length, most=MOST)

    @torch.no_grad()
    def from_the_first() -> Tensor:
        given = {f"network.{n}": w for n, w in weights.items()}
        return forward(anew, given, k if weights else None, source, length)

    found, expected = step_by_step(), from_the_first()
    assert found.shape == (batch, MOST) and (found == expected).double().mean() > 0.99, "ties may be broken otherwise"
    return {"step by step": step_by_step, "anew": from_the_first}


if __name__ == "__main__":
    main()
