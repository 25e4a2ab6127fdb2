"""The one reader of .npz files, ours and those of users: arrays of numbers by name, or one line that says why not."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class Unreadable(Exception):
    """A file that is no .npz of arrays; the text goes on after its path: "is not an .npz"."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz; nothing in it is executed.

    Raises:
        FileNotFoundError: there is no such file.
        Unreadable: it is none, it is damaged, or it holds something else than numbers and texts.
    """
    import numpy as np

    if not Path(path).exists():
        raise FileNotFoundError(path)
    try:
        if not zipfile.is_zipfile(path):  # numpy would recommend to unpickle it
            raise Unreadable("is not an .npz")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (
        OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, MemoryError, OverflowError, RuntimeError,
        NotImplementedError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        why = (str(error).splitlines() or [type(error).__name__])[0]
        why = "it holds Python objects, no arrays" if "pickle" in why else why
        raise Unreadable(f"is not a readable .npz: {why}") from None
    odd = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if odd:  # a member that is no .npy comes as bytes
        raise Unreadable(f"is not a readable .npz: {odd[0]} in it is no array")
    return arrays
