"""Where the patches of a convolution lie, and the product of each patch with weights of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.modules.utils import _pair

from core.errors import LayerError


@dataclass(frozen=True)
class Sites:
    """The output sites of a convolution over maps of one size, row by row.

    Attributes:
        channels: C of the maps.
        input_size: (H, W) of the maps.
        kernel_size, stride: (vertical, horizontal).
        padding: as of torch.nn.Conv2d: a number, two, "same" or "valid".

    Raises:
        LayerError: there is no site: the kernel is larger than the padded map.
    """

    channels: int
    input_size: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: int | tuple[int, int] | str

    def __post_init__(self) -> None:
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise LayerError(f"padding={self.padding!r} is not a number, 'same' or 'valid'")
        if self.padding == "same" and self.stride != (1, 1):
            raise LayerError(f"padding='same' needs stride 1, not {self.stride}")
        if min(self.output_size) < 1:
            h, w = self.padded_size
            size = f"{h}x{w} map" + (f" (padding={self.padding})" if any(self.pads) else "")
            raise LayerError("kernel_size={}x{} is larger than the {}".format(*self.kernel_size, size))

    @cached_property
    def pads(self) -> tuple[int, int, int, int]:
        """Zeros to the left, right, top and bottom, as `torch.nn.functional.pad` takes them."""
        if self.padding == "same":
            (top, bottom), (left, right) = (((k - 1) // 2, k // 2) for k in self.kernel_size)
        else:
            vertical, horizontal = (0, 0) if self.padding == "valid" else _pair(self.padding)
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
        sizes = zip(self.padded_size, self.kernel_size, self.stride, strict=True)
        return tuple((size - kernel) // stride + 1 for size, kernel, stride in sizes)

    @cached_property
    def count(self) -> int:
        """L, the number of sites."""
        return self.output_size[0] * self.output_size[1]

    @cached_property
    def inputs(self) -> int:
        """I, the numbers in a patch."""
        return self.channels * self.kernel_size[0] * self.kernel_size[1]

    def maps(self, x: Tensor, k: int = 1) -> Tensor:
        """Pad x [K * n, C, H, W] and lay it out as [K, H, W, C, n], contiguous; no copy where it lies so already."""
        x = x.unflatten(0, (k, -1)).permute(0, 3, 4, 2, 1)
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
        """Cut maps [K, H, W, C, n] into patches [K * L, I, n]; I is (kh, kw, C), so what is copied lies together."""
        (kh, kw), (sh, sw) = self.kernel_size, self.stride
        windows = maps.unfold(1, kh, sh).unfold(2, kw, sw)  # [K, Ho, Wo, C, n, kh, kw]
        return windows.permute(0, 1, 2, 5, 6, 3, 4).reshape(-1, self.inputs, maps.shape[-1])

    def gather(self, patches: Tensor, k: int = 1) -> Tensor:
        """Add patches [K * L, I, n] up where they came from: [K, H, W, C, n], the transpose of `patches`."""
        (kh, kw), (sh, sw), (ho, wo) = self.kernel_size, self.stride, self.output_size
        parts = patches.view(k, ho, wo, kh, kw, self.channels, -1)
        maps = patches.new_zeros(k, *self.padded_size, *parts.shape[5:])
        for i in range(kh):
            for j in range(kw):
                maps[:, i : i + sh * (ho - 1) + 1 : sh, j : j + sw * (wo - 1) + 1 : sw] += parts[:, :, :, i, j]
        return maps

    def index(self, device: torch.device | str = "cpu") -> Tensor:
        """Return [L, I]: which entry of a flat map [C * H * W] each patch entry is; C * H * W on the padding."""
        size = self.channels * self.input_size[0] * self.input_size[1]
        flat = torch.arange(1, size + 1, dtype=torch.float64).view(1, self.channels, *self.input_size)
        found = self.patches(self.maps(flat)).squeeze(-1).long() - 1  # the padding is -1
        return torch.where(found < 0, size, found).to(device)

    def local_mask(self, outputs: int) -> Tensor:
        """Return which entries of the dense weight [O * L, C * H * W] lie in a local block."""
        columns = self.channels * self.input_size[0] * self.input_size[1]
        mask = torch.zeros(self.count, columns + 1, dtype=torch.bool)
        mask.scatter_(1, self.index(), True)
        return mask[:, :-1].repeat(outputs, 1)

    def __str__(self) -> str:
        named = ("kernel_size", "input_size", "stride", "padding")
        return ", ".join(f"{name}={getattr(self, name)}" for name in named)


class _LocalProduct(torch.autograd.Function):
    """Keeps the input and not its patches, up to kh * kw times as large, and cuts them again on the way back.

    The batch is the innermost axis throughout, so that cutting and gathering move runs of it; the output is left in
    that layout too, and the next such layer takes it as it lies.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, sites: Sites) -> Tensor:
        patches, kernels = sites.patches(sites.maps(x, weight.shape[0])), weight.flatten(0, 1).mT
        if bias is None:
            return torch.bmm(kernels, patches)
        return torch.baddbmm(bias.flatten(0, 1).unsqueeze(-1), kernels, patches)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, ctx.sites = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        sites, k = ctx.sites, weight.shape[0]
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        to_x = to_weight = to_bias = None
        if for_weight:
            to_weight = torch.bmm(sites.patches(sites.maps(x, k)), gradient.mT).view_as(weight)
        if for_bias:
            to_bias = gradient.sum(-1).unflatten(0, (k, -1))
        if for_x:
            back = sites.inside(sites.gather(torch.bmm(weight.flatten(0, 1), gradient), k))
            to_x = back.permute(0, 4, 3, 1, 2).flatten(0, 1)
        return to_x, to_weight, to_bias, None


def local_product(x: Tensor, weight: Tensor, sites: Sites, bias: Tensor | None = None) -> Tensor:
    """Return every patch times the weights of its site.

    Args:
        x: [K * n, C, H, W].
        weight: [K, L, I, O].
        sites: where the patches lie.
        bias: [K, L, O] or None.

    Returns:
        [K * n, O, H_out, W_out]; in memory n lies innermost.
    """
    k, _, _, outputs = weight.shape
    if torch.is_autocast_enabled(x.device.type):  # a custom function is not on autocast's list of products
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    y = _LocalProduct.apply(x, weight, bias, sites)  # [K * L, O, n]
    return y.view(k, *sites.output_size, outputs, -1).permute(0, 4, 3, 1, 2).flatten(0, 1)
