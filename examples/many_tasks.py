"""Ten tasks in one random network; which one is an input of? (python examples/many_tasks.py)."""

import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent))  # a clone needs no installation
from analysis.task_inference import entropy, one_shot
from masks.masking import Given, Sample
from masks.methods.edge_popup import EdgePopup
from masks.model import MaskedModel
from masks.packed_masks import PackedMasks

torch.manual_seed(0)
pixels, labels = load_digits(return_X_y=True)
x, y = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(labels)
train, test = torch.randperm(len(x)).split([1500, len(x) - 1500])
orders = [torch.randperm(64) for _ in range(10)]  # a task: the pixels in an order of its own
network = nn.Sequential(nn.Linear(64, 256, bias=False), nn.ReLU(), nn.Linear(256, 50, bias=False))  # 40 superfluous
for weight in network.parameters():
    weight.data = weight.data.sign() * (2 / weight.shape[1]) ** 0.5
masked = MaskedModel(network, EdgePopup(keep=0.5)).freeze()
bits = PackedMasks(masked.shapes, room=10)  # a bit for each weight and task
for task, order in enumerate(orders):
    scores = masked.add_scores(str(task), None, seed=task)
    optimizer = torch.optim.Adam(scores.values(), lr=0.05)
    for step in range(60):
        batch = train[torch.randint(len(train), (64,))]
        loss = nn.functional.cross_entropy(masked(x[batch][:, order], Sample(str(task), 1, step)), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    bits.add(masked.finalize(str(task)))
found = [one_shot(masked, bits, x[test[:128]][:, order], entropy).task for order in orders]  # nobody says which task
right = [masked(x[test][:, o], Given(bits.masks(t))).argmax(1) == y[test] for t, o in zip(found, orders, strict=True)]
print(f"tasks found: {found}; accuracy: {torch.stack(right).float().mean():.3f}; {bits.nbytes()} bytes of masks")
