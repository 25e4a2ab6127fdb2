"""The Transformer: its size, what its masks hide, decoding step by step, learning, and K masks side by side."""

import pytest
import torch

from core.rng import stream
from masks.batching import forward
from models.transformer import Transformer, positions

S, T, B = 5, 6, 4


def make(**changed):
    small = {"size": 16, "heads": 4, "layers": 2, "inner": 24, "dropout": 0.0}
    return Transformer(9, 5, stream(0, "init"), **small | changed).double().eval()


def batch(seed=0):
    rng = stream(seed, "batch")
    length = torch.tensor([5, 2, 4, 3])
    return torch.randint(9, (B, S), generator=rng), length, torch.randint(5, (B, T), generator=rng)


def test_published_size():
    assert sum(p.numel() for p in Transformer(13, 6, stream(0, "init")).parameters()) == 607_607


def test_positions():
    found = positions(3, 2, 4)
    for row, p in zip(found, (3.0, 4.0), strict=True):
        expected = [torch.tensor(v) for v in (p, p, p / 100, p / 100)]
        waves = [f(v) for f, v in zip((torch.sin, torch.cos) * 2, expected, strict=True)]
        torch.testing.assert_close(row, torch.stack(waves).double(), rtol=1e-6, atol=1e-6)


def test_padding_and_the_future_are_not_looked_at():
    network, (source, length, target) = make(), batch()
    y = network(source, length, target)
    assert y.shape == (B, T + 1, 6)
    other = source.clone()
    other[1, 2:] = 8
    assert torch.equal(network(other, length, target), y), "behind the length of a row"
    later = target.clone()
    later[:, 3:] = (later[:, 3:] + 1) % 5
    changed = network(source, length, later)
    assert torch.equal(changed[:, :4], y[:, :4]) and not torch.equal(changed[:, 4:], y[:, 4:])
    short = network(source[1:2, :2], length[1:2], target[1:2])
    torch.testing.assert_close(short, y[1:2], msg="a row does not depend on the others")


def test_decoding_step_by_step_is_decoding_the_whole_prefix():
    network, (source, length, _) = make(), batch()
    found = network(source, length, most=8)
    assert found.shape == (B, 8)
    words = torch.empty(B, 0, dtype=torch.int64)
    for _ in range(8):
        words = torch.cat([words, network(source, length, words)[:, -1:].argmax(-1)], 1)
    ended = torch.cumsum(words == 5, 1) > 0
    assert torch.equal(found, torch.where(ended, 5, words))


def test_it_learns_to_copy():
    network = Transformer(4, 4, stream(0, "init"), size=32, heads=4, layers=1, inner=32, dropout=0.0)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    length = torch.full((32,), 4)
    for step in range(150):
        source = torch.randint(4, (32, 4), generator=stream(step, "copy"))
        answer = torch.cat([source, torch.full((32, 1), 4)], 1)
        loss = torch.nn.functional.cross_entropy(network(source, length, source).flatten(0, 1), answer.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    source = torch.randint(4, (32, 4), generator=stream(999, "copy"))
    found = network.eval()(source, length, most=6)
    assert (found[:, :4] == source).all(1).double().mean() > 0.9 and (found[:, 4:] == 4).double().mean() > 0.9


@pytest.mark.parametrize("most", [0, 7])
def test_masks_side_by_side(most):
    network, (source, length, target) = make(), batch()
    rng = stream(0, "masks")
    weights = {n: p.detach() * (torch.rand(2, *p.shape, generator=rng) < 0.7) for n, p in network.named_parameters()}
    inputs = (source, length) if most else (source, length, target)
    more = {"most": most} if most else {}
    together, looped = (forward(network, weights, 2, *inputs, how=how, **more) for how in ("layers", "loop"))
    torch.testing.assert_close(together, looped)
    assert not torch.equal(together[:2], together[2:])
