"""What must not be read by anybody: the key, and card numbers, out of everything that is logged, raised or returned."""

import re
from typing import Any

_NUMBER = re.compile(r"(?<![A-Za-z0-9])\d(?:[ -]?\d){11,18}(?![A-Za-z0-9])")
_CARD_FIELDS = frozenset({"card", "card_number", "cardnumber", "pan", "cvc", "cvv", "cvv2", "track2"})


def clean(text: Any, *secrets: str | None) -> str:
    """A text of the gateway's in one line, without secrets and card numbers, at most 300 characters."""
    line = " ".join(str(text).split())
    for secret in secrets:
        line = line.replace(secret, "********") if secret else line
    return _NUMBER.sub("****", line)[:300].rstrip(".")


def card_data_in(payload: Any, path: str = "") -> str | None:
    """Where a payload holds card data, or None; the value itself is never told."""
    if isinstance(payload, dict):
        for key, value in payload.items():
            where = f"{path}.{key}" if path else str(key)
            if str(key).lower() in _CARD_FIELDS and value not in (None, "", {}, []):
                return where
            if found := card_data_in(value, where):
                return found
    elif isinstance(payload, list):
        for index, value in enumerate(payload):
            if found := card_data_in(value, f"{path}[{index}]"):
                return found
    elif isinstance(payload, str) and is_card_number(payload):
        return path
    return None


def is_card_number(text: str) -> bool:
    """Whether a text is a number that a card could have (length and check digit)."""
    digits = re.sub(r"[ -]", "", text)
    if not re.fullmatch(r"[0-9]{13,19}", digits):
        return False
    doubled = [int(one) * (2 if index % 2 else 1) for index, one in enumerate(reversed(digits))]
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0
