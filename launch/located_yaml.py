"""A YAML file as values that record their line, so that every mistake can be reported by file and line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from core.errors import SweepError
from core.registry import nearest

DEEPEST = 30  # deeper than any sweep; an alias that contains itself would have no end
MOST_VALUES = 300_000  # more than any sweep; aliases of aliases would have no end either
MOST_BYTES = 10**7


class Located(NamedTuple):
    """A value of the file and the line it starts on; mappings and lists hold further `Located`.

    A line of 0 means that the value does not come from the file.
    """

    value: Any
    line: int

    def plain(self) -> Any:
        """Return the value without lines."""
        if isinstance(self.value, dict):
            return {name: item.plain() for name, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


class Document:
    """A YAML file that is a mapping.

    Args:
        path: the file.

    Attributes:
        path: as given, for error texts.
        root: the keys at the top.

    Raises:
        SweepError: the file is missing, unreadable, empty, not YAML or not a mapping.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            node = yaml.compose(self._text(), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            why = " ".join(str(error.problem or error.context).split())
            raise self.error(mark.line + 1 if mark else 0, f"not valid YAML: {why}") from None
        except yaml.YAMLError as error:
            raise self.error(0, f"not valid YAML: {str(error).splitlines()[0]}") from None
        except RecursionError:
            raise self.error(0, f"nested more than {DEEPEST} deep") from None
        if node is None:
            raise self.error(0, "the file is empty; a sweep has at least method: and parameters:")
        self._constructor = yaml.constructor.SafeConstructor()
        self._values = 0
        root = self._located(node, 0)
        if not isinstance(root.value, dict):
            raise self.error(root.line, "not a sweep: the top of the file is not a mapping of keys to values")
        self.root: dict[str, Located] = root.value

    def error(self, line: int, text: str) -> SweepError:
        """Return (not raise) the one-line error for a mistake on `line`; 0 when no line can be named."""
        where = f"{self.path}:{line}: " if line else f"{self.path}: "
        return SweepError(where + (text if text.isprintable() else repr(text)[1:-1]))

    def check_keys(self, found: dict[str, Located], allowed: Iterable[str], what: str) -> None:
        """Raise SweepError for the first key of `found` that is not in `allowed`."""
        allowed = list(allowed)
        for key, item in found.items():
            if key not in allowed:
                near = nearest(key, allowed)
                raise self.error(item.line, f"unknown {what} {key!r}; allowed: {', '.join(allowed)}{near}")

    def _text(self) -> str:
        try:
            if self.path.stat().st_size > MOST_BYTES:
                raise self.error(0, f"{self.path.stat().st_size} bytes; a sweep has {MOST_BYTES} at most")
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SweepError(self._missing()) from None
        except UnicodeDecodeError:
            raise self.error(0, "not a text file in UTF-8") from None
        except (OSError, ValueError) as error:
            raise self.error(0, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None

    def _missing(self) -> str:
        folder = self.path.parent
        if not folder.is_dir():
            return f"no file {str(self.path)!r}: there is no folder {str(folder)!r}"
        names = sorted(path.name for path in folder.glob("*.yaml"))
        if not names:
            return f"no file {str(self.path)!r}: no .yaml file in {str(folder)!r}"
        near = nearest(self.path.name, [str(folder / name) for name in names])
        near = near or nearest(self.path.stem, names).replace("'", f"'{folder}/", 1)
        return f"no file {str(self.path)!r}{near or '; there are: ' + ', '.join(names)}"

    def _located(self, node: yaml.Node, depth: int) -> Located:
        line = node.start_mark.line + 1
        if depth > DEEPEST:
            raise self.error(line, f"nested more than {DEEPEST} deep")
        self._values += 1
        if self._values > MOST_VALUES:
            raise self.error(line, f"more than {MOST_VALUES} values, counting those of aliases")
        if isinstance(node, yaml.MappingNode):
            self._check_twice(node)
            try:
                self._constructor.flatten_mapping(node)  # resolves "<<: *anchor"
            except (yaml.YAMLError, RecursionError) as error:
                raise self.error(
                    line, f"not valid YAML: {getattr(error, 'problem', None) or 'nested too deep'}"
                ) from None
            items = {}
            for key, value in node.value:
                # The line of a mapping's entry is that of its key: that is where a reader looks for it.
                items[self._scalar(key)] = self._located(value, depth + 1)._replace(line=key.start_mark.line + 1)
            return Located(items, line)
        if isinstance(node, yaml.SequenceNode):
            return Located([self._located(item, depth + 1) for item in node.value], line)
        return Located(self._scalar(node, text=False), line)

    def _scalar(self, node: yaml.Node, text: bool = True) -> Any:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(line, "a key must be a word, not a list or a mapping")
        try:
            return str(node.value) if text else self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, TypeError) as error:
            why = getattr(error, "problem", None) or error
            raise self.error(line, f"not valid YAML: {why}") from None

    def _check_twice(self, node: yaml.MappingNode) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line, word = key.start_mark.line + 1, str(key.value)
            if word in lines:
                raise self.error(line, f"{word!r} is given twice, first on line {lines[word]}")
            lines[word] = line
