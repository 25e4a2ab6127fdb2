"""The values of every published sweep, as the originals have them, and what differs here with its reason."""
