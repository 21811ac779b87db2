"""The syntax tree of a condition: what the parser makes, and what both evaluators read; `at` is an offset into the source."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of an expression."""

    at: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A null, bool, int, double or string."""

    value: Any


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """A top-level field of the payload, or `payload`, or `context`."""

    name: str


@dataclass(frozen=True, slots=True)
class Element(Node):
    """A comprehension's own variable; `depth` counts the comprehensions around it, from 0."""

    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`operand.field`."""

    operand: Node
    field: str


@dataclass(frozen=True, slots=True)
class Has(Node):
    """`has(operand.field)`."""

    operand: Node
    field: str


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`operand[index]`."""

    operand: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`!operand` or `-operand`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """A relation, `in`, or arithmetic."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """`a && b && c` or `a || b || c`, flattened: long ones are wide, not deep."""

    operator: str
    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`test ? then : otherwise`."""

    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function; a method's receiver is its first argument."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Matches(Node):
    """`subject.matches("pattern")`; the pattern is a literal, so that it is checked and compiled once."""

    subject: Node
    pattern: str


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf(Node):
    """`{"a": b}`."""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Comprehension(Node):
    """`over.macro(variable, body)`; `where` is the test of the three-argument `map`."""

    macro: str
    over: Node
    depth: int
    body: Node
    where: Node | None = None


def children(node: Node) -> tuple[Node, ...]:  # noqa: C901, PLR0911  one flat line a node type
    """The parts directly below a node."""
    match node:
        case Select() | Has() | Unary():
            return (node.operand,)
        case Index():
            return (node.operand, node.index)
        case Binary():
            return (node.left, node.right)
        case Logic():
            return node.terms
        case Conditional():
            return (node.test, node.then, node.otherwise)
        case Call():
            return node.arguments
        case Matches():
            return (node.subject,)
        case ListOf():
            return node.items
        case MapOf():
            return tuple(part for entry in node.entries for part in entry)
        case Comprehension():
            return (node.over, node.body) if node.where is None else (node.over, node.where, node.body)
        case _:
            return ()
