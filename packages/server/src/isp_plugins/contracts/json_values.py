"""What counts as a JSON value that both databases keep and give back unchanged; configuration and storage hold to it.

1. Text without NUL (PostgreSQL keeps none) and without lone surrogates (they have no UTF-8 form).
2. Whole numbers of 64 bits, finite fractions, true, false, null.
3. Lists (a tuple counts as one) and objects whose keys are text, nested at most `MAX_NESTING` deep.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

MAX_NESTING = 64
LOWEST, HIGHEST = -(2**63), 2**63 - 1

TYPE_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class JsonProblem:
    """Where a value stops being JSON, and why; the value itself is not repeated, it may be a secret."""

    path: tuple[str | int, ...]
    message: str


def first_problem(value: Any) -> JsonProblem | None:
    """The first thing in the value that is not JSON, or None; a cycle shows as too deep."""
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while todo:
        path, item = todo.pop()
        problem = _problem_of(item)
        if problem is None and len(path) > MAX_NESTING:
            problem = f"expected at most {MAX_NESTING} levels of nesting"
        if problem is not None:
            return JsonProblem(path, problem)
        todo.extend(((*path, name), child) for name, child in _children(item))
    return None


def encoded(value: Any) -> bytes:
    """The JSON of a value without `first_problem`, the same bytes for equal values."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def kind_of(value: Any) -> str:
    """What a value is, in words, without the value."""
    if value is None:
        return "null"
    return next(
        (name for kind, name in TYPE_NAMES.items() if isinstance(value, kind)), f"a {type(value).__name__}"
    )


def dotted(path: Iterable[str | int]) -> str:
    """A path as mistakes give it: `smtp.hosts.0.port`; empty for the whole value."""
    return ".".join(str(part) for part in path)


def _children(item: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(item, dict):
        yield from item.items()
    elif isinstance(item, list | tuple):
        yield from enumerate(item)


def _problem_of(item: Any) -> str | None:
    """What is wrong with this item alone, its children apart."""
    if item is None or isinstance(item, bool | list | tuple):
        return None
    if isinstance(item, str):
        return _problem_of_text(item)
    if isinstance(item, int):
        return None if LOWEST <= item <= HIGHEST else "expected a whole number of at most 64 bits"
    if isinstance(item, float):
        # NaN compares with nothing, so this refuses it together with the infinities.
        return None if float("-inf") < item < float("inf") else "expected a finite number"
    if isinstance(item, dict):
        return next((problem for key in item if (problem := _problem_of_key(key))), None)
    return f"expected a JSON value (text, number, true, false, null, list or object), got a {type(item).__name__}"


def _problem_of_key(key: Any) -> str | None:
    return (
        _problem_of_text(key)
        if isinstance(key, str)
        else f"expected text as the key of an object, got {kind_of(key)}"
    )


def _problem_of_text(text: str) -> str | None:
    if "\x00" in text:
        return "expected text without the NUL character"
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "expected text without lone surrogates"
    return None
