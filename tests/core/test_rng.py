"""Named streams: equal names give equal numbers, different names independent ones, the global one is untouched."""

import torch

from core.rng import key, stream


def test_streams_are_functions_of_their_name():
    draw = [torch.rand(1000, generator=stream(0, "data", "train", 5)) for _ in range(2)]
    assert torch.equal(*draw)
    names = [(0, "data"), (1, "data"), (0, "mask"), (0, "data", 1), (0, "data", "1"), (0, 1, "data")]
    assert len({key(*name) for name in names}) == len(names)


def test_neighbouring_streams_are_uncorrelated():
    x = torch.stack([torch.rand(2000, generator=stream(seed, "data", step)) for seed in range(4) for step in range(8)])
    off = torch.corrcoef(x) - torch.eye(32)
    assert off.abs().max() < 5 / 2000**0.5


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    torch.rand(3, generator=stream(0, "x"))
    assert torch.equal(before, torch.get_rng_state())
