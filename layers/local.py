"""What a convolution becomes when it is untied: locally connected, or fully connected."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from core.errors import LayerError
from layers.batched import Batched, chunk_rows, samples
from layers.linear import Linear
from layers.patch_grid import Sites, local_product, pair

Layer = TypeVar("Layer", bound=nn.Module)


class LocallyConnected2d(Batched, nn.Module):
    """`torch.nn.Conv2d` without weight sharing: every output site s has its own weights.

        y[n, o, s] = sum_i W[s, i, o] patch_s(x[n])[i] + b[s, o]

    Args:
        in_channels, out_channels, kernel_size, stride, padding, bias, dilation, groups: as of Conv2d; zeros are padded.
        input_size: (H, W) of the maps it will see; a locally connected layer is made for one size.

    Attributes:
        weight: [L, I, O], L = H_out * W_out sites row by row, I = kh * kw * in_channels / groups: the form in which
            all sites are one batched product. `kernels` shows it in the form of `Conv2d.weight`.
        bias: [L, O] or None.
        sites: where the patches lie.

    Raises:
        LayerError: the kernel is larger than the padded map, or the groups do not divide the channels.

    Source: d'Ascoli et al., "Finding the Needle in the Haystack with Convolutions", NeurIPS 2019, section 2.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int],
        input_size: int | tuple[int, int], stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0, bias: bool = True, dilation: int | tuple[int, int] = 1,
        groups: int = 1, device: torch.device | None = None, dtype: torch.dtype | None = None,
    ):  # fmt: skip
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.sites = Sites(
            in_channels, pair(input_size), pair(kernel_size), pair(stride), padding, pair(dilation), groups
        )
        if out_channels % groups:
            raise LayerError(f"groups={groups} does not divide the {out_channels} channels of the output")
        self.weight = nn.Parameter(
            torch.empty(self.sites.count, self.sites.inputs, out_channels, device=device, dtype=dtype)
        )
        self.bias = (
            nn.Parameter(torch.empty(self.sites.count, out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw each site as torch draws a convolution, from `rng` when given and the global generator otherwise."""
        bound = 1 / math.sqrt(self.sites.inputs)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=rng)

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, O, H_out, W_out]; with K weights chunk k of the batch sees weight k.

        Raises:
            LayerError: the input is not of the size that the layer was made for.
            BatchError: with K weights, N is not a multiple of K.
        """
        _check_input(self, input, self.sites)
        k = samples(self, (self.weight, 3), (self.bias, 2)) or 1
        chunk_rows(input.shape[0], k)
        weight = self.weight.expand(k, *self.weight.shape[-3:])
        bias = None if self.bias is None else self.bias.expand(k, *self.bias.shape[-2:])
        return local_product(input, weight, self.sites, bias)

    def kernels(self, weight: Tensor | None = None) -> Tensor:
        """View the weight (or a tensor like it) as a convolution's kernel for every site: [L, O, C/G, kh, kw]."""
        weight = self.weight if weight is None else weight
        return weight.unflatten(-2, (*self.sites.kernel_size, -1)).permute(0, 4, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, {self.sites}, bias={self.bias is not None}"

    # convolution <-> locally connected <-> dense

    @classmethod
    def from_conv(cls, conv: nn.Conv2d, input_size: tuple[int, int]) -> LocallyConnected2d:
        """Return the layer that computes what `conv` computes on maps of this size; what is frozen stays so.

        Raises:
            LayerError: the convolution's padding is not of zeros, or its kernel is larger than the padded map.
        """
        if conv.padding_mode != "zeros":
            raise LayerError(f"padding_mode={conv.padding_mode!r} cannot be untied; only zeros")
        sites = Sites.of(conv, input_size)
        layer = cls(
            conv.in_channels, conv.out_channels, sites.kernel_size, input_size, sites.stride, sites.padding,
            conv.bias is not None, sites.dilation, sites.groups, conv.weight.device, conv.weight.dtype,
        )  # fmt: skip
        with torch.no_grad():
            layer.kernels().copy_(conv.weight)  # to every site
            if layer.bias is not None and conv.bias is not None:
                layer.bias.copy_(conv.bias)
        return _frozen_as(layer, conv)

    def to_conv(self) -> nn.Conv2d:
        """Return the convolution that is nearest: its weights are the mean over sites, `tied`.

        Raises:
            LayerError: a padding that Conv2d does not have.
        """
        sites = self.sites
        conv = nn.Conv2d(
            self.in_channels, self.out_channels, sites.kernel_size, sites.stride, sites.padding,
            sites.dilation, sites.groups, self.bias is not None, device=self.weight.device, dtype=self.weight.dtype,
        )  # fmt: skip
        with torch.no_grad():
            conv.weight.copy_(self.kernels(self.tied().unsqueeze(0)).squeeze(0))
            if conv.bias is not None and self.bias is not None:
                conv.bias.copy_(self.bias.mean(0))
        return _frozen_as(conv, self)

    def to_dense(self) -> FullyConnected2d:
        """Return the fully connected layer that computes the same; its weight is zero outside the local blocks.

        Weights that lie on the padding have no place in it: they only ever meet zeros.
        """
        dense = FullyConnected2d(
            self.sites, self.out_channels, self.bias is not None, self.weight.device, self.weight.dtype
        )
        with torch.no_grad():
            # one column more takes what would lie on the padding
            weight = self.weight.new_zeros(self.out_channels, self.sites.count, dense.linear.in_features + 1)
            where = self.sites.index(self.out_channels, self.weight.device)
            weight.scatter_(2, where, self.weight.permute(2, 0, 1))
            dense.linear.weight.copy_(weight[..., :-1].flatten(0, 1))
            if self.bias is not None:
                dense.linear.bias.copy_(self.bias.T.flatten())
        _frozen_as(dense.linear, self)
        return dense

    def tied(self) -> Tensor:
        """Return the mean of the weight over sites, [I, O].

        What lies on the layer's own padding only ever meets zeros and does not count; a fully connected layer has no
        such weights.
        """
        weight, on_map = self.weight.detach(), self.sites.on_map(self.weight.device)
        counts = on_map | ~on_map.any(0)  # an entry that is on the padding at every site: the mean of all
        return (weight * counts.unsqueeze(-1)).sum(0) / counts.sum(0).unsqueeze(-1)


class FullyConnected2d(nn.Module):
    """A fully connected layer from feature maps to feature maps that records where its local blocks are.

    Args:
        sites: of the convolution or locally connected layer that it takes the place of.
        out_channels: O.
        bias, device, dtype: as of torch.nn.Linear.

    Attributes:
        linear: weight [O * L, C * H * W], rows in the order (O, H_out, W_out).
    """

    def __init__(
        self, sites: Sites, out_channels: int, bias: bool = True, device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ):  # fmt: skip
        super().__init__()
        self.sites, self.out_channels = sites, out_channels
        columns = math.prod((sites.channels, *sites.input_size))
        self.linear = Linear(columns, out_channels * sites.count, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, O, H_out, W_out].

        Raises:
            LayerError: the input is not of the size that the layer was made for.
        """
        _check_input(self, input, self.sites)
        return self.linear(input.flatten(1)).unflatten(1, (self.out_channels, *self.sites.output_size))

    def local_mask(self) -> Tensor:
        """Return which entries of the weight lie in a local block, [O * L, C * H * W] bool."""
        return self.sites.local_mask(self.out_channels).to(self.linear.weight.device)

    def to_local(self) -> LocallyConnected2d:
        """Return the locally connected layer that has this one's local blocks; the rest is left out."""
        weight, sites = self.linear.weight.detach(), self.sites
        local = LocallyConnected2d(
            sites.channels, self.out_channels, sites.kernel_size, sites.input_size, sites.stride, sites.padding,
            self.linear.bias is not None, sites.dilation, sites.groups, weight.device, weight.dtype,
        )  # fmt: skip
        with torch.no_grad():
            rows = nn.functional.pad(weight.view(self.out_channels, sites.count, -1), (0, 1))  # zeros for the padding
            local.weight.copy_(rows.gather(2, sites.index(self.out_channels, weight.device)).permute(1, 2, 0))
            if local.bias is not None:
                local.bias.copy_(self.linear.bias.view(self.out_channels, -1).T)
        return _frozen_as(local, self.linear)


def _check_input(layer: nn.Module, input: Tensor, sites: Sites) -> None:
    wanted = (sites.channels, *sites.input_size)
    if input.dim() != 4 or input.shape[1:] != wanted:
        raise LayerError(f"{type(layer).__name__} was made for inputs [N, {', '.join(map(str, wanted))}], "
                         f"not {list(input.shape)}")  # fmt: skip


def _frozen_as(layer: Layer, other: nn.Module) -> Layer:
    """Let weight and bias of a layer be trained if those of the other are; return the layer."""
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(getattr(other, name).requires_grad)
    return layer
