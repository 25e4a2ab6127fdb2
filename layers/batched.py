"""What every layer with batched weights shares: the leading axis K, and how a batch is cut into K chunks."""

from __future__ import annotations

from torch import Tensor

from core.errors import BatchError, LayerError, MaskError


class Batched:
    """A layer whose parameters may carry a leading axis K, put there by `layers.functional` for one pass.

    Axis 0 of the input is the batch: K consecutive chunks of B/K rows, chunk i through parameter i. The
    output has the same B rows in the same order. Parameters without the axis are shared by all chunks.
    """

    def why_not_batched(self) -> str:
        """Return what in this layer's settings has no K-batched form ("" when there is nothing)."""
        return ""


def chunk_rows(rows: int, k: int) -> int:
    """Return the rows of one chunk when `rows` rows are cut into `k` equal chunks.

    Raises:
        BatchError: `rows` is not a multiple of `k`; the text names the nearest sizes that are.
    """
    if rows % k:
        below = rows // k * k
        near = f"{below} or {below + k}" if below else f"{k} or {2 * k}"
        raise BatchError(f"a batch of {rows} rows cannot be cut into K={k} equal chunks; nearest batch sizes: {near}")
    return rows // k


def chunks(x: Tensor, k: int) -> Tensor:
    """Cut `x` [B, ...] into K consecutive chunks: [K, B/K, ...]."""
    return x.reshape(k, chunk_rows(x.shape[0], k), *x.shape[1:])


def samples(layer: Batched, *parameters: tuple[Tensor | None, int]) -> int:
    """Return K, the length of the leading axis that some parameters carry, or 0 when none does.

    Args:
        layer: whose parameters these are, for the error text.
        parameters: pairs of a parameter and the number of axes it has without K.

    Raises:
        MaskError: two parameters carry axes of different length.
        LayerError: the layer's settings have no K-batched form.
    """
    found = {p.shape[0] for p, axes in parameters if p is not None and p.dim() > axes}
    if not found:
        return 0
    name = type(layer).__name__
    if len(found) > 1:
        raise MaskError(f"the parameters of one {name} carry different numbers of masks: {sorted(found)}")
    problem = layer.why_not_batched()
    if problem:
        raise LayerError(f"{name}: {problem}")
    return found.pop()


def per_chunk(parameter: Tensor, axes: int, x: Tensor) -> Tensor:
    """View a parameter so that it broadcasts over the chunks `x` [K, B/K, ...].

    Args:
        parameter: [*shape] or [K, *shape], where `shape` has `axes` axes, the last ones of `x`.
        axes: number of axes without K.
        x: the chunks.
    """
    if parameter.dim() == axes:
        return parameter
    ones = (1,) * (x.dim() - 1 - axes)
    return parameter.reshape(parameter.shape[0], *ones, *parameter.shape[1:])
