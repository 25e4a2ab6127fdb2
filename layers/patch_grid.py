"""The patches of a convolution, and the product of each patch with its own weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import LayerError


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """Return (vertical, horizontal) of a number for both, or of two, as torch's layers take them."""
    vertical, horizontal = value if isinstance(value, Sequence) else (value, value)
    return vertical, horizontal


def padding_of(conv: nn.Conv2d) -> str | tuple[int, int]:
    """Return the padding of a convolution: "same", "valid" or (vertical, horizontal)."""
    return conv.padding if isinstance(conv.padding, str) else pair(conv.padding)


@dataclass(frozen=True)
class Sites:
    """The output sites of a convolution over maps of one size, row by row.

    Attributes:
        channels: C of the maps.
        input_size: (H, W) of the maps.
        kernel_size, stride: (vertical, horizontal).
        padding: as of torch.nn.Conv2d: a number, two, "same" or "valid".
        dilation: (vertical, horizontal).
        groups: G; an output sees the channels of its group alone.

    Raises:
        LayerError: there is no site, as the kernel is larger than the padded map; or the groups do not divide the
            channels.
    """

    channels: int
    input_size: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: int | tuple[int, int] | str
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        if self.groups < 1 or self.channels % self.groups:
            raise LayerError(f"groups={self.groups} does not divide the {self.channels} channels of the input")
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise LayerError(f"padding={self.padding!r} is not a number, 'same' or 'valid'")
        if self.padding == "same" and self.stride != (1, 1):
            raise LayerError(f"padding='same' needs stride 1, not {self.stride}")
        if min(self.output_size) < 1:
            h, w = self.padded_size
            size = f"{h}x{w} map" + (f" (padding={self.padding})" if any(self.pads) else "")
            kernel = "kernel_size={}x{}".format(*self.kernel_size)
            kernel += " (dilation={}x{})".format(*self.dilation) if self.dilation != (1, 1) else ""
            raise LayerError(f"{kernel} is larger than the {size}")

    @classmethod
    def of(cls, conv: nn.Conv2d, input_size: tuple[int, int]) -> Sites:
        """Return the sites of a convolution over maps of this size; other padding than zeros is part of its maps."""
        kernel_size, stride, dilation = pair(conv.kernel_size), pair(conv.stride), pair(conv.dilation)
        sites = cls(conv.in_channels, input_size, kernel_size, stride, padding_of(conv), dilation, conv.groups)
        if conv.padding_mode == "zeros":
            return sites
        return replace(sites, input_size=sites.padded_size, padding=0)

    @cached_property
    def span(self) -> tuple[int, int]:
        """(H, W) of the part of the map that a kernel reaches over."""
        (dh, dw), (kh, kw) = self.dilation, self.kernel_size
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    @cached_property
    def pads(self) -> tuple[int, int, int, int]:
        """Zeros to the left, right, top and bottom, as `torch.nn.functional.pad` takes them."""
        if self.padding == "same":
            (top, bottom), (left, right) = (((span - 1) // 2, span // 2) for span in self.span)
        else:
            vertical, horizontal = (0, 0) if isinstance(self.padding, str) else pair(self.padding)
            top, bottom, left, right = vertical, vertical, horizontal, horizontal
        return left, right, top, bottom

    @cached_property
    def padded_size(self) -> tuple[int, int]:
        """(H, W) with the zeros."""
        left, right, top, bottom = self.pads
        return self.input_size[0] + top + bottom, self.input_size[1] + left + right

    @cached_property
    def output_size(self) -> tuple[int, int]:
        """(H, W) of the output."""
        (h, w), (span_h, span_w), (sh, sw) = self.padded_size, self.span, self.stride
        return (h - span_h) // sh + 1, (w - span_w) // sw + 1

    @cached_property
    def count(self) -> int:
        """L, the number of sites."""
        return self.output_size[0] * self.output_size[1]

    @cached_property
    def inputs(self) -> int:
        """I, the numbers in a patch that one output sees."""
        return self.channels // self.groups * self.kernel_size[0] * self.kernel_size[1]

    def maps(self, x: Tensor, k: int = 1) -> Tensor:
        """Pad x [K * n, C, H, W] and lay it out as [K, H, W, C, n], contiguous; no copy where it lies so already."""
        x = x.unflatten(0, (k, len(x) // k)).permute(0, 3, 4, 2, 1)
        if not any(self.pads):
            return x.contiguous()
        padded = x.new_zeros(k, *self.padded_size, *x.shape[3:])
        self.inside(padded).copy_(x)
        return padded

    def inside(self, maps: Tensor) -> Tensor:
        """Return the view of padded maps [K, H, W, C, n] that is not padding."""
        left, _, top, _ = self.pads
        return maps[:, top : top + self.input_size[0], left : left + self.input_size[1]]

    def patches(self, maps: Tensor) -> Tensor:
        """Cut maps [K, H, W, C, n] into patches [K * L * G, I, n].

        I is (kh, kw, C / G), so what is copied lies together.
        """
        (sh, sw), (dh, dw), (span_h, span_w) = self.stride, self.dilation, self.span
        windows = maps.unfold(1, span_h, sh).unfold(2, span_w, sw)[..., ::dh, ::dw]  # [K, Ho, Wo, C, n, kh, kw]
        grouped = windows.unflatten(3, (self.groups, self.channels // self.groups)).permute(0, 1, 2, 3, 6, 7, 4, 5)
        return grouped.reshape(len(maps) * self.count * self.groups, self.inputs, maps.shape[-1])

    def gather(self, patches: Tensor, k: int = 1) -> Tensor:
        """Add patches [K * L * G, I, n] up where they came from: [K, H, W, C, n], the transpose of `patches`."""
        (kh, kw), (sh, sw), (dh, dw), (ho, wo) = self.kernel_size, self.stride, self.dilation, self.output_size
        parts = patches.view(k, ho, wo, self.groups, kh, kw, self.channels // self.groups, patches.shape[-1])
        maps = patches.new_zeros(k, *self.padded_size, self.groups, *parts.shape[6:])
        for i in range(kh):
            for j in range(kw):
                top, left = i * dh, j * dw
                there = maps[:, top : top + sh * (ho - 1) + 1 : sh, left : left + sw * (wo - 1) + 1 : sw]
                there += parts[:, :, :, :, i, j]
        return maps.flatten(3, 4)

    def index(self, outputs: int, device: torch.device | str = "cpu") -> Tensor:
        """Return [O, L, I]: which entry of a flat map [C * H * W] each patch entry is; C * H * W on the padding."""
        found = self._index().to(device).transpose(0, 1).unsqueeze(1)
        return found.expand(-1, outputs // self.groups, -1, -1).flatten(0, 1)

    def _index(self) -> Tensor:
        """`index` of the outputs of each group: [L, G, I]."""
        size = self.channels * self.input_size[0] * self.input_size[1]
        flat = torch.arange(1, size + 1, dtype=torch.float64).view(1, self.channels, *self.input_size)
        found = self.patches(self.maps(flat)).long().view(self.count, self.groups, self.inputs) - 1
        return torch.where(found < 0, size, found)  # the padding is -1

    def on_map(self, device: torch.device | str = "cpu") -> Tensor:
        """Return [L, I]: which entries of a patch lie on the map; the others, on the padding, only ever meet zeros."""
        return (self._index()[:, 0] < self.channels * self.input_size[0] * self.input_size[1]).to(device)

    def local_mask(self, outputs: int) -> Tensor:
        """Return which entries of the dense weight [O * L, C * H * W] lie in a local block."""
        columns = self.channels * self.input_size[0] * self.input_size[1]
        mask = torch.zeros(self.groups, self.count, columns + 1, dtype=torch.bool)
        mask.scatter_(2, self._index().transpose(0, 1), True)
        return mask[..., :-1].repeat_interleave(outputs // self.groups, 0).flatten(0, 1)

    def __str__(self) -> str:
        named = ["kernel_size", "input_size", "stride", "padding"]
        named += ["dilation"] if self.dilation != (1, 1) else []
        named += ["groups"] if self.groups > 1 else []
        return ", ".join(f"{name}={getattr(self, name)}" for name in named)


class _LocalProduct(torch.autograd.Function):
    """Saves the input and not its patches, up to kh * kw times as large; the backward pass extracts them again.

    The batch is the innermost axis throughout, so that cutting and gathering move runs of it; the output is left in
    that layout too, and the next such layer takes it as it lies.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, sites: Sites) -> Tensor:
        patches, kernels = sites.patches(sites.maps(x, weight.shape[0])), by_group(weight, sites.groups).mT
        if bias is None:
            return torch.bmm(kernels, patches)
        return torch.baddbmm(bias.reshape(*kernels.shape[:2], 1), kernels, patches)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, Sites], output: Tensor) -> None:
        x, weight, _, ctx.sites = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        sites, k = ctx.sites, weight.shape[0]
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        to_x = to_weight = to_bias = None
        if for_weight:
            of_groups = torch.bmm(sites.patches(sites.maps(x, k)), gradient.mT)  # [K * L * G, I, O / G]
            to_weight = of_groups.unflatten(0, (k, sites.count, sites.groups)).transpose(2, 3).flatten(3)
        if for_bias:
            to_bias = gradient.sum(-1).view(k, sites.count, weight.shape[-1])
        if for_x:
            back = sites.inside(sites.gather(torch.bmm(by_group(weight, sites.groups), gradient), k))
            to_x = back.permute(0, 4, 3, 1, 2).flatten(0, 1)
        return to_x, to_weight, to_bias, None


def by_group(weight: Tensor, groups: int) -> Tensor:
    """Turn weights [K, L, I, O] into one matrix for each group, [K * L * G, I, O / G]; a view where G is 1."""
    return weight.unflatten(-1, (groups, weight.shape[-1] // groups)).transpose(2, 3).flatten(0, 2)


def local_product(x: Tensor, weight: Tensor, sites: Sites, bias: Tensor | None = None) -> Tensor:
    """Return every patch times the weights of its site.

    Args:
        x: [K * n, C, H, W].
        weight: [K, L, I, O], O group by group.
        sites: where the patches lie.
        bias: [K, L, O] or None.

    Returns:
        [K * n, O, H_out, W_out]; in memory n lies innermost.
    """
    k, _, _, outputs = weight.shape
    # a custom function is not on autocast's list of products; the meta device has no autocast
    if not x.is_meta and torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    y = _LocalProduct.apply(x, weight, bias, sites)  # [K * L * G, O / G, n]
    return y.view(k, *sites.output_size, outputs, y.shape[-1]).permute(0, 4, 3, 1, 2).flatten(0, 1)
