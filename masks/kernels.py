"""The Gumbel-sigmoid product and its derivatives: compiled to one pass over memory each, or block by block.

Which of the two runs is a function of the number of entries, the device and the environment alone, never of
time or of the step, so a resumed run repeats the bits of an uninterrupted one. The masks are the same either way.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType

import torch
from torch import Tensor

from masks import blocks
from masks.hash import entries, scramble_, uniform
from masks.law import bound, odds, slope_, tempered_slope_

log = logging.getLogger("sieve")

# Compiling takes seconds (once; then it is cached on disk), which networks of thin layers do not earn back.
SMALL = 2**15
_broken: set[str] = set()  # device types on which compiling has failed in this process


def product(weight: Tensor | None, scores: Tensor, keys: Tensor) -> Tensor:
    """Return W (1 when None) where the mask keeps it and 0 elsewhere.

    Args:
        weight: [n] or None.
        scores: [n].
        keys: int32 [k], from `masks.hash.keys`.

    Returns:
        [k, n] in the dtype of the weight (of the scores when there is none).
    """
    return _run(_product, blocks.product, weight, scores, keys)


def scores_gradient(
    weight: Tensor | None, scores: Tensor, keys: Tensor, gradient: Tensor, temperature: float
) -> Tensor:
    """Return W * sum_k ds_k/dscore g_k, [n], from the gradient g [k, n] of the product; the noise is drawn again."""
    if temperature == 1:
        return _run(_scores_gradient, blocks.scores_gradient, weight, scores, keys, gradient)
    heat = scores.new_tensor(temperature)  # a tensor: another number is no reason to compile again
    return _run(_tempered_scores_gradient, blocks.scores_gradient, weight, scores, keys, gradient, heat)


def weight_gradient(scores: Tensor, keys: Tensor, gradient: Tensor) -> Tensor:
    """Return sum_k m_k g_k, [n]."""
    return _run(_weight_gradient, blocks.weight_gradient, scores, keys, gradient)


def _product(weight: Tensor | None, scores: Tensor, keys: Tensor) -> Tensor:
    base, least = entries(len(scores), scores.device), bound(scores)
    kept = [scramble_(base ^ key) >= least for key in keys.unbind()]
    if weight is None:
        return torch.stack([keep.to(scores.dtype) for keep in kept])
    return torch.stack([torch.where(keep, weight, 0.0) for keep in kept])


def _scores_gradient(weight: Tensor | None, scores: Tensor, keys: Tensor, gradient: Tensor) -> Tensor:
    base, c = entries(len(scores), scores.device), odds(scores)
    total = torch.zeros_like(scores)
    for key, g in zip(keys.unbind(), gradient.unbind(), strict=True):
        total += slope_(uniform(scramble_(base ^ key), scores.dtype), c) * g
    return total * c if weight is None else total * c * weight


def _tempered_scores_gradient(
    weight: Tensor | None, scores: Tensor, keys: Tensor, gradient: Tensor, temperature: Tensor
) -> Tensor:
    base, total = entries(len(scores), scores.device), torch.zeros_like(scores)
    for key, g in zip(keys.unbind(), gradient.unbind(), strict=True):
        total += tempered_slope_(uniform(scramble_(base ^ key), scores.dtype), scores, temperature) * g
    return total if weight is None else total * weight


def _weight_gradient(scores: Tensor, keys: Tensor, gradient: Tensor) -> Tensor:
    base, least = entries(len(scores), scores.device), bound(scores)
    total = torch.zeros_like(gradient[0])
    for key, g in zip(keys.unbind(), gradient.unbind(), strict=True):
        total += torch.where(scramble_(base ^ key) >= least, g, 0.0)
    return total


def _run(whole: FunctionType, in_blocks: Callable[..., Tensor], *arguments: Tensor | None) -> Tensor:
    """Run the compiled form of `whole`, or `in_blocks` where that is better or the only way."""
    scores = arguments[1] if whole is not _weight_gradient else arguments[0]
    device = scores.device.type
    if (
        len(scores) <= SMALL
        or device not in ("cpu", "cuda")
        or device in _broken
        or os.environ.get("SIEVE_COMPILE", "1") == "0"
    ):
        return in_blocks(*arguments)
    k = max(a.shape[0] for a in arguments if a is not None and a.dtype == torch.int32)
    try:
        return _compiled(whole, k, scores.dtype, device)(*arguments)
    except Exception as error:  # no compiler, a broken one, no room for its cache: there is no list of all that
        _broken.add(device)
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        log.warning("masks are drawn without compiled code, which is slower: %s", reason[:200])
        return in_blocks(*arguments)


@lru_cache(maxsize=None)
def _compiled(function: FunctionType, k: int, dtype: torch.dtype, device: str) -> Callable[..., Tensor]:
    """Return the compiled form for K masks and any number of entries."""
    # a copy with a code of its own: the compiler limits how many variants one code may have
    name = f"{function.__name__}_{k}_{str(dtype).rpartition('.')[2]}_{device}"
    copy = FunctionType(function.__code__.replace(co_name=name), function.__globals__, name)
    return torch.compile(copy, dynamic=True, fullgraph=True, options={"cpp.dynamic_threads": True})
