"""Sweeps on a Slurm cluster: what is submitted is written down first, and what became of it is asked for."""
