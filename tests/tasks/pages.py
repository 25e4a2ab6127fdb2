"""What the pages in docs/ say a task logs."""

import re
from functools import lru_cache
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def documented(key: str, page: str) -> bool:
    """True when a table of the page has this key; <words> in it stand for a name, or for a name and a number: a/3."""
    return any(pattern.fullmatch(key) for pattern in _patterns(page))


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
