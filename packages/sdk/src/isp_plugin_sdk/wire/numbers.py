"""Finds the numbers that JSON does not have, which orjson writes as null: NaN and the infinities.

Whoever encodes looks at a value only where its text has a null in it, so that most messages cost a search for four bytes.
"""

from typing import Any

_INFINITY = float("inf")


def lacks_a_number(value: Any) -> bool:
    """Whether some number in a JSON value is none."""
    kind = type(value)
    if kind is float:
        return not -_INFINITY < value < _INFINITY
    if kind is dict:
        parts = value.values()
    elif kind is list or kind is tuple:
        parts = value
    else:
        return False
    for part in parts:
        inner = type(part)
        if inner is float:
            if not -_INFINITY < part < _INFINITY:
                return True
        elif (inner is dict or inner is list or inner is tuple) and lacks_a_number(part):
            return True
    return False
