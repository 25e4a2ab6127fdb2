"""SCAN: commands in words and their actions, in four splits into training and test sets."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from torch import Tensor

from core.errors import OptionError
from core.registry import nearest
from data.download import fetch
from data.sequences import Sequences, encode
from data.tensor_cache import encoded

BASE = "https://raw.githubusercontent.com/brendenlake/SCAN/master"
FILES = {  # split -> folder, end of the files' names, sha256 of the training and of the test file
    "simple": ("simple_split", "simple", "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
               "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6"),
    "length": ("length_split", "length", "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2",
               "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3"),
    "jump": ("add_prim_split", "addprim_jump", "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23",
             "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5"),
    "turn_left": ("add_prim_split", "addprim_turn_left",
                  "1b3fed86055dd7689d217f1b90cc8960aeb1cf200f4f209dc47935761b05304c",
                  "15a82c2d25ac7c3c1fff7e18051fb085974ef3617de895c520d02144396a10e2"),
}  # fmt: skip
COMMANDS = (
    "left", "right", "twice", "thrice", "opposite", "around", "and", "after", "jump", "run", "walk", "look", "turn"
)  # fmt: skip
ACTIONS = ("I_TURN_LEFT", "I_TURN_RIGHT", "I_JUMP", "I_WALK", "I_RUN", "I_LOOK")
ENDS = len(COMMANDS), len(ACTIONS)


def load_scan(split: str, cache: str | Path = "cache") -> dict[str, Sequences]:
    """Return the sets "train" and "test" of a split.

    Args:
        split: simple, length, jump or turn_left.
        cache: the files lie in <cache>/scan, as in the published repository; missing ones are fetched.

    Raises:
        OptionError: an unknown split; a file that cannot be fetched, or is not the published one.

    Source: Lake and Baroni, "Generalization without systematicity", ICML 2018; the order of the words is that of
    Csordas et al., "Are Neural Nets Modular?", ICLR 2021, its code.
    """
    if split not in FILES:
        raise OptionError(f"unknown split {split!r}; allowed: {', '.join(FILES)}{nearest(split, FILES)}")
    folder, end, *hashes = FILES[split]
    sets = {}
    for part, sha256 in zip(("train", "test"), hashes, strict=True):
        name = f"{folder}/tasks_{part}_{end}.txt"
        path = fetch(f"{BASE}/{name}", Path(cache) / "scan" / name, sha256)
        kept = encoded(path.with_suffix(".pt"), f"{sha256} 1", partial(_tensors, path))
        sets[part] = Sequences.of(kept, ENDS)
    return sets


def parse_scan(lines: Iterable[str]) -> Sequences:
    """Return the pairs of lines "IN: <command> OUT: <actions>".

    Raises:
        OptionError: a line of another form, or with an unknown word.
    """
    pairs = []
    for number, line in enumerate(lines, 1):
        sides = line.removeprefix("IN: ").split(" OUT: ")
        try:
            command, actions = sides
            pairs.append((_numbers(command, COMMANDS), _numbers(actions, ACTIONS)))
        except ValueError:
            raise OptionError(f"line {number} is not a pair of SCAN: {line!r}") from None
    return encode(pairs, ENDS)


def _numbers(text: str, vocabulary: tuple[str, ...]) -> bytes:
    return bytes(vocabulary.index(word) for word in text.split())


def _tensors(path: Path) -> dict[str, Tensor]:
    return parse_scan(path.read_text().splitlines()).tensors()
