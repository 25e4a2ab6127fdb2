"""The Gumbel-sigmoid product and its derivatives: compiled to one pass over memory each, or block by block.

Which of the two runs is a function of the number of entries, the device and the environment alone, never of
time or of the step, so a resumed run repeats the bits of an uninterrupted one. The masks are the same bits in
both, the gradients the same but for rounding.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cache
from types import FunctionType

import torch
from torch import Tensor

from masks.gumbel_kernel import numpy_blocks as blocks
from masks.gumbel_kernel.counter_rng import entries, high_bits
from masks.gumbel_kernel.formulas import last_dropped, slope_, tempered_slope

log = logging.getLogger("sieve")

# Compiling takes seconds (once; then it is cached on disk), which networks of thin layers do not earn back.
SMALL = 2**14
_broken: set[str] = set()  # device types on which compiling has failed in this process


def product(weight: Tensor | None, scores: Tensor, keys: Tensor) -> Tensor:
    """Return W (1 when None) where the mask keeps it and 0 elsewhere.

    Args:
        weight: [n] or None.
        scores: [n].
        keys: int32 [k], from `masks.gumbel_kernel.counter_rng.keys`.

    Returns:
        [k, n] in the dtype of the weight (of the scores when there is none).
    """
    return _run(_product, blocks.product, scores, keys, weight, scores, keys)


def scores_gradient(
    weight: Tensor | None, scores: Tensor, keys: Tensor, gradient: Tensor, temperature: float
) -> Tensor:
    """Return W * sum_k ds_k/dscore g_k, [n], from the product's gradient g [k, n]; draws the noise again."""
    # a tensor, because another number is no reason to compile again
    heat = () if temperature == 1 else (scores.new_tensor(temperature),)
    return _run(_scores_gradient, blocks.scores_gradient, scores, keys, weight, scores, keys, gradient, *heat)


def weight_gradient(scores: Tensor, keys: Tensor, gradient: Tensor) -> Tensor:
    """Return sum_k m_k g_k, [n]."""
    return _run(_weight_gradient, blocks.weight_gradient, scores, keys, scores, keys, gradient)


def _product(weight: Tensor | None, scores: Tensor, keys: Tensor) -> Tensor:
    kept = _kept(scores, keys)
    if weight is None:
        return torch.stack([keep.to(scores.dtype) for keep in kept])
    return torch.stack([torch.where(keep, weight, 0.0) for keep in kept])


def _weight_gradient(scores: Tensor, keys: Tensor, gradient: Tensor) -> Tensor:
    total = torch.zeros_like(gradient[0])
    for keep, g in zip(_kept(scores, keys), gradient.unbind(), strict=True):
        total = total + torch.where(keep, g, 0.0)
    return total


def _scores_gradient(
    weight: Tensor | None, scores: Tensor, keys: Tensor, gradient: Tensor, temperature: Tensor | None = None
) -> Tensor:
    e = entries(len(scores), scores.device)
    c = scores.clip(-80, 80).neg_().exp_()  # past 80 the slope is 0 in float32, and c must not overflow
    total = torch.zeros_like(scores)
    for key, g in zip(keys.unbind(), gradient.unbind(), strict=True):
        u = high_bits(e, key).to(scores.dtype).add_(2**22 + 0.5)
        total += (slope_(u, c) if temperature is None else tempered_slope(u, c, temperature)) * g
    if temperature is None:
        total *= c
    return total if weight is None else total * weight


def _kept(scores: Tensor, keys: Tensor) -> list[Tensor]:
    e, last = entries(len(scores), scores.device), last_dropped(scores.to(torch.float32)).to(torch.int32)
    return [high_bits(e, key) > last for key in keys.unbind()]


def _run(
    whole: Callable[..., Tensor], in_blocks: Callable[..., Tensor], scores: Tensor, keys: Tensor,
    *arguments: Tensor | None,
) -> Tensor:  # fmt: skip
    """Run the compiled form of `whole` for these scores and keys, or the better of it and `in_blocks` as it is."""
    device = scores.device.type
    plain = in_blocks if device == "cpu" else whole
    if len(scores) <= SMALL or device not in ("cpu", "cuda") or device in _broken or not _wanted():
        return plain(*arguments)
    try:
        return _compiled(whole, len(keys), scores.dtype, device)(*arguments)
    except Exception as error:  # no compiler, a broken one, no room for its cache: there is no list
        _broken.add(device)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        log.warning("masks are drawn without compiled code, which is slower: %s", reason[:200])
        return plain(*arguments)


def _wanted() -> bool:
    return os.environ.get("SIEVE_COMPILE", "1") != "0"


@cache
def _compiled(function: Callable[..., Tensor], k: int, dtype: torch.dtype, device: str) -> Callable[..., Tensor]:
    """Return the compiled form for K masks and any number of entries."""
    assert isinstance(function, FunctionType)
    # a copy with a code of its own: the compiler limits how many variants one code may have
    name = f"{function.__name__}_{k}_{str(dtype).rpartition('.')[2]}_{device}"
    code = function.__code__.replace(co_name=name)
    copy = FunctionType(code, function.__globals__, name, function.__defaults__)
    return torch.compile(copy, dynamic=True, fullgraph=True, options={"cpp.dynamic_threads": True})
