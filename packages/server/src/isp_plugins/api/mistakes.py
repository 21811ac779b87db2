"""What pydantic found wrong with a request, in the words of every other error here: what was expected, and what came.

1. A value that did not fit is shown only where it is a number, a flag or a short text under a name that was expected: what came under an
   unknown name may be a misspelt secret, and an object with a field missing may hold one.
2. No word of the library's own reaches the caller, but for kinds that nothing here can have.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from isp_plugins.contracts.json_values import dotted

_SHOWN = 80
"""How much of a refused text is repeated, in characters."""

_KINDS: Mapping[str, str] = {
    "missing": "a value",
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of at most 64 bits",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "datetime_type": "a moment as in RFC 3339, like 2030-12-31T00:00:00Z",
    "datetime_parsing": "a moment as in RFC 3339, like 2030-12-31T00:00:00Z",
    "datetime_from_date_parsing": "a moment as in RFC 3339, like 2030-12-31T00:00:00Z",
    "timezone_aware": "a moment with its zone, like 2030-12-31T00:00:00Z",
}
"""What was expected where the finding has nothing of its own to say."""

_LIMITS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda it: f"at least {it['ge']}",
    "greater_than": lambda it: f"more than {it['gt']}",
    "less_than_equal": lambda it: f"at most {it['le']}",
    "less_than": lambda it: f"less than {it['lt']}",
    "string_too_short": lambda it: f"at least {_count(it['min_length'], 'character', 'characters')}",
    "string_too_long": lambda it: f"at most {_count(it['max_length'], 'character', 'characters')}",
    "too_short": lambda it: f"at least {_count(it['min_length'], 'entry', 'entries')}",
    "too_long": lambda it: f"at most {_count(it['max_length'], 'entry', 'entries')}",
    "literal_error": lambda it: _one_of(it["expected"]),
    "enum": lambda it: _one_of(it["expected"]),
    "string_pattern_mismatch": lambda it: _pattern_in_words(it["pattern"]),
}
"""What was expected where the finding names a limit or the choices."""

_PATTERNS: Mapping[str, str] = {
    r"^[a-z][a-z0-9_-]{0,63}$": "a lower-case letter followed by at most 63 lower-case letters, digits, _ or -, like my_plugin",
    r"^[a-z][a-z0-9_]{0,63}$": "a lower-case letter followed by at most 63 lower-case letters, digits or _, like api_url",
    r"^[a-z][a-z0-9_]{0,99}$": "a lower-case letter followed by at most 99 lower-case letters, digits or _, like customer_created",
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$": "a module's dotted name, like plugins.my_plugin",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "a class's name, like MyPlugin",
    r"^[A-Za-z][A-Za-z0-9_]*$": "a public method's name, like on_customer_created",
    r"^[ -~]{1,200}$": "1 to 200 printable ASCII characters",
}
"""The patterns of this API, in words."""


def mistake_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """One of pydantic's findings as `{path, message, expected, got}`."""
    where, *rest = found["loc"]
    path = dotted(rest) if where == "body" else dotted((where, *rest))
    kind = found["type"]
    if kind == "extra_forbidden":
        return {"path": path, "message": "there is no such field", "expected": "a field that is known"}
    expected = _expected(found)
    mistake: dict[str, Any] = {"path": path, "message": f"expected {expected}", "expected": expected}
    if kind == "missing":
        mistake["message"] = "is missing"
        return mistake
    value = found.get("input")
    if (shown := _shown(value)) is not None:
        mistake["got"] = shown
    if ", got " not in expected:
        mistake["message"] += f", got {_in_words(value)}"
    return mistake


def _expected(found: Mapping[str, Any]) -> str:
    """What was expected; a check of our own says so itself, and a kind that is not known here has the library's sentence."""
    kind, context = found["type"], found.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in _LIMITS:
        return _LIMITS[kind](context)
    text = str(context.get("error", found["msg"]))
    return (text[:1].lower() + text[1:]).removeprefix("expected ").rstrip(".")


def _pattern_in_words(pattern: str) -> str:
    """What a pattern asks for."""
    if fields := re.fullmatch(r"\^-\?\(([a-z_|]+)\)\$", pattern):
        return f"one of {fields[1].replace('|', ', ')}, with - before it for descending"
    return _PATTERNS.get(pattern, f"a text that matches {pattern}")


def _one_of(choices: str) -> str:
    """Pydantic's list of choices, without its quotes."""
    names = choices.replace("'", "")
    return f"one of {names.replace(' or ', ', ')}" if " or " in names else names


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _shown(value: Any) -> Any:
    """A value that may be repeated, or what kind it is."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "..."
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else None


def _in_words(value: Any) -> str:
    """What came, as JSON writes it, or what kind it is."""
    shown = _shown(value)
    if isinstance(value, (dict, list)):
        return str(shown)
    return "something else" if shown is None and value is not None else json.dumps(shown, ensure_ascii=False)
