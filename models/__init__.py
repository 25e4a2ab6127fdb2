"""Floor 2: networks, built from `layers`."""
