"""Names of pictures: readable, safe on every file system, and never the same for two different things."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

LONGEST = 120  # characters; file systems allow 255 bytes with the ending
MOST_NAMED = 3  # options of a trial that a name lists
START = re.compile(r"(small/(?!small/)|(?!small_))[a-z0-9][a-z0-9.-]*(_[a-z0-9.-]+)*")
NAME = re.compile(r"[a-z0-9.]+(_[a-z0-9.]+)*")
VALUE = re.compile(r"(?!.*x\d+$)[a-z0-9.,+-]+(_[a-z0-9.,+-]+)*")  # 800x4 stands for 800,800,800,800


def short(text: str) -> str:
    """Return "800x4" for "800,800,800,800"; other texts as they are."""
    items = text.split(",")
    return f"{items[0]}x{len(items)}" if len(items) > 1 and len(set(items)) == 1 else text


def file_name(start: str, options: Sequence[tuple[str, str]] = (), trial: Mapping[str, str] | None = None) -> str:
    """Return a picture's file name without ending: "small_tuple_rnn__tuple.mode-together__trial__train.steps-40".

    What such words cannot say without doubt (capitals, which some file systems do not tell apart, other characters,
    very long values) is left out of them and told apart by a "~" and a digest of everything.

    Args:
        start: the sweep or the scale.
        options: by which the picture differs from others of the sweep, names and values.
        trial: by which options its runs differ from the sweep file; None or {} for the sweep's own runs.
    """
    trial = dict(trial or {})
    listed = [*options, *(trial.items() if len(trial) <= MOST_NAMED else ())]
    words = [start.replace("/", "_"), *(f"{name}-{short(value)}" for name, value in options)]
    if trial:
        words.append("trial")
        words += [f"{n}-{short(v)}" for n, v in listed[len(options) :]] or [f"{len(trial)}-options"]
    readable = "__".join(words)
    plain = START.fullmatch(start) and all(NAME.fullmatch(n) and VALUE.fullmatch(v) for n, v in listed)
    if plain and len(trial) <= MOST_NAMED and len(readable) <= LONGEST:
        return readable
    exact = json.dumps([start, list(options), list(trial.items())])
    safe = re.sub(r"[^a-z0-9._,+-]+", "_", readable.lower())[:LONGEST].strip("._-")
    return f"{safe or 'runs'}~{hashlib.sha1(exact.encode()).hexdigest()[:12]}"
