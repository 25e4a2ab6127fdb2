"""Tests run on tiny tensors, where a second thread costs more than it gives."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in the processes tests start
