"""Turns what the validator finds into mistakes for people: where, what was expected, what came; never a secret.

1. A violation in a secret says where and what was expected, and neither the value, nor field names that the schema does not know, nor
   alternatives (`enum`, `const`) of which one is the secret.
2. A violation of the whole configuration never repeats it; other values are shown if they are short and simple.
3. One violation for each unknown key, with the key that may have been meant.
"""

import difflib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema_rs import ValidationError

from isp_plugins.configuration.values import MASK
from isp_plugins.contracts.json_values import dotted, kind_of

LONGEST_SHOWN = 100
"""Longest value repeated in a mistake, in characters of JSON."""

UNKNOWN = frozenset({"additionalProperties", "unevaluatedProperties"})
"""Rules that an unknown key breaks."""
TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a configuration does not fit; `keyword` is JSON Schema's."""

    path: tuple[str | int, ...]
    keyword: str
    message: str
    expected: str
    got: str

    def to_dict(self) -> dict[str, Any]:
        """The violation as errors and the API show it."""
        return {
            "path": dotted(self.path),
            "message": self.message,
            "expected": self.expected,
            "got": self.got,
        }


@dataclass(frozen=True, slots=True)
class Reader:
    """Knows which keys are secret and which exist; makes violations of what the validator found."""

    keys: Collection[str]
    is_secret: Callable[[str], bool]

    def read(self, error: ValidationError) -> Iterator[Violation]:
        """The violations in one error of the validator."""
        path = tuple(error.instance_path)
        secret = bool(path) and self.is_secret(str(path[0]))
        keyword = error.kind.name
        if keyword == "required":
            yield missing((*self._safe(error, secret=secret), error.kind.value))
        elif keyword in UNKNOWN and not secret:
            yield from (self._unknown((*path, name)) for name in error.kind.value)
        else:
            expected = _expected(error, secret=secret)
            got = MASK if secret else _shown(error.instance, whole=not path)
            yield Violation(
                self._safe(error, secret=secret), keyword, f"expected {expected}, got {got}", expected, got
            )

    def _safe(self, error: ValidationError, *, secret: bool) -> tuple[str | int, ...]:
        """The path, cut where a secret's own field names begin that the schema does not know."""
        path = tuple(error.instance_path)
        if not secret:
            return path
        known = {*error.evaluation_path, *error.schema_path}
        end = next(
            (i for i, part in enumerate(path) if i and isinstance(part, str) and part not in known), len(path)
        )
        return path[:end]

    def _unknown(self, path: tuple[str | int, ...]) -> Violation:
        name = str(path[-1])
        close = difflib.get_close_matches(name, self.keys, n=1) if len(path) == 1 else []
        expected = (
            f"one of {', '.join(sorted(self.keys))}"
            if len(path) == 1 and self.keys
            else "only fields that the schema names"
        )
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return Violation(
            path, "additionalProperties", f"the schema does not know this key{hint}", expected, name
        )


def missing(path: tuple[str | int, ...]) -> Violation:
    """A required value that is not there."""
    return Violation(path, "required", "a value is required and there is no default", "a value", "nothing")


def _expected(error: ValidationError, *, secret: bool) -> str:
    """What the broken rule asks for, in words."""
    kind = error.kind
    alternatives = getattr(kind, "context", None)
    if alternatives:
        each = dict.fromkeys(_expected(branch[0], secret=secret) for branch in alternatives if branch)
        return " or ".join(each) or "exactly one of the alternatives to fit"
    if kind.name == "type":
        return " or ".join(TYPE_WORDS.get(name, name) for name in kind.value)
    if kind.name == "enum":
        return "one of the values that the schema names" if secret else f"one of {_json(kind.value)}"
    if kind.name == "const":
        return "the value that the schema names" if secret else _json(kind.value)
    phrase = PHRASES.get(kind.name)
    return phrase.format(kind.value) if phrase else f"what the schema's {kind.name} asks for"


PHRASES = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} fields",
    "maxProperties": "at most {} fields",
    "pattern": "text that matches {}",
    "format": "text of the format {}",
    "uniqueItems": "no item twice",
    "falseSchema": "nothing here",
    "additionalProperties": "only fields that the schema names",
    "unevaluatedProperties": "only fields that the schema names",
}


def _shown(value: Any, *, whole: bool) -> str:
    """The value if it is short and simple, else what kind of value it is."""
    if whole or isinstance(value, dict | list):
        return kind_of(value)
    text = _json(value)
    return text if len(text) <= LONGEST_SHOWN else f"{kind_of(value)} of {len(text)} characters"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
