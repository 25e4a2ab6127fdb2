"""Floor 1: torch's layers, with parameters that may carry a leading axis K (K masks in one forward pass).

Each class is a drop-in replacement: same arguments, parameter names, initialisation and state_dict. A new layer derives
from `Batched`, which is how `layers.functional.backends` knows it.
"""

from layers.attention import MultiheadAttention
from layers.batch_norm import BatchNorm1d, BatchNorm2d
from layers.batched import Batched
from layers.conv import Conv2d
from layers.embedding import Embedding
from layers.group_norm import GroupNorm
from layers.linear import Linear
from layers.local import FullyConnected2d, LocallyConnected2d
from layers.lstm import LSTM
from layers.norm import LayerNorm

__all__ = [
    "LSTM", "BatchNorm1d", "BatchNorm2d", "Batched", "Conv2d", "Embedding", "FullyConnected2d", "GroupNorm",
    "LayerNorm", "Linear", "LocallyConnected2d", "MultiheadAttention",
]  # fmt: skip
