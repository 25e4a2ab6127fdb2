"""GPT-2 of Hugging Face's transformers, built from its sizes and drawn from a stream; nothing is downloaded."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from core.errors import LayerError
from models.gpt import DEVIATION, GPT

NAMES = {  # of a block here: theirs
    "norm1": "ln_1", "norm2": "ln_2", "attention.in_proj": "attn.c_attn", "attention.out_proj": "attn.c_proj",
    "linear1": "mlp.c_fc", "linear2": "mlp.c_proj",
}  # fmt: skip


class HuggingFaceGPT2(nn.Module):
    """`transformers.GPT2LMHeadModel` that maps words to logits, as `models.gpt.GPT` does.

    Args:
        words, context, layers, width, heads, dropout, narrow, rng: as of `models.gpt.GPT`; GPT-2 itself is narrow.

    Raises:
        LayerError: transformers is not installed, or not whole.
    """

    def __init__(
        self, words: int, context: int, layers: int = 12, width: int = 128, heads: int = 4, dropout: float = 0.0,
        narrow: bool = True, *, rng: torch.Generator,
    ):  # fmt: skip
        super().__init__()
        try:
            from transformers import GPT2Config, GPT2LMHeadModel
        except ImportError as error:
            raise LayerError(
                f"GPT-2 of Hugging Face needs transformers ({str(error).splitlines()[0]}): "
                "pip install -r requirements-optional.txt, or use models.gpt.GPT"
            ) from None
        config = GPT2Config(
            vocab_size=words, n_positions=context, n_embd=width, n_layer=layers, n_head=heads, resid_pdrop=dropout,
            embd_pdrop=dropout, attn_pdrop=dropout, bos_token_id=None, eos_token_id=None, use_cache=False,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):  # its constructor draws from the global generator
            self.network = GPT2LMHeadModel(config).to(rng.device)
        for name, parameter in self.network.named_parameters():
            if parameter.dim() > 1:
                adds = narrow and name.endswith("c_proj.weight")
                nn.init.normal_(parameter, 0, DEVIATION / math.sqrt(2 * layers) if adds else DEVIATION, generator=rng)

    def forward(self, x: Tensor) -> Tensor:
        """Map words [B, T] to logits [B, T, words]."""
        return self.network(x, use_cache=False).logits

    def groups(self) -> list[list[str]]:
        """Return the parameter names layer by layer, as `models.gpt.GPT` does."""
        blocks = self.network.transformer.h
        groups = [
            [f"network.transformer.h.{i}.{name}" for name, _ in block.named_parameters()]
            for i, block in enumerate(blocks)
        ]
        groups[-1] += ["network.transformer.ln_f.weight", "network.transformer.ln_f.bias"]
        return groups

    def maskable(self) -> list[str]:
        """Return the names of the matrices in the blocks, four each."""
        return [name for group in self.groups() for name in group if self.get_parameter(name).dim() > 1]


def copy_gpt2(weights: Mapping[str, Tensor], ours: GPT) -> None:
    """Fill our GPT with the weights of a GPT-2 of Hugging Face of the same sizes.

    Args:
        weights: its state_dict, with or without names in front ("network.transformer.h.0.ln_1.weight").
        ours: whose parameters are replaced.

    Raises:
        LayerError: a tensor is missing or has another shape.
    """
    found = {name.rpartition("transformer.")[2]: tensor for name, tensor in weights.items()}
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            theirs = _their_name(name)
            tensor = found.get(theirs)
            if tensor is not None and name.startswith("blocks") and parameter.dim() > 1:
                tensor = tensor.T  # their matrices are [in, out]
            if tensor is None or tensor.shape != parameter.shape:
                has = "nothing" if tensor is None else list(tensor.shape)
                raise LayerError(f"{theirs} of GPT-2 does not fit {name}: {has}, not {list(parameter.shape)}")
            parameter.copy_(tensor)


def _their_name(name: str) -> str:
    if not name.startswith("blocks."):
        return {"words.weight": "wte.weight", "positions.weight": "wpe.weight"}.get(name, f"ln_f.{name[5:]}")
    _, block, inside = name.split(".", 2)
    layer = next(layer for layer in NAMES if inside.startswith(layer))
    return f"h.{block}.{NAMES[layer]}.{inside[len(layer) + 1 :]}"  # in_proj_weight too has one character between
