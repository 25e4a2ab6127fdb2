"""A mask on the channels of a torchvision ResNet, then a plain ResNet again (python examples/resnet.py)."""

import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torchvision.models import resnet18

sys.path.insert(0, str(Path(__file__).parent.parent))  # a clone needs no installation
from masks.masking import Hard, Sample
from masks.methods.gumbel import Gumbel
from masks.model import MaskedModel

torch.manual_seed(0)
pixels, labels = load_digits(return_X_y=True)
images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8).expand(-1, 3, -1, -1) / 16
images = nn.functional.interpolate(images[:256], scale_factor=4)
y = torch.tensor(labels[:256])

network = resnet18(num_classes=10)  # random weights; weights="DEFAULT" downloads trained ones
masked = MaskedModel(network, Gumbel(), "layer*.conv?.weight", unit="output").freeze()
masked.add_scores("digits", 1.0, seed=0)
print(masked)
optimizer = torch.optim.Adam(masked.parameters(), lr=0.3)
for step in range(6):
    rows = torch.randint(256, (32,))
    loss = nn.functional.cross_entropy(masked(images[rows], Sample("digits", k=4, seed=step)), y[rows])
    loss = loss + 1e-5 * masked.penalty("digits")  # the fewer channels the better
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
for name, mask in masked.masks("digits").compact().items():
    print(f"{name}: {mask.sum()} of {mask.numel()} channels kept")
plain = masked.bake(Hard("digits"))  # a torchvision ResNet with zeros; plain.state_dict() is a file like any other
print("baked and masked agree:", torch.allclose(plain(images[:8]), masked(images[:8], Hard("digits")), atol=1e-5))
