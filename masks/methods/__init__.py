"""Mask methods, one file each: how the scores of a weight become K masks of a forward pass."""
