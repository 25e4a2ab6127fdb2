"""Figures of the masks of subtasks."""
