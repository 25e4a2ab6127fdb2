"""Rules as parts of keys. Read without torch."""


def slug(rule: str) -> str:
    """Return a rule as a part of a key: a2_plus_ab for a^2 + ab."""
    return rule.replace("^", "").replace(" + ", "_plus_").replace(" - ", "_minus_")
