"""What the pages in docs/ say a task logs."""

from collections.abc import Iterable

from tasks.logged_keys import DOCS, keys_of, pages_of, pattern


def documented(key: str, page: str) -> bool:
    """True when a table of the page has this key; <words> in it stand for a name, or for a name and a number: a/3."""
    return any(pattern(known).fullmatch(key) for known in keys_of(DOCS / page))


def undocumented(keys: Iterable[str], task: str) -> set[str]:
    """Return the keys that no page of the task's system has: docs/<folder in tasks/>*.md."""
    return {key for key in keys if not any(documented(key, page.name) for page in pages_of(task))}
