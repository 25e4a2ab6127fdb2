"""Floor 2: datasets as tensors on the device."""
