"""K sets of weights through any module in one forward pass."""
