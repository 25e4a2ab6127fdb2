"""The backends that run K weight sets through a network: which of them a network supports, and why not the others."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from core.errors import LayerError, OptionError
from core.registry import nearest
from layers import Batched

BACKENDS = ("auto", "layers", "vmap", "loop")

# SyncBatchNorm and the lazy ones derive from torch's private base, so each public class is named.
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def select_backend(model: nn.Module, batched: set[int], backend: str, k: int = 2, batch_axis: int | None = None) -> str:
    """Return "layers", "vmap" or "loop".

    Args:
        model: the network.
        batched: the `id`s of those of its parameters and buffers that get a leading K axis.
        backend: one of `BACKENDS`.
        k: K.
        batch_axis: of the network; None: 0.

    Raises:
        OptionError: `backend` is not one of `BACKENDS`.
        LayerError: the network cannot run that way; "auto" never falls back to the slow loop unasked.
    """
    if backend not in BACKENDS:
        raise OptionError(f"backend={backend!r}; allowed: {', '.join(BACKENDS)}{nearest(backend, BACKENDS)}")
    if backend == "loop":
        return backend
    if backend == "auto":
        foreign = any(_owned(module) and not isinstance(module, Batched) for module in model.modules())
        backend = "vmap" if foreign or batch_axis or next(_against_layers(model, batched, k), None) else "layers"
    if backend == "layers" and batch_axis:
        raise LayerError(f"batch_axis={batch_axis}: batched layers have the batch on axis 0; use 'vmap' or 'loop'")
    problem = next(_against_layers(model, batched, k) if backend == "layers" else _against_vmap(model), None)
    if problem:
        raise LayerError(problem)
    return backend


def _owned(module: nn.Module) -> list[Tensor]:
    return list(module.parameters(recurse=False))


def title(name: str, module: nn.Module) -> str:
    """Return how an error calls a layer."""
    kind = type(module)
    home = "torch.nn." if kind.__module__.startswith("torch.nn.") else ""
    return f"layer {name!r} ({home}{kind.__name__})" if name else f"the model itself ({home}{kind.__name__})"


def _against_layers(model: nn.Module, batched: set[int], k: int) -> Iterator[str]:
    for name, module in model.named_modules():
        masked = any(id(tensor) in batched for tensor in (*_owned(module), *module.buffers(recurse=False)))
        if masked and not isinstance(module, Batched):
            yield (
                f"{title(name, module)} cannot take weights with a leading K axis; "
                "use its twin from layers, backend='vmap' or backend='loop'"
            )
        elif masked and module.why_not_batched():
            yield f"{title(name, module)}: {module.why_not_batched()}"
        elif isinstance(module, _BATCH_NORMS) and k > 1 and id(module.running_mean) not in batched:
            if module.training or module.running_mean is None:
                yield (
                    f"{title(name, module)} takes statistics over the whole batch, which mixes the K chunks; "
                    "use eval(), its twin from layers with running statistics [K, C], backend='vmap' or backend='loop'"
                )


def _against_vmap(model: nn.Module) -> Iterator[str]:
    for name, module in model.named_modules():
        here = title(name, module)
        if isinstance(module, nn.RNNBase | nn.LSTMCell) and not isinstance(module, Batched):
            lstm = isinstance(module, nn.LSTM | nn.LSTMCell)
            other = "use layers.LSTM" if lstm else "write it with Linear layers"
            yield f"{here} runs a fused kernel that vmap cannot see into; {other} or backend='loop'"
        elif isinstance(module, nn.RNNBase) and isinstance(module, Batched) and module.why_not_batched():
            yield f"{here}: {module.why_not_batched()}"
        elif isinstance(module, _BATCH_NORMS + _INSTANCE_NORMS):
            if module.training and module.running_mean is not None:
                yield (
                    f"{here} would update its running statistics K times at once, which vmap cannot do; "
                    "use eval(), track_running_stats=False, or backend='loop'"
                )
