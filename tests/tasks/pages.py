"""What the pages in docs/ say a task logs."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tasks.registry import TABLE

DOCS = Path(__file__).parents[2] / "docs"


def documented(key: str, page: str) -> bool:
    """True when a table of the page has this key; <words> in it stand for a name, or for a name and a number: a/3."""
    return any(pattern.fullmatch(key) for pattern in _patterns(page))


def undocumented(keys: Iterable[str], task: str) -> set[str]:
    """Return the keys that no page of the task's system has: docs/<folder in tasks/>*.md."""
    system = TABLE[task][0].partition(".")[0]
    pages = [path.name for path in DOCS.glob(f"{system}*.md")]
    return {key for key in keys if not any(documented(key, page) for page in pages)}


@lru_cache
def _patterns(page: str) -> list[re.Pattern[str]]:
    keys = re.findall(r"^\| `([^`]+)` \|", (DOCS / page).read_text(), flags=re.MULTILINE)
    return [
        re.compile(
            "".join(
                r"[A-Za-z0-9_.-]+(/\d+)?" if part.startswith("<") else re.escape(part)
                for part in re.split(r"(<[a-z]+>)", key)
            )
        )
        for key in keys
    ]
