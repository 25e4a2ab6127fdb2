"""Edge-popup: a random network that is never trained holds a good one (python examples/edge_popup.py)."""

import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent))  # a clone needs no installation
from masks.masking import Hard, Sample
from masks.methods.edge_popup import EdgePopup
from masks.model import MaskedModel

torch.manual_seed(0)
pixels, labels = load_digits(return_X_y=True)
x, y = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(labels)
train, test = torch.randperm(len(x)).split([1500, len(x) - 1500])

network = nn.Sequential(nn.Linear(64, 256, bias=False), nn.ReLU(), nn.Linear(256, 10, bias=False))
for weight in network.parameters():  # random signs, all of one size
    weight.data = weight.data.sign() * (2 / weight.shape[1]) ** 0.5
masked = MaskedModel(network, EdgePopup(keep=0.5)).freeze()
masked.add_scores("digits", None, seed=0)
optimizer = torch.optim.Adam(masked.parameters(), lr=0.05)
for step in range(100):
    batch = train[torch.randint(len(train), (64,))]
    loss = nn.functional.cross_entropy(masked(x[batch], Sample("digits", k=1, seed=step)), y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    whole = (masked(x[test]).argmax(1) == y[test]).float().mean()
    subnet = (masked(x[test], Hard("digits")).argmax(1) == y[test]).float().mean()
print(f"all random weights: {whole:.3f}; half of them: {subnet:.3f} of {len(test)} digits right")
