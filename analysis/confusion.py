"""Which operation a network that adds or multiplies has performed."""

from __future__ import annotations

import torch
from torch import Tensor


def confusion(answers: Tensor, results: Tensor, operation: Tensor) -> Tensor:
    """Count the answers that equal the sum, the product, or neither, by the operation asked for.

    Args:
        answers: [B] numbers the network gave.
        results: [B, O] the right result of each of O operations.
        operation: [B] index of the operation asked for.

    Returns:
        [O + 1, O] int64: row i: answers equal to result i, last row: equal to none; column: operation asked for.
        Where two results coincide (2 + 2 and 2 * 2) the answer counts in both rows.
    """
    operations = results.shape[1]
    equal = answers.unsqueeze(1) == results
    rows = torch.cat([equal, ~equal.any(1, keepdim=True)], 1)
    asked = torch.nn.functional.one_hot(operation, operations)
    return rows.long().T @ asked
