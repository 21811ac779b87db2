"""Writes a condition's tree as text again, with no more parentheses than it needs."""

import json
from collections.abc import Iterator

from isp_plugins.hooks.condition.tree import (
    Binary,
    Call,
    Comprehension,
    Conditional,
    Element,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Matches,
    Node,
    Select,
    Unary,
    Variable,
    children,
)

_LOGIC = {"||": 2, "&&": 3}
_POWERS = {
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 4),
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
_UNARY, _MEMBER = 7, 8
_METHODS = frozenset({"startsWith", "endsWith", "contains"})


def spelled(node: Node, power: int = 0) -> str:
    """The text of a node, in parentheses where it binds less tightly than `power`."""
    text, mine = _text(node)
    return f"({text})" if mine < power else text


def _text(node: Node) -> tuple[str, int]:  # noqa: C901, PLR0911, PLR0912  one flat line a node type
    """The text, and how tightly it binds."""
    match node:
        case Literal():
            return json.dumps(node.value, ensure_ascii=False), _MEMBER
        case Variable() | Element():
            return node.name, _MEMBER
        case Select():
            return f"{spelled(node.operand, _MEMBER)}.{node.field}", _MEMBER
        case Has():
            return f"has({spelled(node.operand, _MEMBER)}.{node.field})", _MEMBER
        case Index():
            return f"{spelled(node.operand, _MEMBER)}[{spelled(node.index)}]", _MEMBER
        case Unary():
            return f"{node.operator}{spelled(node.operand, _UNARY)}", _UNARY
        case Binary():
            power = _POWERS[node.operator]
            return f"{spelled(node.left, power)} {node.operator} {spelled(node.right, power + 1)}", power
        case Logic():
            power = _LOGIC[node.operator]
            return f" {node.operator} ".join(spelled(term, power + 1) for term in node.terms), power
        case Conditional():
            return f"{spelled(node.test, 2)} ? {spelled(node.then, 2)} : {spelled(node.otherwise, 1)}", 1
        case Call() if node.function in _METHODS:
            return (
                f"{spelled(node.arguments[0], _MEMBER)}.{node.function}({spelled(node.arguments[1])})",
                _MEMBER,
            )
        case Call():
            return f"{node.function}({', '.join(map(spelled, node.arguments))})", _MEMBER
        case Matches():
            return (
                f"{spelled(node.subject, _MEMBER)}.matches({json.dumps(node.pattern, ensure_ascii=False)})",
                _MEMBER,
            )
        case ListOf():
            return f"[{', '.join(map(spelled, node.items))}]", _MEMBER
        case MapOf():
            return "{" + ", ".join(
                f"{spelled(key)}: {spelled(value)}" for key, value in node.entries
            ) + "}", _MEMBER
        case Comprehension():
            where = f"{spelled(node.where)}, " if node.where is not None else ""
            return (
                f"{spelled(node.over, _MEMBER)}.{node.macro}({_element_of(node)}, {where}{spelled(node.body)})",
                _MEMBER,
            )
        case _:
            return type(node).__name__, _MEMBER


def _element_of(node: Comprehension) -> str:
    """The name of a comprehension's variable, which only its uses remember."""
    return next(
        (
            one.name
            for part in (node.body, node.where)
            if part is not None
            for one in walk(part)
            if isinstance(one, Element) and one.depth == node.depth
        ),
        "_",
    )


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it, in the order in which it is written."""
    yield node
    for child in children(node):
        yield from walk(child)
