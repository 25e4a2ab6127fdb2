"""Figures of subtask induction."""
