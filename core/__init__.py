"""Floor 0: options, registry, random streams, run store, checkpoints, trackers and the training loop."""
