"""How large the weights of a network are, counted as its locally connected equivalent would hold them.

A convolution's kernel stands at every one of its L sites, so its squared norm counts L times; a network and its
untied copies are then measured alike. Biases are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from core.errors import LayerError
from layers import FullyConnected2d, LocallyConnected2d
from layers.evaluating import evaluating

WITH_WEIGHT = (nn.Conv2d, nn.Linear, LocallyConnected2d)


def site_counts(model: nn.Module, input_size: Sequence[int]) -> dict[str, int]:
    """Return L for every layer with a weight, by name: output sites of a convolution, 1 for a linear layer."""
    counts: dict[str, int] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda layer, inputs, output: counts.__setitem__(name, output.shape[-2] * output.shape[-1])

    layers = _with_weight(model)
    _pass(model, input_size, {name: note(name) for name, layer in layers.items() if isinstance(layer, nn.Conv2d)})
    return {name: counts.get(name, 1) for name in layers}


def squared_norms(model: nn.Module, sites: Mapping[str, int]) -> dict[str, float]:
    """Return ||W||_F^2 of every layer with a weight, by name; of a convolution L times that.

    Args:
        model: the network, or what it was untied to.
        sites: L by the name of the layer, `site_counts` of the network before it was untied.
    """
    layers, found = dict(model.named_modules()), {}
    for name, count in sites.items():
        layer = layers[name]
        weight = (layer.linear if isinstance(layer, FullyConnected2d) else layer).weight
        times = count if isinstance(layer, nn.Conv2d) else 1
        found[name] = times * weight.detach().double().square().sum().item()
    return found


def log_product(squared: Mapping[str, float]) -> float:
    """Return the sum over layers of ln ||W||_F, the log of the product of Frobenius norms; -inf when one is 0."""
    return sum(0.5 * math.log(value) if value > 0 else -math.inf for value in squared.values())


def per_margin(log_norm: float, margin: float) -> float | None:
    """Return ln(norm / margin), or None where the mean margin is not positive and there is no such number.

    Source: Ardeshir, Hsu, Sanford, arXiv 2206.05317: the "log normalized R_1-norm" of its figures, as the code tells.
    Differs from its code: the same convention for tied and untied networks (it squared one and not the other),
    and no number, instead of -1, without a margin.
    """
    return log_norm - math.log(margin) if margin > 0 else None


def spectral_norm(
    layer: nn.Module, input_size: Sequence[int], rng: torch.Generator, steps: int = 100, tolerance: float = 1e-5
) -> float:
    """Return the largest singular value of a layer's linear map, by power iteration.

    Args:
        layer: any layer that is affine in its input; its bias does not count.
        input_size: shape of one input of it.
        rng: for the first vector.
        steps: at most so many iterations.
        tolerance: relative change at which it stops.
    """
    like = next(layer.parameters())
    zero = torch.zeros(1, *input_size, device=like.device, dtype=like.dtype)
    v = torch.randn(zero.shape, generator=rng, dtype=like.dtype).to(like.device)
    sigma = 0.0
    with torch.no_grad():
        offset = layer(zero)
    for _ in range(steps):
        v = v / v.norm()
        with torch.no_grad():
            u = layer(v) - offset
        found = u.norm().item()
        if found == 0 or abs(found - sigma) <= tolerance * found:
            return found
        sigma = found
        x = v.requires_grad_()
        v = torch.autograd.grad(layer(x), x, u)[0]
    return sigma


def spectral_norms(model: nn.Module, input_size: Sequence[int], rng: torch.Generator) -> dict[str, float]:
    """Return `spectral_norm` of every layer with a weight, by name; of a convolution, on the maps it sees here."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda layer, inputs, output: shapes.__setitem__(name, tuple(inputs[0].shape[1:]))

    layers = _with_weight(model)
    _pass(model, input_size, {name: note(name) for name in layers})
    return {name: spectral_norm(layers[name], shape, rng) for name, shape in shapes.items()}


def path_norm(model: nn.Module, input_size: Sequence[int]) -> float:
    """Return sqrt(sum over paths from input to output of the product of squared weights along the path).

    One pass of an input of ones through the network with squared weights and no biases. Max-pooling takes the
    largest of the sums that meet in it.

    Raises:
        LayerError: the network has weights in other layers than linear, convolutional and locally connected ones.

    Source: Neyshabur, Tomioka, Srebro, "Norm-based capacity control in neural networks", COLT 2015.
    """
    for name, module in model.named_modules():
        if any(True for _ in module.parameters(recurse=False)) and not isinstance(module, WITH_WEIGHT):
            raise LayerError(f"layer {name!r} ({type(module).__name__}) has no path norm; linear and convolutional do")
    values = {
        name: torch.zeros_like(p) if name.rpartition(".")[2] == "bias" else p.detach().square()
        for name, p in model.named_parameters()
    }
    like = next(model.parameters())
    ones = torch.ones(1, *input_size, device=like.device, dtype=like.dtype)
    with evaluating(model):
        return torch.func.functional_call(model, values, (ones,)).sum().sqrt().item()


def _with_weight(model: nn.Module) -> dict[str, nn.Module]:
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, WITH_WEIGHT)}


def _pass(model: nn.Module, input_size: Sequence[int], notes: Mapping[str, Callable[..., None]]) -> None:
    """Send one empty input through the network; each note is told what its layer got and gave."""
    layers = dict(model.named_modules())
    hooks = [layers[name].register_forward_hook(note) for name, note in notes.items()]
    like = next(model.parameters())
    try:
        with evaluating(model):
            model(torch.zeros(1, *input_size, device=like.device, dtype=like.dtype))
    finally:
        for hook in hooks:
            hook.remove()
