"""One setting: its declaration, its environment variable, the value that a text means, and what is wrong with a value."""

import dataclasses
import re
from dataclasses import field
from pathlib import Path
from typing import Any

PREFIX = "ISP_PLUGINS_"


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    pattern: str | None = None,
    secret: bool = False,
) -> Any:
    """A documented field with its bounds."""
    return field(
        default=default, metadata={"doc": doc, "low": low, "high": high, "pattern": pattern, "secret": secret}
    )


def folders_of(text: str) -> tuple[Path, ...]:
    """Folders that are separated like PATH."""
    separator = ";" if re.match(r"^[A-Za-z]:\\", text) else ":"
    return tuple(Path(part).absolute() for part in text.split(separator) if part)


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def parse(spec: dataclasses.Field[Any], text: str) -> Any:
    """The value that a variable's text means, by the field's type."""
    kind = spec.type if isinstance(spec.type, type) else str
    try:
        return kind(text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise ValueError(f"expected {expected}, got {text!r}") from None


def check(spec: dataclasses.Field[Any], value: Any) -> str | None:
    """What is wrong with a value, or None; the value of a secret setting is never repeated."""
    low, high, pattern = (spec.metadata[key] for key in ("low", "high", "pattern"))
    shown = "a value that does not fit" if spec.metadata["secret"] else repr(value)
    name = variable_of(spec.name)
    if isinstance(value, (int, float)) and value != value:  # noqa: PLR0124  NaN compares with nothing, not even itself
        return f"{name}: expected a number, got {shown}"
    if low is not None and value < low:
        return f"{name}: expected at least {low}, got {shown}"
    if high is not None and value > high:
        return f"{name}: expected at most {high}, got {shown}"
    if pattern is not None and value is not None and not re.fullmatch(pattern, value, re.DOTALL):
        return f"{name}: expected something like {pattern}, got {shown}"
    return None
