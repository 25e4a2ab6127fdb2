"""The tables of deliberate differences on the docs pages. To write them anew: python -m tests.published.pages"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from textwrap import fill
from typing import Any

from tests.published import arithmetic, edge_popup, induction, induction_vision, language_images, supsup, untying
from tests.published.table import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    arithmetic.PAGE,
    language_images.PAGE,
    edge_popup.PAGE,
    supsup.PAGE,
    untying.PAGE,
    induction.PAGE,
    induction_vision.PAGE,
)
START, END = "<!-- differences: start -->", "<!-- differences: end -->"


def words(value: Any) -> str:
    """Return a value as an option of the command line reads."""
    if isinstance(value, list):
        return " or ".join(map(words, value)) if len(value) < 3 else ", ".join(map(words, value))
    if isinstance(value, tuple):
        return ",".join(map(words, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def block(page: Page) -> str:
    """Return the text between the marks, both included."""
    rows = defaultdict(list)
    for name, published in page.sweeps.items():
        for one in published.differs:
            rows[one.option, words(one.here), words(one.there), one.why].append(name)
        for more in published.more:
            here = "; ".join(f"{option} {words(value)}" for option, value in more.values.items())
            rows["", here, "absent", more.why].append(name)
    lines = [START, "", "| sweep | option | here | the original | why |", "| --- | --- | --- | --- | --- |"]
    for (option, here, there, why), names in rows.items():
        which = "all" if len(names) == len(page.sweeps) else ", ".join(f"`{name}`" for name in names)
        lines.append(f"| {which} | {f'`{option}`' if option else ''} | {here} | {there} | {why} |")
    if page.absent:
        lines += ["", "Published configurations without a sweep:", ""]
        lines += [_wrapped(f"- {name}: {why}.") for name, why in page.absent.items()]
    return "\n".join([*lines, "", END])


def _wrapped(item: str) -> str:
    """Break a list item into lines of 120 columns, and never inside a quotation, which would then quote nothing."""
    whole = re.sub(r"`[^`]*`", lambda quoted: quoted[0].replace(" ", "\0"), item)
    return fill(whole, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False).replace("\0", " ")


def renewed(page: Page) -> str:
    """Return the text of a docs page with its block as the table says.

    Raises:
        ValueError: the page has no marks.
    """
    text = (ROOT / page.path).read_text()
    if text.count(START) != 1 or text.count(END) != 1:
        raise ValueError(f"{page.path} needs {START} and {END}, each once")
    return text[: text.index(START)] + block(page) + text[text.index(END) + len(END) :]


if __name__ == "__main__":
    for one in PAGES:
        (ROOT / one.path).write_text(renewed(one))
