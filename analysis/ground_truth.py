"""Networks whose subnetworks are known by construction, and how well masks and scores find them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from core.errors import MaskError
from masks.algebra import Masks
from models.feedforward import FeedForward


def side_by_side(networks: Sequence[FeedForward], rng: torch.Generator) -> tuple[FeedForward, list[Masks]]:
    """Return one network that holds independent ones, its hidden units in random order, and where each of them is.

    Inputs and outputs are those of the networks, one after the other; so are the layers' units before they are
    permuted. A weight between two networks is 0. So for the outputs of one network exactly the weights of its block
    count, and nothing that is done to the others changes them.

    Args:
        networks: with equally many layers.
        rng: for the order of the units.

    Returns:
        The network, and for each of the given ones the masks of its weights and biases.

    Raises:
        MaskError: they have different numbers of layers.
    """
    depths = {len(network.layers) for network in networks}
    if len(depths) != 1:
        raise MaskError(f"networks side by side have equally many layers, these have {sorted(depths)}")
    each = [[dict(layer.named_parameters()) for layer in network.layers] for network in networks]
    widths = [[layers[0]["weight"].shape[1], *(layer["weight"].shape[0] for layer in layers)] for layers in each]
    sums = [sum(width) for width in zip(*widths, strict=True)]
    whole = FeedForward(sums[0], sums[-1], tuple(sums[1:-1]), rng=rng)
    orders = [torch.randperm(width, generator=rng) for width in sums]
    orders[0], orders[-1] = torch.arange(sums[0]), torch.arange(sums[-1])
    found: list[dict[str, Tensor]] = [{} for _ in networks]
    with torch.no_grad():
        for i, (before, after) in enumerate(pairwise(orders)):
            weight = torch.block_diag(*(layers[i]["weight"] for layers in each))
            bias = torch.cat([layers[i]["bias"] for layers in each])
            whole.get_parameter(f"layers.{i}.weight").copy_(weight[after][:, before])
            whole.get_parameter(f"layers.{i}.bias").copy_(bias[after])
            for n, masks in enumerate(found):
                inside = [torch.full_like(layers[i]["weight"], float(m == n)) for m, layers in enumerate(each)]
                own = torch.cat([torch.full_like(layers[i]["bias"], float(m == n)) for m, layers in enumerate(each)])
                masks[f"layers.{i}.weight"] = torch.block_diag(*inside)[after][:, before].bool()
                masks[f"layers.{i}.bias"] = own[after].bool()
    return whole, [Masks(masks) for masks in found]


def auroc(scores: Mapping[str, Tensor], truth: Masks) -> float:
    """Return how well scores rank the weights of a known subnetwork above the others: P(s_in > s_out), ties by half.

    1 is perfect, 1/2 is chance. It judges the order alone and no threshold; of masks `Masks.iou` judges both.

    Args:
        scores: by parameter name, of the truth's shapes; those of a mask are 0 and 1.
        truth: the weights that belong to it.

    Raises:
        MaskError: the shapes differ, or all weights or none belong to it.
    """
    truth.check_fits({name: tensor.shape for name, tensor in scores.items()})
    flat = torch.cat([scores[name].detach().double().flatten().cpu() for name in truth])
    inside = torch.cat([mask.flatten().cpu() != 0 for mask in truth.values()])
    n, m = int(inside.sum()), int((~inside).sum())
    if not n or not m:
        raise MaskError(f"AUROC needs weights inside and outside of the subnetwork; {n} are inside and {m} outside")
    _, where, counts = flat.unique(return_inverse=True, return_counts=True)
    ranks = counts.cumsum(0) - (counts - 1) / 2  # equal scores have their mean rank, from 1
    return float((ranks[where][inside].sum() - n * (n + 1) / 2) / (n * m))
