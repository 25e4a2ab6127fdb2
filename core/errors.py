"""The errors a user can cause. Each text is one line: what was given, what is allowed, the nearest match."""


class SieveError(Exception):
    """Base of every error that `main.py` and `run.py` answer with one line and exit code 2."""


class OptionError(SieveError):
    """An unknown option, name or value."""


class SweepError(SieveError):
    """A sweep file that is missing, broken, or names options its task does not have."""


class StoreError(SieveError):
    """A run folder that cannot be written, read, or was written by another version."""


class DamagedError(StoreError):
    """A run whose files are not what it wrote; doing it again is all that helps."""


class CheckpointError(SieveError):
    """A checkpoint that cannot be written or read."""


class MaskError(SieveError):
    """Masks or scores that do not fit the model, and unknown subnets."""


class BatchError(SieveError):
    """A batch that cannot be split evenly into K chunks."""


class LayerError(SieveError):
    """A layer that cannot run with K masks the way it was asked to."""
