"""layers.Embedding: torch's own without K, one table per chunk with it."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from core.errors import BatchError, LayerError
from layers import Embedding

WORDS = torch.tensor([[0, 1, 1], [2, 2, 4], [4, 0, 0], [3, 2, 1]])


@pytest.mark.parametrize("settings", [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"max_norm": 1.0}, {"sparse": True}])
def test_is_a_drop_in_for_torch(settings):
    torch.manual_seed(1)
    theirs = nn.Embedding(5, 3, **settings)
    torch.manual_seed(1)
    ours = Embedding(5, 3, **settings)
    assert torch.equal(ours.weight, theirs.weight) and list(ours.state_dict()) == list(theirs.state_dict())
    assert torch.equal(ours(WORDS), theirs(WORDS))
    ours(WORDS).square().sum().backward()
    theirs(WORDS).square().sum().backward()
    assert torch.equal(ours.weight.grad.to_dense(), theirs.weight.grad.to_dense())


def test_a_named_stream_draws_what_the_global_generator_would():
    torch.manual_seed(3)
    theirs = nn.Embedding(5, 4, padding_idx=1)
    ours = Embedding(5, 4, padding_idx=1)
    ours.reset_parameters(torch.Generator().manual_seed(3))
    assert torch.equal(ours.weight, theirs.weight)


@pytest.mark.parametrize("settings", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}, {"sparse": True}])
@pytest.mark.parametrize("words", [WORDS, WORDS[:, 0], WORDS.unsqueeze(1)])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_k_tables_equal_the_loop(settings, words, k):
    layer = Embedding(5, 3, dtype=torch.float64, **settings)
    rng = torch.Generator().manual_seed(0)
    tables = torch.randn(k, 5, 3, generator=rng, dtype=torch.float64).requires_grad_()
    y = functional_call(layer, {"weight": tables}, (words,))
    layer.sparse = False  # the loop's gradient passes a slice, which has no sparse form
    parts = words.reshape(k, -1, *words.shape[1:])
    pairs = zip(tables, parts, strict=True)
    expected = torch.cat([functional_call(layer, {"weight": table}, (part,)) for table, part in pairs])
    assert torch.equal(y, expected)
    got, wanted = (torch.autograd.grad(out.square().sum(), tables)[0] for out in (y, expected))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("word", [5, -1])
def test_an_unknown_word_does_not_read_the_next_table(word):
    with pytest.raises(IndexError):
        functional_call(Embedding(5, 3), {"weight": torch.zeros(2, 5, 3)}, (torch.tensor([word, 0]),))


def test_errors():
    with pytest.raises(LayerError) as caught:
        functional_call(Embedding(5, 3, max_norm=1.0), {"weight": torch.zeros(2, 5, 3)}, (WORDS,))
    assert str(caught.value) == (
        "Embedding: max_norm rescales the table in place, which K tables cannot; use max_norm=None or backend='loop'"
    )
    with pytest.raises(BatchError, match="Embedding with K=2 tables needs an input .*, not a single index"):
        functional_call(Embedding(5, 3), {"weight": torch.zeros(2, 5, 3)}, (torch.tensor(1),))
