"""torchvision's networks: a function of the seed, with its weights for ImageNet, and what of them can be masked."""

import pytest
import torch
from torchvision.models import resnet18, vit_b_16

from core.errors import CheckpointError, OptionError
from models.vision_nets import layer_parameters, load_pretrained, vision_net


def test_weights_follow_from_the_seed_alone():
    state = torch.get_rng_state()
    one, again, other = (vision_net("resnet18", 5, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"]) and one["fc.weight"].shape == (5, 512)
    with pytest.raises(
        OptionError, match="unknown network 'resnet19'; allowed: cue_cnn, resnet18, vit_b_16; did you mean"
    ):
        vision_net("resnet19", 5, 1)


def test_pretrained_weights_but_for_the_last_layer(tmp_path):
    theirs = resnet18(num_classes=1000).state_dict()
    torch.save(theirs, tmp_path / "resnet18.pth")
    network = vision_net("resnet18", 5, 0)
    head = network.fc.weight.clone()
    load_pretrained(network, "resnet18", tmp_path / "resnet18.pth")
    found = network.state_dict()
    assert all(torch.equal(found[name], theirs[name]) for name in theirs if not name.startswith("fc."))
    assert torch.equal(found["fc.weight"], head)
    del theirs["layer1.0.conv1.weight"]
    torch.save(theirs, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="other.pth is of another network: layer1.0.conv1.weight is nothing, of"):
        load_pretrained(network, "resnet18", tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="there is no file"):
        load_pretrained(network, "resnet18", tmp_path / "none.pth")


def test_what_can_be_masked():
    """Published: all linear layers and convolutions, the patch embedding and the classifier among them."""
    with torch.device("meta"):
        vit, resnet = vit_b_16(num_classes=16), resnet18(num_classes=16)
    names = layer_parameters(vit)
    assert len(names) == 12 * 8 + 4 and {"conv_proj.weight", "heads.head.weight"} < {*names}
    assert not [name for name in names if "ln" in name or "pos_embedding" in name or "class_token" in name]
    assert sum(name.endswith("in_proj_weight") for name in names) == 12
    names = layer_parameters(resnet)
    assert len(names) == 20 + 2 and not [name for name in names if ".bn" in name or "downsample.1" in name]
