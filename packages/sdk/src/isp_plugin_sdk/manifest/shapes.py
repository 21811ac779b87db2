"""The shapes that a manifest's values have: each tells what is wrong with a value, and its own JSON Schema.

1. A text's pattern holds for the whole text, in the part of the syntax that Python, JavaScript and JSON Schema's readers share.
2. Mistakes are told together; a path is written as in `hooks.0.priority`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from isp_plugin_sdk.schema.mistakes import Mistake, did_you_mean, mistake, shown
from isp_plugin_sdk.values import below


class Shape(Protocol):
    """What a value must be."""

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """What is wrong with a value."""
        ...

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """Text without NUL, within bounds, that matches a pattern."""

    expected: str
    most: int
    least: int = 0
    pattern: str | None = None

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """Whether it is such a text."""
        if not isinstance(value, str) or not self._fits(value):
            yield mistake(path, self.expected, shown(value))

    def _fits(self, value: str) -> bool:
        if "\0" in value or not self.least <= len(value) <= self.most:
            return False
        return self.pattern is None or re.fullmatch(self.pattern, value) is not None

    def schema(self) -> dict[str, Any]:
        """A string."""
        pattern = f"^(?:{self.pattern})$" if self.pattern else "^[^\\u0000]*$"
        return {"type": "string", "minLength": self.least, "maxLength": self.most, "pattern": pattern}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """Whether it is one of the words."""
        if value not in self.words:
            hint = did_you_mean(value, self.words, {word.lower(): word for word in self.words})
            yield mistake(path, "one of " + ", ".join(self.words), shown(value), hint)

    def schema(self) -> dict[str, Any]:
        """An enumeration."""
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """Whether it is a boolean."""
        if not isinstance(value, bool):
            yield mistake(path, "true or false", shown(value))

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds."""

    low: int
    high: int

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """Whether it is such a number; 2.0 is none, as TOML tells integers from floats."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            yield mistake(path, f"a whole number from {self.low:,} to {self.high:,}", shown(value))

    def schema(self) -> dict[str, Any]:
        """An integer."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values of one shape; where `unique` names a member, no two have the same there."""

    item: Shape
    what: str
    most: int
    least: int = 0
    unique: str | None = None

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """What is wrong with the list and with each value in it."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            yield mistake(path, f"a list of {self.least} to {self.most:,} {self.what}", shown(value))
            return
        for index, each in enumerate(value):
            yield from self.item.mistakes(each, below(path, index))
        if self.unique:
            yield from self._repeated(value, path, self.unique)

    def _repeated(self, value: list[Any], path: str, key: str) -> Iterator[Mistake]:
        seen: set[str] = set()
        for index, each in enumerate(value):
            name = each.get(key) if isinstance(each, Mapping) else None
            if isinstance(name, str) and name in seen:
                yield mistake(below(below(path, index), key), f"each {key} once", shown(name))
            seen |= {name} if isinstance(name, str) else set()

    def schema(self) -> dict[str, Any]:
        """An array; that members are unique by one of them cannot be said in JSON Schema."""
        return {
            "type": "array",
            "items": self.item.schema(),
            "minItems": self.least,
            "maxItems": self.most,
        }


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a table, and what it is for."""

    shape: Shape
    doc: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of known keys."""

    fields: Mapping[str, Field]
    required: tuple[str, ...] = ()
    exactly_one: tuple[str, ...] = field(default=())
    """Keys of which there must be one and no more."""

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """What is wrong with the keys and with each value."""
        if not isinstance(value, Mapping):
            yield mistake(path, "a table of " + ", ".join(self.fields), shown(value))
            return
        for key, each in value.items():
            if key in self.fields:
                yield from self.fields[key].shape.mistakes(each, below(path, key))
            else:
                hint = did_you_mean(key, self.fields, {})
                yield mistake(below(path, key), "one of the keys " + ", ".join(self.fields), shown(key), hint)
        for key in self.required:
            if key not in value:
                yield mistake(below(path, key), "a value", "nothing")
        yield from self._one_of_several(value, path)

    def _one_of_several(self, value: Mapping[str, Any], path: str) -> Iterator[Mistake]:
        present = [key for key in self.exactly_one if key in value]
        if self.exactly_one and len(present) != 1:
            where = below(path, present[-1] if present else self.exactly_one[0])
            yield mistake(
                where,
                "exactly one of " + " and ".join(self.exactly_one),
                "both" if present else "none of them",
            )

    def schema(self) -> dict[str, Any]:
        """An object that has no other keys."""
        members = {
            key: {**known.shape.schema(), "description": known.doc} for key, known in self.fields.items()
        }
        whole: dict[str, Any] = {"type": "object", "properties": members, "additionalProperties": False}
        if self.required:
            whole["required"] = list(self.required)
        if self.exactly_one:
            whole["oneOf"] = [{"required": [key]} for key in self.exactly_one]
        return whole
