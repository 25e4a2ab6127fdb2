"""An experiment of one's own: a file outside of Sieve that `--task=path/to/mine.py` names."""
