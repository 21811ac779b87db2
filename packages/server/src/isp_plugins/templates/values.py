"""The values of a template's variables: what was given, completed with defaults, every mistake told at once.

1. A value is one line of printable text.
2. It fits the variable's kind and pattern; a default must fit too, since it may be made of values that were given.
3. A default is computed from the values before it; where one of those is wrong, it is left alone.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from isp_plugins.templates.definition import Variable, VariableKind
from isp_plugins.templates.limits import MAX_VALUE_CHARACTERS
from isp_plugins.templates.naming import class_problem, package_problem

Evaluate = Callable[[str, Mapping[str, str]], str]
"""Renders a default over the values so far; raises `ValueError` with what is wrong."""
_UNPRINTABLE = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional controls: they let code read otherwise than it runs."""

_KINDS: Mapping[VariableKind, Callable[[str], str | None]] = {
    VariableKind.TEXT: lambda _: None,
    VariableKind.PACKAGE: package_problem,
    VariableKind.CLASS: class_problem,
}


def resolve(
    variables: Iterable[Variable], given: Mapping[str, Any], evaluate: Evaluate
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The complete values, and everything that is wrong; with mistakes the values are not to be used."""
    variables = list(variables)
    mistakes = _unknown(variables, given)
    values: dict[str, str] = {}
    for variable in variables:
        try:
            value = _value_of(variable, given, values, evaluate, are_sound=not mistakes)
        except ValueError as error:
            mistakes.append(_mistake(variable, str(error), given.get(variable.name)))
            continue
        if value is not None:
            values[variable.name] = value
    return values, mistakes


def problem_of(variable: Variable, value: Any) -> str | None:
    """What is wrong with a value, or None."""
    if not isinstance(value, str):
        return f"expected text, got {type(value).__name__}"
    if len(value) > MAX_VALUE_CHARACTERS:
        return f"expected at most {MAX_VALUE_CHARACTERS} characters, got {len(value)}"
    if any(unicodedata.category(each) in _UNPRINTABLE or each in _DIRECTIONS for each in value):
        return "expected one line of text without control characters"
    if problem := _KINDS[variable.kind](value):
        return problem
    if variable.pattern is not None and not re.fullmatch(variable.pattern, value):
        told = f" ({variable.description})" if variable.description else ""
        return f"expected something that matches {variable.pattern}{told}"
    return None


def _value_of(
    variable: Variable,
    given: Mapping[str, Any],
    values: Mapping[str, str],
    evaluate: Evaluate,
    *,
    are_sound: bool,
) -> str | None:
    """One variable's value; None where its default cannot be computed because of mistakes before it."""
    if variable.name in given:
        value = given[variable.name]
        if problem := problem_of(variable, value):
            raise ValueError(problem)
        return str(value)
    if variable.default is None:
        raise ValueError("is missing, and has no default")
    if not are_sound:
        return None
    value = evaluate(variable.default, values)
    if problem := problem_of(variable, value):
        raise ValueError(f"give a value, since its default {value!r} cannot be used: {problem}")
    return value


def _unknown(variables: list[Variable], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [variable.name for variable in variables]
    return [_unknown_mistake(name, names) for name in given if name not in names]


def _unknown_mistake(name: str, names: list[str]) -> dict[str, Any]:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f", did you mean {close[0]!r}?" if close else f"; it has {', '.join(names) or 'none'}"
    return {"path": f"variables.{name}", "message": f"the template has no such variable{hint}"}


def _mistake(variable: Variable, problem: str, got: Any) -> dict[str, Any]:
    mistake = {"path": f"variables.{variable.name}", "message": problem}
    return mistake | ({"got": got} if isinstance(got, str) else {})
