"""Exit codes of `main.py` and `run.py`. RESUME and BUSY are sysexits' EX_TEMPFAIL and its neighbour."""

DONE = 0
FAILED = 1
BAD_INPUT = 2
RESUME = 75  # stopped by a signal after saving: start it again and it goes on
BUSY = 76  # another process is running this very run
