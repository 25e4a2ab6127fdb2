"""Residual networks: sizes as published, torchvision's own function, K masks with statistics for each."""

import pytest
import torch
import torchvision.models

from core.rng import stream
from layers.functional.batching import forward
from models.random_nets import random_net
from models.resnets import SHAPES, resnet

WEIGHTS = {  # of convolutions and linear layers; the GEM network and ResNet-50 as counted from SupSup's code
    ("gem_resnet18", 5): 1_090_940, ("imagenet_resnet50", 10): 23_475_392, ("imagenet_resnet50", 1000): 25_502_912,
    ("imagenet_wide_resnet50", 1000): 68_814_016, ("resnet18", 10): 11_164_352,
}  # fmt: skip


@pytest.mark.parametrize(("name", "outputs"), WEIGHTS)
def test_published_sizes(name, outputs):
    with torch.device("meta"):
        network = resnet(name, 3, outputs)
    assert sum(p.numel() for p in network.parameters()) == WEIGHTS[name, outputs], "no bias, no affine normalisation"


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("imagenet_resnet18", "resnet18"),
        ("imagenet_resnet50", "resnet50"),
        ("imagenet_wide_resnet50", "wide_resnet50_2"),
    ],
)
def test_is_the_function_of_torchvision(ours, theirs):
    torch.manual_seed(0)
    reference = getattr(torchvision.models, theirs)(num_classes=7).eval()
    network = resnet(ours, 3, 7, affine=True).eval()
    torch.nn.init.zeros_(reference.fc.bias)
    for source, target in ((reference.parameters(), network.parameters()), (reference.buffers(), network.buffers())):
        tensors = [tensor for tensor in source if tensor is not reference.fc.bias]
        for mine, tensor in zip(target, tensors, strict=True):
            mine.data.copy_(tensor)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(x), reference(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_small_ones_run_and_are_drawn(name):
    network = random_net(name, (1, 16, 16), 3, stream(0, "init"), "signed_constant", width=0.0625)
    assert network(torch.randn(2, 1, 16, 16)).shape == (2, 3)
    for parameter in network.parameters():
        assert len(parameter.abs().unique()) == 1
        assert parameter.numel() < 20 or parameter.unique().numel() == 2


def test_two_masks_in_training_with_statistics_for_each():
    network = random_net("gem_resnet18", (1, 8, 8), 3, stream(0, "init"), width=0.2).double().train()
    rng = stream(0, "masks")
    weights = {n: p * (torch.rand(2, *p.shape, generator=rng) < 0.5) for n, p in network.named_parameters()}
    fresh = {n: torch.stack([b, b]) for n, b in network.named_buffers() if n.endswith(("running_mean", "running_var"))}
    x = torch.randn(6, 1, 8, 8, dtype=torch.float64)
    together, alone = ({n: b.clone() for n, b in fresh.items()} for _ in range(2))
    y = forward(network, weights | together, 2, x, backend="layers")
    for i, part in enumerate(x.chunk(2)):
        one = {n: tensor[i : i + 1] for n, tensor in (weights | alone).items()}
        torch.testing.assert_close(y[3 * i : 3 * i + 3], forward(network, one, 1, part), rtol=1e-9, atol=1e-9)
    for name in fresh:
        torch.testing.assert_close(together[name], alone[name])
        assert not torch.equal(together[name], fresh[name])
