"""A mask on Hugging Face's GPT-2, and text generated under it (python examples/gpt2.py; needs transformers)."""

import sys
from pathlib import Path

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

sys.path.insert(0, str(Path(__file__).parent.parent))  # a clone needs no installation
from masks.masking import Given, Hard, Sample
from masks.methods.gumbel import Gumbel
from masks.model import MaskedModel

torch.manual_seed(0)
network = GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=64, vocab_size=20, n_positions=16))
words = (torch.arange(20)[:, None] + torch.arange(12)) % 20  # counting; from_pretrained("gpt2") works as well
optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
for _ in range(100):
    optimizer.zero_grad()
    network(input_ids=words, labels=words).loss.backward()
    optimizer.step()

masked = MaskedModel(network, Gumbel(), "transformer.h.*.weight").freeze()
masked.add_scores("counting", 2.0, seed=0)
optimizer = torch.optim.Adam(masked.parameters(), lr=0.05)
for step in range(60):
    logits = masked(input_ids=words, masking=Sample("counting", k=4, seed=step)).logits[:, :-1]
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), words[:, 1:].flatten())
    optimizer.zero_grad()
    (loss + 3e-6 * masked.penalty("counting")).backward()
    optimizer.step()

masks = masked.finalize("counting")
print(f"{masks.density():.3f} of the weights of the blocks kept")
for name, masking in {"mask": Hard("counting"), "its inverse": Given(~masks)}.items():
    with masked.applied(masking) as model:  # the network's own methods
        print(name, model.generate(words[3:4, :3], max_new_tokens=6, do_sample=False, pad_token_id=0).tolist())
