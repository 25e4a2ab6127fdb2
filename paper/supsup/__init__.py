"""Figures of many tasks in one network."""
