"""Straight-through Gumbel-sigmoid samples in one pass over memory, with noise from a counter-based hash."""
