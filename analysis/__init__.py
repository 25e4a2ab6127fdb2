"""Floor 3: pure functions from masks, scores and outputs to numbers."""
