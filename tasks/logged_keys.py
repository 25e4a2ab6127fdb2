"""The keys that tasks log, read where they are written down: the tables of docs/, which the tests hold to the runs."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from core.registry import nearest
from tasks.registry import TABLE

DOCS = Path(__file__).resolve().parents[1] / "docs"
PLACE = re.compile(r"(<[a-z]+>)")


def pages_of(task: str) -> list[Path]:
    """Return the pages of a task's system: docs/<folder in tasks/>*.md."""
    return sorted(DOCS.glob(f"{TABLE[task][0].partition('.')[0]}*.md")) if task in TABLE else []


@lru_cache
def keys_of(page: Path, history: bool = False) -> tuple[str, ...]:
    """Return the keys in the tables of a page, or those that rows of the history have; <words> stand for names."""
    text = page.read_text(encoding="utf-8")
    if history:  # what is measured once is in a table that begins with "Results"
        text = re.sub(r"^Results\b.*?(?=^(History|#)|\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
    return tuple(re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE))


def pattern(key: str) -> re.Pattern[str]:
    """Return what matches a documented key: a <word> is a name, or a name and a number, as a/3."""
    parts = (r"[A-Za-z0-9_.-]+(/\d+)?" if part.startswith("<") else re.escape(part) for part in PLACE.split(key))
    return re.compile("".join(parts))


def never_logged(task: str, key: str) -> str:
    """Return why a key is none of those a task logs, with the nearest; "" where it is one, or nobody knows."""
    pages = pages_of(task)
    keys = [known for page in pages for known in keys_of(page)]
    if not keys or any(pattern(known).fullmatch(key) for known in keys):
        return ""
    likely = [_filled(known, key) for known in keys]
    return f"{task} never logs {key!r}{nearest(key, likely)} ({', '.join(f'docs/{page.name}' for page in pages)})"


def only_summarised(task: str, key: str) -> str:
    """Return why no row of the history has a key that a task logs, with the nearest that rows have, or ""."""
    rows = [known for page in pages_of(task) for known in keys_of(page, history=True)]
    every = [known for page in pages_of(task) for known in keys_of(page)]
    meant = min((known for known in every if pattern(known).fullmatch(key)), key=_vagueness, default=None)
    if meant is None or meant in rows:
        return ""
    key_of_rows = key.removeprefix("final/")
    likely = [_filled(known, key_of_rows) for known in rows]
    return f"{task} measures {key!r} once, at the end{nearest(key_of_rows, likely)}"


def _vagueness(known: str) -> tuple[int, int]:
    """Return what is least of the documented key that is meant where several match: final/loss is no <stage>/loss."""
    return known.count("<"), -known.find("<")


def _filled(known: str, key: str) -> str:
    """Return a documented key with the words of another one in its places, where it has as many parts."""
    words, parts = key.split("/"), known.split("/")
    if len(words) != len(parts):
        return known
    return "/".join(word if part.startswith("<") else part for word, part in zip(words, parts, strict=True))
