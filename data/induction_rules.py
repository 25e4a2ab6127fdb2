"""The thirteen rules of two numbers that subtask induction is studied on, and which of them cannot be told apart.

Nothing here needs torch: a rule is a function of two whole numbers, or of two tensors of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from core.errors import OptionError
from core.registry import nearest

Rule = Literal[
    "a + ab", "a^2 + ab", "2a^2", "2b^2", "a^2 + ab + b^2", "a^3 + ab", "a^2 + b^2", "a^2 + ab + b^2 + a",
    "a^3 + ab + b", "ab", "a^2", "a + b", "a^2 - b^2",
]  # fmt: skip
RULES: dict[str, Callable[[Any, Any], Any]] = {
    "a + ab": lambda a, b: a + a * b,
    "a^2 + ab": lambda a, b: a * a + a * b,
    "2a^2": lambda a, b: 2 * a * a,
    "2b^2": lambda a, b: 2 * b * b,
    "a^2 + ab + b^2": lambda a, b: a * a + a * b + b * b,
    "a^3 + ab": lambda a, b: a * a * a + a * b,
    "a^2 + b^2": lambda a, b: a * a + b * b,
    "a^2 + ab + b^2 + a": lambda a, b: a * a + a * b + b * b + a,
    "a^3 + ab + b": lambda a, b: a * a * a + a * b + b,
    "ab": lambda a, b: a * b,
    "a^2": lambda a, b: a * a,
    "a + b": lambda a, b: a + b,
    "a^2 - b^2": lambda a, b: a * a - b * b,
}


def rule(text: str) -> Callable[[Any, Any], Any]:
    """Return the function of two numbers, or tensors, that a text stands for; its values are not reduced.

    Raises:
        OptionError: no such rule.

    Source: Zhang, Lepori, Pavlick, "Instilling Inductive Biases with Subnetworks", arXiv 2310.10899: the base task
    is a + ab, the subtask ab, the target a^2 + ab. The others are those that its code knows.
    """
    if text not in RULES:
        raise OptionError(f"unknown rule {text!r}; allowed: {', '.join(get_args(Rule))}{nearest(text, RULES)}")
    return RULES[text]


def rivals(target: str, modulus: int) -> list[str]:
    """Return the rules that answer as the target wherever a = b, and elsewhere do not.

    Both are polynomials, so it is decided on the residues: right for any range of operands that has all of them.

    Args:
        target: the rule that is wanted.
        modulus: p.

    Raises:
        OptionError: no such rule.
    """
    wanted, residues = rule(target), range(modulus)

    def equal(other: Callable[[Any, Any], Any], a: int, b: int) -> bool:
        return (wanted(a, b) - other(a, b)) % modulus == 0

    return [
        text for text, other in RULES.items()
        if all(equal(other, a, a) for a in residues)
        and not all(equal(other, a, b) for a in residues for b in residues)
    ]  # fmt: skip
