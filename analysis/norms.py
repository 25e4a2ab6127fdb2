"""Norms of the weights of a network, counted as its locally connected equivalent would store them.

A convolution's kernel stands at every one of its L sites, so its squared norm counts L times; at the border, what lies
on the layer's own padding does not count, as it only ever meets zeros. This is the squared Frobenius norm of the linear
map, so a network and its untied copies of either form are measured alike. Biases are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from analysis.curvature import largest_eigenvalue
from core.errors import LayerError
from layers import FullyConnected2d, LocallyConnected2d
from layers.eval_mode import evaluating
from layers.patch_grid import Sites

WITH_WEIGHT = (nn.Conv2d, nn.Linear, LocallyConnected2d)


def layer_sites(model: nn.Module, input_size: Sequence[int]) -> dict[str, Sites | None]:
    """Return where the sites of every layer with a weight lie, by name; None of a linear layer."""
    found: dict[str, Sites | None] = {}
    layers = _with_weight(model)

    def note(name: str) -> Callable[..., None]:
        return lambda layer, inputs, output: found.__setitem__(name, Sites.of(layer, tuple(inputs[0].shape[-2:])))

    _pass(model, input_size, {name: note(name) for name, layer in layers.items() if isinstance(layer, nn.Conv2d)})
    return {name: found.get(name, getattr(layer, "sites", None)) for name, layer in layers.items()}


def squared_norms(model: nn.Module, sites: Mapping[str, Sites | None]) -> dict[str, float]:
    """Return ||W||_F^2 of every layer with a weight, by name, as its linear map holds it.

    Args:
        model: the network, or what it was untied to.
        sites: by the name of the layer, `layer_sites` of the network before it was untied.
    """
    layers = dict(model.named_modules())
    return {name: _squared_norm(layers[name], of_layer) for name, of_layer in sites.items()}


def _squared_norm(layer: nn.Module, sites: Sites | None) -> float:
    if isinstance(layer, FullyConnected2d):
        layer = layer.linear
    assert isinstance(layer, WITH_WEIGHT)
    squares = layer.weight.detach().double().square()
    if isinstance(layer, LocallyConnected2d):
        return (squares * layer.sites.on_map(squares.device).unsqueeze(-1)).sum().item()
    if isinstance(layer, nn.Conv2d):
        assert sites is not None  # as `layer_sites` has them of every convolution
        times = sites.on_map(squares.device).sum(0).view(*sites.kernel_size, -1)  # at how many sites on the map
        return (squares * times.permute(2, 0, 1)).sum().item()
    return squares.sum().item()


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
    """Return the largest singular value of a layer's linear map A, the root of the largest eigenvalue of A^T A.

    Args:
        layer: any layer that is affine in its input; its bias does not count.
        input_size: shape of one input of it.
        rng: for the first vector.
        steps, tolerance: as of `analysis.curvature.largest_eigenvalue`.
    """
    like = next(layer.parameters())
    x = torch.zeros(1, *input_size, device=like.device, dtype=like.dtype)
    start = torch.randn(x.shape, generator=rng, dtype=like.dtype).to(like.device).flatten()
    with torch.no_grad():
        offset = layer(x)

    def product(v: Tensor) -> Tensor:
        input = v.detach().view_as(x).requires_grad_()
        output = layer(input)
        return torch.autograd.grad(output, input, output.detach() - offset)[0].flatten()

    value = largest_eigenvalue(product, start, steps, tolerance)
    return math.nan if math.isnan(value) else math.sqrt(max(0.0, value))


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
