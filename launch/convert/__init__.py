"""Sweeps and configurations of the programs that Sieve takes the place of, as sweeps of Sieve."""
