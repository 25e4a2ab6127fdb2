"""How fast is a locally connected layer? Ours compared with the alternatives, and with the convolution it came from.

    python benchmarks/local.py [--only L2] [--seconds 10] [--json FILE]

A step is forward and backward, to input, weight and bias. The layers are those of the CIFAR network that is untied:

    broadcast   windows times weights [1, O, C, Ho, Wo, k*k], summed: how the published code does it
    im2col      torch.nn.functional.unfold and one batched product
    windows     strided windows copied to [L, N, I] and one batched product, by autograd
    einsum      torch.einsum on the strided windows
    groups      a 1x1 convolution with a group per site
    vmap        torch.func.vmap of conv2d over the sites
    ours        layers.LocallyConnected2d
    conv        torch.nn.functional.conv2d: the same arithmetic with shared weights

Weights are stored as each way likes them best. Then the peak memory of `ours` and `broadcast` on L2: how much a
process grows by its first step.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.rounds import Step, arguments, measure, over, write
from core.malloc import keep_freed_memory
from layers import LocallyConnected2d

# batch, channels, outputs, kernel, stride, padded side
LAYERS = {"L1": (128, 3, 64, 4, 2, 36), "L2": (32, 64, 64, 5, 1, 12), "L3": (128, 64, 64, 3, 1, 5)}
WAYS = ("broadcast", "im2col", "windows", "einsum", "groups", "vmap", "ours", "conv")
SHARED = ("ours", "conv", "broadcast")  # not among those that ours is held against


def main() -> None:
    """Measure, print, and write the JSON."""
    args = arguments(
        __doc__,
        20.0,
        "layer",
        only={"nargs": "+", "choices": list(LAYERS), "default": list(LAYERS)},
        growth={"nargs": 2, "metavar": ("LAYER", "WAY"), "help": argparse.SUPPRESS},
    )
    if args.growth:
        print(growth(*args.growth))
        return
    keep_freed_memory()
    cells = []
    for name in args.only:
        times = measure({way: step(name, way) for way in WAYS}, args.seconds, args.clock)
        cells.append({"layer": name, "milliseconds": times})
        report(name, times)
    memory = {way: grown("L2", way) for way in ("broadcast", "ours")}
    print(f"\nL2, growth by the first step: broadcast {memory['broadcast']:.0f} MiB, ours {memory['ours']:.0f} MiB: "
          f"{memory['broadcast'] / memory['ours']:.1f} times less")  # fmt: skip
    write(args.json, cells=cells, growth=memory)


def step(name: str, way: str) -> Step:
    """Return one forward and backward pass of a layer, written in one of the ways."""
    n, c, o, k, s, side = LAYERS[name]
    rng = torch.Generator().manual_seed(0)
    out = (side - k) // s + 1
    sites = out * out
    x = torch.randn(n, c, side, side, generator=rng).requires_grad_()
    layer = LocallyConnected2d(c, o, k, side, s)
    layer.reset_parameters(rng)
    assert layer.bias is not None
    kernels, bias = layer.kernels().detach(), layer.bias.detach()  # [L, O, C, k, k], [L, O]
    weight = kernels.permute(0, 2, 3, 4, 1).reshape(sites, -1, o)  # as F.unfold orders patches
    image = bias.T.reshape(o, out, out)  # the bias as a map
    forms: dict[str, tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]]] = {
        "broadcast": (
            weight.view(out, out, c, k * k, o).permute(4, 2, 0, 1, 3).unsqueeze(0), image.unsqueeze(0),
            lambda w, b: (x.unfold(2, k, s).unfold(3, k, s).flatten(4).unsqueeze(1) * w).sum((2, 5)) + b,
        ),
        "im2col": (
            weight, bias.unsqueeze(1),
            lambda w, b: torch.baddbmm(b, F.unfold(x, k, stride=s).permute(2, 0, 1), w).permute(1, 2, 0),
        ),
        "windows": (
            weight, bias.unsqueeze(1),
            lambda w, b: torch.baddbmm(
                b, x.unfold(2, k, s).unfold(3, k, s).permute(2, 3, 0, 1, 4, 5).reshape(sites, n, -1), w
            ).permute(1, 2, 0),
        ),
        "einsum": (
            weight.view(out, out, c, k, k, o), image,
            lambda w, b: torch.einsum("ncijuv,ijcuvo->noij", x.unfold(2, k, s).unfold(3, k, s), w) + b,
        ),
        "groups": (
            weight.permute(0, 2, 1).reshape(sites * o, -1, 1, 1), bias.flatten(),
            lambda w, b: F.conv2d(F.unfold(x, k, stride=s).permute(2, 1, 0).reshape(1, -1, n, 1), w, b, groups=sites),
        ),
        "vmap": (
            weight.permute(0, 2, 1).reshape(sites, o, c, k, k), bias,
            lambda w, b: torch.func.vmap(F.conv2d)(
                x.unfold(2, k, s).unfold(3, k, s).permute(2, 3, 0, 1, 4, 5).reshape(sites, n, c, k, k), w, b
            ),
        ),
        "ours": (
            layer.weight.detach(), bias, lambda w, b: functional_call(layer, {"weight": w, "bias": b}, (x,)),
        ),
        "conv": (kernels[0], bias[0], lambda w, b: F.conv2d(x, w, b, stride=s)),
    }  # fmt: skip
    w, b, forward = forms[way]
    w, b = w.contiguous().requires_grad_(), b.contiguous().requires_grad_()

    def forward_and_backward() -> None:
        x.grad = w.grad = b.grad = None
        y = forward(w, b)
        y.backward(torch.ones_like(y))

    return forward_and_backward


def report(name: str, times: dict[str, list[float]]) -> None:
    """Print one table."""
    best = min((way for way in times if way not in SHARED), key=lambda way: statistics.median(times[way]))
    print(f"\n{name} {LAYERS[name]}, {len(times['ours'])} rounds     ms     over ours")
    for way, own in times.items():
        print(f"  {way:<12}{statistics.median(own):>26.1f}     {over(own, times['ours'])}", flush=True)
    print(f"  ours over the best of the others ({best}): {over(times['ours'], times[best])}")


def growth(name: str, way: str) -> float:
    """Return by how many MiB this process grows during its first step, after torch has been used a little (Linux)."""
    one = step(name, way)
    (torch.ones(64, 64) @ torch.ones(64, 64).requires_grad_()).sum().backward()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = _status("VmRSS")
    one()
    return _status("VmHWM") - before


def _status(field: str) -> float:
    """Return a field of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def grown(name: str, way: str) -> float:
    """Return `growth` in a process of its own."""
    command = [sys.executable, __file__, "--growth", name, way]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
