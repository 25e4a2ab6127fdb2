"""An original program: the words of its files, and how one run in these words is said in Sieve's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Translation:
    """One run of an original program on its way to Sieve.

    Attributes:
        words: the run in the original's words, defaults included.
        given: which of them its file gives.
        values: the run in Sieve's options.
        kept: the options among them that a given word says; they are written even where they are Sieve's default.
        notes: what changed its meaning, was dropped, or cannot be said.
        several: options of which each value is a run of its own.
    """

    words: dict[str, Any]
    given: set[str]
    values: dict[str, Any] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    several: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def put(self, option: str, value: Any, *words: str) -> None:
        """Set an option, which is what these words say."""
        self.values[option] = value
        if self.given & set(words):
            self.kept.add(option)

    def rename(self, names: Mapping[str, str]) -> None:
        """Set options that have the same values under other names: word -> option."""
        for word, option in names.items():
            self.put(option, self.words[word], word)

    def note(self, text: str) -> None:
        """Add a comment, once."""
        if text not in self.notes:
            self.notes.append(text)

    def drop(self, reasons: Mapping[str, str]) -> None:
        """Say of the given words among these why Sieve has no such option."""
        for word, why in reasons.items():
            if word in self.given:
                self.note(f"{word}={said(self.words[word])} is dropped: {why}")

    def cannot(self, word: str, why: str, idle: Any = None) -> None:
        """Say that a word cannot be said here, where it has another value than the idle one."""
        if word in self.given and self.words[word] not in (idle, None, 0, "", False):
            self.note(f"{word}={said(self.words[word])} cannot be said: {why}")


@dataclass(frozen=True)
class Original:
    """A program, or a set of them, with one way to write its options.

    Attributes:
        title: its repository.
        defaults: every option -> default.
        signs: options that no other original has.
        translate: fills in a translation.
        scripts: pattern of the scripts that its command lines start, or "".
        aliases: further spellings -> option.
        joined: options whose values on several command lines belong into one run, as a list.
        expand: what a file gives -> the runs that it starts.
    """

    title: str
    defaults: Mapping[str, Any]
    signs: frozenset[str]
    translate: Callable[[Translation], None]
    scripts: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    joined: tuple[str, ...] = ()
    expand: Callable[[Mapping[str, Any]], list[dict[str, Any]]] = lambda words: [dict(words)]


def said(value: Any) -> str:
    """Return a value as the originals write it."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def steps_of(epochs: Any, examples: int, batch: Any) -> int:
    """Return how many batches of some size there are in some passes over the examples."""
    return round(float(epochs) * -(-examples // int(batch)))
