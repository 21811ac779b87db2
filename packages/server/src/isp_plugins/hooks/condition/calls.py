"""Which functions a condition may call, with how many arguments, and whether as `f(x)`, `x.f()` or both."""

import difflib
from dataclasses import dataclass

from isp_plugins.hooks.condition.lexer import Token
from isp_plugins.hooks.condition.patterns import compile_pattern
from isp_plugins.hooks.condition.problems import Problem
from isp_plugins.hooks.condition.tree import Call, Literal, Matches, Node


@dataclass(frozen=True, slots=True)
class _Form:
    """How a function is written; `arity` counts a receiver."""

    arity: int
    usage: str
    as_function: bool = False
    as_method: bool = False


_FORMS = {
    "size": _Form(1, "size(x) or x.size()", as_function=True, as_method=True),
    "matches": _Form(2, 'x.matches("pattern")', as_function=True, as_method=True),
    "startsWith": _Form(2, 'x.startsWith("prefix")', as_method=True),
    "endsWith": _Form(2, 'x.endsWith("suffix")', as_method=True),
    "contains": _Form(2, 'x.contains("part")', as_method=True),
    "string": _Form(1, "string(x)", as_function=True),
    "int": _Form(1, "int(x)", as_function=True),
    "double": _Form(1, "double(x)", as_function=True),
}
_KNOWN = [*_FORMS, "has", "all", "exists", "exists_one", "map", "filter"]


def call(name: Token, arguments: list[Node], *, receiver: Node | None) -> Node:
    """The node of a call; a `Problem` where the function is not known or is written otherwise."""
    form = _FORMS.get(name.text)
    if form is None:
        close = difflib.get_close_matches(name.text, _KNOWN, n=1)
        hint = f", did you mean {close[0]}?" if close else f"; known are {', '.join(_KNOWN)}"
        raise Problem(name.at, f"{name.text} is not a function of conditions{hint}")
    given = (receiver, *arguments) if receiver is not None else tuple(arguments)
    allowed = form.as_method if receiver is not None else form.as_function
    if not allowed or len(given) != form.arity:
        raise Problem(name.at, f"expected {form.usage}")
    if name.text != "matches":
        return Call(name.at, name.text, given)
    return _matches(name, given[0], given[1])


def _matches(name: Token, subject: Node, pattern: Node) -> Node:
    """`matches` with its pattern checked now."""
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        raise Problem(
            pattern.at, "matches() takes its pattern as a string literal, so that it can be checked now"
        )
    if (mistake := compile_pattern(pattern.value)[1]) is not None:
        raise Problem(pattern.at, mistake)
    return Matches(name.at, subject, pattern.value)
