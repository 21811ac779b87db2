"""Finds the texts inside a secret value that must not be seen anywhere."""

from collections.abc import Iterator
from typing import Any


def strings_in(value: Any) -> Iterator[str]:
    """Every text and number in a JSON value, as text; true, false and the names of fields are no secrets."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
