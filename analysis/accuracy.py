"""Classification accuracy."""

from torch import Tensor


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the fraction of examples whose largest logit is that of their label.

    Args:
        logits: [N, classes].
        labels: [N] int64.
    """
    return (logits.argmax(-1) == labels).double().mean().item()
