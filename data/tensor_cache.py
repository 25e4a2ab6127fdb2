"""Caches encoded text as tensors next to the text."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from core.errors import StoreError
from core.files import write_atomic
from core.locks import turn

log = logging.getLogger("sieve")


def encoded(path: Path, origin: str, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors that `path` keeps, or make and keep them; one process at a time.

    Args:
        path: the file.
        origin: what they were made of, such as a hash and a version; a file that says otherwise is rebuilt, as is one
            that cannot be read.
        make: returns the tensors.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with turn(path.with_name(f".{path.name}.lock")):
        try:
            kept = torch.load(path, weights_only=True)
            if kept["origin"] == origin:
                return kept["tensors"]
        except FileNotFoundError:
            pass
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            log.warning("%s cannot be read (%s); it is rebuilt", path, type(error).__name__)
        tensors = dict(make())
        buffer = BytesIO()
        torch.save({"origin": origin, "tensors": tensors}, buffer)
        try:
            write_atomic(path, buffer.getvalue())
        except StoreError as error:
            log.warning("%s; it will be made again every time", error)
        return tensors
