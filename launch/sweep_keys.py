"""The keys at the top of a sweep file, as the W&B schema has them: what each may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.limits import SweepName
from core.registry import nearest
from core.values import said
from launch.located_yaml import Document, Located
from launch.schema import is_number

METHODS = ("grid", "random", "bayes", "custom")
ON_THE_SERVER = ("bayes", "custom")  # methods whose points only the W&B server, or a scheduler of it, can choose
ENGINES = {"wandb": ("grid", "random", "bayes"), "optuna": ("custom",), "ax": ("custom",)}


@dataclass(frozen=True)
class Text:
    """Any text."""

    def check(self, document: Document, where: str, item: Located) -> None:
        if not isinstance(item.value, str):
            raise document.error(item.line, f"{where}: {_said(item)} is no text; put it in quotes")


@dataclass(frozen=True)
class Number:
    """A number, or a whole one; at least, or above, `low`."""

    what: str
    whole: bool = False
    low: float = float("-inf")
    open_low: bool = False

    def check(self, document: Document, where: str, item: Located) -> None:
        value = item.value
        good = is_number(value) and (not self.whole or value == int(value))
        if not good or value < self.low or (self.open_low and value == self.low):
            raise document.error(item.line, f"{where}: {_said(item)} is not {self.what}")


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[Any, ...]

    def check(self, document: Document, where: str, item: Located) -> None:
        if not any(type(word) is type(item.value) and word == item.value for word in self.words):
            allowed = ", ".join(map(str, self.words)).lower()
            near = nearest(str(item.value)[:99], map(str, self.words))
            raise document.error(item.line, f"{where}: {_said(item)} is not one of {allowed}{near}")


@dataclass(frozen=True)
class Keys:
    """A mapping with certain keys, some of them necessary; others only where it is `open`."""

    known: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    open: bool = False

    def check(self, document: Document, where: str, item: Located) -> None:
        if not isinstance(item.value, dict):
            raise document.error(item.line, f"{where}: needs {self._wanted()}")
        if not self.open:
            document.check_keys(item.value, self.known, f"key of {where}:")
        for key in self.needs:
            if key not in item.value:
                raise document.error(item.line, f"{where}: needs {self._wanted()}")
        for key, inner in item.value.items():
            if key in self.known:
                self.known[key].check(document, key if where == "metric" else f"{where}.{key}", inner)

    def _wanted(self) -> str:
        return " and ".join(f"{key}:" for key in self.needs)


@dataclass(frozen=True)
class Items:
    """A list of so many things at least."""

    of: Any
    least: int

    def check(self, document: Document, where: str, item: Located) -> None:
        if not isinstance(item.value, list) or len(item.value) < self.least:
            raise document.error(item.line, f"{where}: needs a list of {self.least} or more")
        for inner in item.value:
            self.of.check(document, where, inner)


METRIC = Keys(
    {
        "name": Text(), "goal": Choice(("minimize", "maximize")), "target": Number("a number"),
        "impute": Choice(("latest", "best", "worst")),
        "impute_while_running": Choice(("latest", "best", "worst", "false")),
    },
    needs=("name",),
)  # fmt: skip
SHAPES: dict[str, Any] = {
    "metric": METRIC,
    "metrics": Items(METRIC, 2),
    "run_cap": Number("a whole number above 0", whole=True, low=1),
    "apiVersion": Text(),
    "kind": Choice(("sweep",)),
    "controller": Keys({"type": Choice(("local", "cloud"))}, needs=("type",), open=True),
    "scheduler": Keys(
        {"engine": Choice(tuple(ENGINES)), "source": Text(), "optimizer": Text(), "search_space": Text()},
        needs=("engine",),
    ),
    "early_terminate": Keys(
        {
            "type": Choice(("hyperband",)), "min_iter": Number("a whole number above 0", whole=True, low=1),
            "max_iter": Number("a whole number", whole=True), "s": Number("a number"),
            "eta": Number("a number above 1", low=1, open_low=True), "strict": Choice((True, False)),
        },
        needs=("type",),
    ),
    **{name: Text() for name in ("description", "job", "image_uri", "entity", "project", "program")},
}  # fmt: skip
KEYS = ("program", "name", "method", "metric", "command", "parameters", *(key for key in SHAPES if key != "metric"))


def check_top(document: Document) -> None:
    """Raise SweepError for a key at the top of the file that is not as the W&B schema and its server want it."""
    root = document.root
    document.check_keys(root, dict.fromkeys(KEYS), "key")
    for key, item in root.items():
        if key in SHAPES:
            SHAPES[key].check(document, key, item)
    _check_together(document)


def _check_together(document: Document) -> None:
    root, method = document.root, method_of(document)
    if "early_terminate" in root:
        keys, line = root["early_terminate"]
        if "min_iter" not in keys and not ("max_iter" in keys and "s" in keys):
            raise document.error(line, "early_terminate: needs min_iter:, or max_iter: and s:")
    if "metrics" in root and ("metric" in root or method != "custom"):
        raise document.error(root["metrics"].line, "metrics: goes with method: custom, and not beside metric:")
    if "scheduler" not in root:
        return
    keys, line = root["scheduler"]
    if ("optimizer" in keys or "search_space" in keys) and "source" not in keys:
        raise document.error(line, "scheduler: needs source: for optimizer: and search_space:")
    methods = ENGINES[keys["engine"].value]
    if method not in methods:
        raise document.error(
            line, f"scheduler: engine: {keys['engine'].value} goes with method: {' or '.join(methods)}"
        )
    local = root.get("controller") and root["controller"].value["type"].value == "local"
    if "early_terminate" in root or local:
        raise document.error(line, "scheduler: goes neither with early_terminate: nor with controller: {type: local}")


def method_of(document: Document) -> str:
    """Return method:, which a sweep must have."""
    if "method" not in document.root:
        raise document.error(0, f"no method:; allowed: {', '.join(METHODS)}")
    item = document.root["method"]
    if not isinstance(item.value, str) or item.value not in METHODS:
        near = nearest(_said(item), METHODS)
        raise document.error(item.line, f"unknown method {_said(item)!r}; allowed: {', '.join(METHODS)}{near}")
    return item.value


def name_of(document: Document) -> str:
    """Return name:, which is a folder; the name of the file where there is none."""
    item = document.root.get("name", Located(document.path.stem, 0))
    refusal = SweepName().refusal(item.value) if isinstance(item.value, str) else f"is not {SweepName()}"
    if refusal:
        raise document.error(item.line, f"name: {_said(item)!r} {refusal}")
    return item.value


def _said(item: Located) -> str:
    return said(item.plain())
