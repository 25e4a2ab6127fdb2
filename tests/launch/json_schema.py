"""As much of JSON Schema (draft 7) as the schema of W&B's sweeps uses, for tests.

wandb_sweep_schema.json is that of the package `sweeps` 0.3.0 (MIT, wandb_sweep_schema.LICENSE). Its formats "float" and
"integer" mean Python's types, as in that package.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

SCHEMA = json.loads(Path(__file__).with_name("wandb_sweep_schema.json").read_text())
IGNORED = {"$schema", "$id", "title", "description", "default", "definitions"}


def is_type(value: Any, name: str) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "number": number,
        "integer": number and value == int(value),
    }[name]


def valid(value: Any, schema: dict[str, Any] = SCHEMA) -> bool:
    """Return whether a value, as JSON has them, is as the schema wants it."""
    return all(_holds(value, word, rule, schema) for word, rule in schema.items() if word not in IGNORED)


def _holds(value: Any, word: str, rule: Any, schema: dict[str, Any]) -> bool:
    number = is_type(value, "number")
    match word:
        case "$ref":
            return valid(value, SCHEMA["definitions"][rule.rpartition("/")[2]])
        case "type":
            return is_type(value, rule)
        case "enum":
            return any(type(item) is type(value) and item == value for item in rule)
        case "anyOf":
            return any(valid(value, one) for one in rule)
        case "oneOf":
            return sum(valid(value, one) for one in rule) == 1
        case "format":
            return isinstance(value, {"float": float, "integer": int}[rule])
        case "minimum":
            return not number or value >= rule
        case "exclusiveMinimum":
            return not number or value > rule
        case "pattern":
            return not isinstance(value, str) or re.search(rule, value) is not None
        case "minItems":
            return not isinstance(value, list) or len(value) >= rule
        case "items":
            return not isinstance(value, list) or all(valid(item, rule) for item in value)
    if not isinstance(value, dict):
        return True
    match word:
        case "required":
            return all(name in value for name in rule)
        case "minProperties":
            return len(value) >= rule
        case "propertyNames":
            return all(valid(name, rule) for name in value)
        case "properties":
            return all(valid(value[name], rule[name]) for name in rule if name in value)
        case "additionalProperties":
            rest = [item for name, item in value.items() if name not in schema.get("properties", {})]
            return not rest if rule is False else all(valid(item, rule) for item in rest)
        case "dependencies":
            return all(name not in value or set(needed) <= value.keys() for name, needed in rule.items())
    raise ValueError(f"the schema has the keyword {word!r}, which is not known here")
