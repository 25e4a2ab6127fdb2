"""Floor 4: the experiments, a folder per system."""
