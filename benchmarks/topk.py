"""How fast is a top-k mask? Selection compared with a full sort.

    python benchmarks/topk.py [--seconds 3] [--json FILE]

A step is the mask of one tensor of scores, weight * mask, and backward to the scores; the tensors are those of the
networks of "What's Hidden in a Randomly Weighted Neural Network?".

    sort     a stable sort of |score| whose first entries are set to zero, as in the authors' code
    ours     masks.methods.edge_popup.EdgePopup: selection, exact among equal scores
    floor    the mask is given: the product and the backward pass alone
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
from masks.methods.edge_popup import EdgePopup

SHAPES = {"FC first": (300, 784), "Conv4 128x128x3x3": (128, 128, 3, 3), "Conv8 512x512x3x3": (512, 512, 3, 3)}
KEEPS = (0.1, 0.5)


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(__doc__, 3.0, "tensor")
    keep_freed_memory()
    cells = []
    print("tensor, keep                    ours ms   sort / ours          ours / floor")
    for name, shape in SHAPES.items():
        for keep in KEEPS:
            times = measure(steps(shape, keep), args.seconds, args.clock)
            cells.append({"tensor": name, "keep": keep, "milliseconds": times})
            ours, ratio = statistics.median(times["ours"]), over(times["sort"], times["ours"])
            floor = over(times["ours"], times["floor"])
            print(f"{name + f', {keep}':<28}{ours:>10.2f}   {ratio}   {floor}", flush=True)
    write(args.json, cells=cells)


def steps(shape: tuple[int, ...], keep: float) -> dict[str, Step]:
    """Return a step in each way."""
    method = EdgePopup(keep)
    weight = torch.randn(shape, generator=stream(0, "weight"))
    scores = method.init(weight, 0.0, stream(0, "scores")).requires_grad_()
    gradient = torch.randn(shape, generator=stream(0, "gradient"))
    given = method.hard(scores).to(scores.dtype)

    def sorted_mask() -> Tensor:
        mask = torch.ones(scores.numel())
        order = scores.detach().abs().flatten().argsort(stable=True)
        mask[order[: int((1 - keep) * scores.numel())]] = 0
        return mask.view(shape)

    def through(mask: Tensor) -> None:
        ranked = scores.abs()
        scores.grad = None
        (weight * (mask + (ranked - ranked.detach()))).backward(gradient)

    def ours() -> None:
        scores.grad = None
        method.masked_weight(weight, scores, 1, 0)[0].backward(gradient)

    return {"sort": lambda: through(sorted_mask()), "ours": ours, "floor": lambda: through(given)}


if __name__ == "__main__":
    main()
