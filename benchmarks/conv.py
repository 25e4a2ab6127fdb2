"""How fast are K convolutions on K chunks of a batch? layers.Conv2d compared with the alternatives.

    python benchmarks/conv.py [--seconds 5] [--json FILE]

A step is forward and backward, to input and weights, of the layers of the CIFAR networks:

    loop       K convolutions one after the other
    grouped    one convolution with K groups, the chunks side by side as channels
    vmap       torch.func.vmap of conv2d
    ours       layers.Conv2d, which takes loop or grouped by the size of a chunk
    unfold     torch.nn.functional.unfold and one batched product
    one        one convolution of the whole batch with one weight: the floor
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.rounds import Step, arguments, measure, over, write
from core.malloc import keep_freed_memory
from layers import Conv2d

# name: batch, K, channels, outputs, kernel, stride, padding, side
LAYERS = {
    "ConvNet 32x32, K 4": (128, 4, 32, 32, 3, 1, 1, 32),
    "ConvNet 16x16, K 8": (128, 8, 64, 64, 3, 1, 1, 16),
    "ConvNet 8x8, K 4": (128, 4, 128, 128, 3, 1, 1, 8),
    "ResNet-110 first, K 4": (32, 4, 16, 16, 3, 1, 1, 32),
    "ResNet-110 first, K 8": (32, 8, 16, 16, 3, 1, 1, 32),
    "ResNet-110 last, K 8": (32, 8, 64, 64, 3, 1, 1, 8),
    "stem 4x4 stride 2, K 4": (128, 4, 3, 64, 4, 2, 2, 32),
    "SkinnyNet 16 first, K 5": (250, 5, 3, 16, 4, 2, 2, 32),
    "SkinnyNet 16 second, K 5": (250, 5, 16, 16, 5, 1, 2, 8),
    "digits first, K 5": (250, 5, 1, 8, 3, 1, 1, 12),
    "digits second, K 5": (250, 5, 8, 16, 3, 1, 1, 6),
}
OTHERS = ("loop", "grouped", "vmap", "unfold")


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(__doc__, 5.0, "layer")
    keep_freed_memory()
    cells = []
    for name, layer in LAYERS.items():
        times = measure(steps(*layer), args.seconds, args.clock)
        cells.append({"layer": name, "milliseconds": times})
        best = min(OTHERS, key=lambda way: statistics.median(times[way]))
        print(f"\n{name}, {len(times['ours'])} rounds      ms     over the floor")
        for way, own in times.items():
            print(f"  {way:<12}{statistics.median(own):>26.1f}     {over(own, times['one'])}", flush=True)
        print(f"  ours over the best of the others ({best}): {over(times['ours'], times[best])}")
    write(args.json, cells=cells)


def steps(batch: int, k: int, c: int, o: int, kernel: int, stride: int, padding: int, side: int) -> dict[str, Step]:
    """Return a forward and backward pass in each way."""
    rng, rows = torch.Generator().manual_seed(0), batch // k
    layer = Conv2d(c, o, kernel, stride, padding, bias=False)
    x = torch.randn(batch, c, side, side, generator=rng).requires_grad_()
    weight = torch.randn(k, o, c, kernel, kernel, generator=rng).requires_grad_()
    del layer.weight  # functional_call puts K weights here, once for a whole network
    layer.weight = weight
    out = (side + 2 * padding - kernel) // stride + 1

    def grouped() -> torch.Tensor:
        side_by_side = x.view(k, rows, c, side, side).transpose(0, 1).reshape(rows, k * c, side, side)
        y = F.conv2d(side_by_side, weight.flatten(0, 1), None, stride, padding, groups=k)
        return y.view(rows, k, o, out, out).transpose(0, 1).reshape(batch, o, out, out)

    def unfold() -> torch.Tensor:
        patches = F.unfold(x, kernel, padding=padding, stride=stride).view(k, rows, c * kernel**2, -1)
        y = torch.bmm(weight.flatten(2), patches.transpose(1, 2).flatten(2))
        return y.view(k, o, rows, out, out).transpose(1, 2).reshape(batch, o, out, out)

    def loop() -> torch.Tensor:
        each = zip(x.chunk(k), weight.unbind(), strict=True)
        return torch.cat([F.conv2d(a, w, None, stride, padding) for a, w in each])

    ways: dict[str, Callable[[], Tensor]] = {
        "loop": loop,
        "grouped": grouped,
        "vmap": lambda: torch.func.vmap(lambda a, w: F.conv2d(a, w, None, stride, padding))(
            x.view(k, rows, c, side, side), weight
        ).flatten(0, 1),
        "ours": lambda: layer(x),
        "unfold": unfold,
        "one": lambda: F.conv2d(x, weight[0], None, stride, padding),
    }

    def step(forward: Callable[[], Tensor]) -> Step:
        def forward_and_backward() -> None:
            x.grad = weight.grad = None
            y = forward()
            y.backward(torch.ones_like(y))

        return forward_and_backward

    return {name: step(forward) for name, forward in ways.items()}


if __name__ == "__main__":
    main()
