"""Does a subnetwork carry the bias of its subtask into another network? Subtask induction, with its controls."""
