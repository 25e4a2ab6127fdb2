"""layers.MultiheadAttention: torch's own without K; with K weights every chunk goes through its own."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from core.errors import BatchError, LayerError
from layers import MultiheadAttention

E, HEADS, B, T, S, K = 12, 3, 6, 4, 5, 3
NAMES = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair(**options):
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(E, HEADS, **{"batch_first": True, "dtype": torch.float64} | options)
    torch.manual_seed(0)
    ours = MultiheadAttention(E, HEADS, **{"batch_first": True, "dtype": torch.float64} | options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def masks(kind):
    causal = torch.triu(torch.ones(T, S, dtype=torch.bool), 1)
    padding = torch.arange(S) >= torch.tensor([5, 3, 4, 5, 2, 1])[:, None]
    return {
        "none": {}, "bool": {"attn_mask": causal}, "float": {"attn_mask": rand(T, S, seed=9)},
        "padding": {"key_padding_mask": padding}, "both": {"attn_mask": causal, "key_padding_mask": padding},
        "each": {"attn_mask": rand(B * HEADS, T, S, seed=8)},
    }[kind]  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"batch_first": False}, {"kdim": 7, "vdim": 5}])
def test_is_a_drop_in_for_torch(options):
    ours, theirs = pair(**options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = rand(B, T, E)
    key, value = (rand(B, T, options.get(name, E), seed=i) for i, name in ((1, "kdim"), (2, "vdim")))
    for got, expected in zip(ours(x, key, value), theirs(x, key, value), strict=True):
        assert torch.equal(got, expected)


def test_drawn_from_a_stream_as_torch_draws():
    ours, _ = pair()
    ours.reset_parameters(torch.Generator().manual_seed(3))
    again, _ = pair()
    again.reset_parameters(torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), again.parameters(), strict=True))
    bound = (6 / (E + 3 * E)) ** 0.5
    assert 0.8 * bound < ours.in_proj_weight.abs().max() <= bound
    assert 0.8 / E**0.5 < ours.out_proj.weight.abs().max() <= 1 / E**0.5
    assert not ours.in_proj_bias.any() and not ours.out_proj.bias.any()


@pytest.mark.parametrize("kind", ["none", "bool", "float", "padding", "both", "each"])
@pytest.mark.parametrize("batched", [NAMES, NAMES[:1], NAMES[2:3], NAMES[1::2]], ids=lambda n: ",".join(n))
def test_every_mixture_equals_the_loop(kind, batched):
    layer, theirs = pair()
    shapes = {name: tensor.shape for name, tensor in layer.named_parameters()}
    given = {name: rand(K, *shapes[name], seed=i).requires_grad_() for i, name in enumerate(batched)}
    x, memory, probe = rand(B, T, E, seed=5).requires_grad_(), rand(B, S, E, seed=6), rand(B, T, E, seed=7)
    said = masks(kind)
    y, attention = functional_call(layer, given, (x, memory, memory), said | {"need_weights": False})
    assert attention is None
    parts = []
    for i in range(K):
        rows = slice(2 * i, 2 * i + 2)
        mine = {n: m[rows] if n == "key_padding_mask" else m[6 * i : 6 * i + 6] if m.dim() == 3 else m
                for n, m in said.items()}  # fmt: skip
        one = {name: tensor[i] for name, tensor in given.items()}
        parts.append(functional_call(theirs, one, (x[rows], memory[rows], memory[rows]), mine)[0])
    expected = torch.cat(parts)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-10)
    leaves = [x, *given.values()]
    got, wanted = (torch.autograd.grad((out * probe).sum(), leaves) for out in (y, expected))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-9)


def test_attention_to_itself_is_one_product_and_the_same():
    layer, theirs = pair()
    given = {name: rand(K, *p.shape, seed=i) for i, (name, p) in enumerate(layer.named_parameters())}
    x = rand(B, T, E)
    causal = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    ways = ({"attn_mask": causal}, {"attn_mask": causal, "is_causal": True})
    together = [functional_call(layer, given, (x, x, x), way | {"need_weights": False})[0] for way in ways]
    torch.testing.assert_close(*together)
    one = {name: tensor[1] for name, tensor in given.items()}
    torch.testing.assert_close(together[0][2:4], functional_call(theirs, one, (x[2:4],) * 3, ways[0])[0])


def test_what_cannot_be_done_is_one_sentence():
    given = {"in_proj_weight": torch.zeros(2, 3 * E, E, dtype=torch.float64)}
    x = rand(B, T, E)
    for options, inputs, error, text in (
        ({"batch_first": False}, x, LayerError, "the batch must be axis 0"),
        ({"add_zero_attn": True}, x, LayerError, "add_bias_kv and add_zero_attn are not done for K weights"),
        ({}, x[0], BatchError, r"needs inputs \[B, T, E\], not \[4, 12\]"),
    ):
        with pytest.raises(error, match=text):
            functional_call(pair(**options)[0], given, (inputs,) * 3, {"need_weights": False})
    with pytest.raises(LayerError, match="does not return the attention; need_weights=False"):
        functional_call(pair()[0], given, (x, x, x))
