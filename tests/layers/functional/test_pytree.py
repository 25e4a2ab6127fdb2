"""Trees of tensors, alone and as inputs and outputs of a network that runs on K weight sets."""

from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from core.errors import LayerError
from layers import LSTM, Linear
from layers.functional.batching import forward
from layers.functional.pytree import leaves, map_leaves, refill

Pair = namedtuple("Pair", "a b")


@dataclass(frozen=True)
class Output:
    logits: torch.Tensor
    loss: None = None
    note: str = ""
    more: tuple = ()


class Named(dict):
    """A mapping with a constructor of its own."""

    def __init__(self, first):
        super().__init__(first=first)


def test_every_container():
    x = [torch.tensor(float(i)) for i in range(7)]
    tree = {
        "tuple": (x[0], [x[1], None]),
        "pair": Pair(x[2], "text"),
        "output": Output(x[3], more=(x[4],)),
        "named": Named(x[5]),
        "ordered": OrderedDict(last=None),
        "default": defaultdict(list, one=x[6]),
        "other": {1, 2},
    }
    assert leaves(tree) == x
    new = map_leaves(tree, lambda t: t + 10)
    assert leaves(new) == [t + 10 for t in x] and leaves(tree) == x
    assert [type(part) for part in new.values()] == [type(part) for part in tree.values()]
    assert new["pair"].b == "text" and new["tuple"][1][1] is None and new["output"].loss is None
    assert new["other"] is tree["other"]
    assert leaves(refill(tree, reversed(x))) == x[::-1]


def test_a_packed_sequence_is_one_leaf():
    packed = pack_padded_sequence(torch.ones(2, 3, 1), [3, 1], batch_first=True)
    assert leaves([packed, 1]) == [packed]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def versions(model, k):
    parameters = enumerate(model.named_parameters())
    return {n: torch.randn(k, *p.shape, generator=rng(i), dtype=p.dtype) for i, (n, p) in parameters}


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = Linear(3, 2)

    def forward(self, pair, scale, *, extra):
        y = self.linear(pair[0] + pair[1]["x"] + extra[0]) * scale
        return {"answer": Output(y, note="text"), "more": [y.sum(1), (y, None)]}


@pytest.mark.parametrize("backend", ["layers", "vmap", "loop"])
def test_nested_inputs_and_outputs(backend):
    model = Nested()
    weights = versions(model, 2)
    x = [torch.randn(4, 3, generator=rng(i)) for i in range(3)]
    out = forward(model, weights, 2, (x[0], {"x": x[1]}), torch.tensor(2.0), backend=backend, extra=[x[2], "ignored"])
    parts = zip(sum(x).chunk(2), weights["linear.weight"], weights["linear.bias"], strict=True)
    y = 2 * torch.cat([part @ weight.T + bias for part, weight, bias in parts])
    torch.testing.assert_close(out["answer"].logits, y)
    assert out["answer"].note == "text" and out["answer"].loss is None
    torch.testing.assert_close(out["more"][0], y.sum(1))
    torch.testing.assert_close(out["more"][1][0], y)
    assert out["more"][1][1] is None


@pytest.mark.parametrize("lengths", [[3, 1, 2, 3, 1, 1], [1, 1, 1, 1, 1, 3]])
def test_packed_sequences_by_layers_and_by_loop(lengths):
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = LSTM(3, 4, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0]

    model = Encoder().double()
    weights = versions(model, 3)
    x = torch.randn(6, 3, 3, generator=rng(), dtype=torch.float64)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    outputs = [forward(model, weights, 3, packed, backend=backend) for backend in ("layers", "loop")]
    assert all(isinstance(output, PackedSequence) for output in outputs)
    (a, a_lengths), (b, b_lengths) = (pad_packed_sequence(output, batch_first=True) for output in outputs)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
    assert a_lengths.tolist() == b_lengths.tolist() == lengths
    with pytest.raises(LayerError, match="a PackedSequence cannot be cut for vmap; run it with backend='loop'"):
        forward(model, weights, 3, packed, backend="vmap")
