"""Generates the Python expression of a condition, for the engine to write into a hook's chain.

1. The expression gives True or False, and then that is the condition's value; or it raises, and then `Condition.settle` knows
   better (a failed side of `||` may not matter). So the ordinary case runs as plain Python, without a call.
2. Only what Python does exactly as CEL is inlined: a field by subscript, `==` with a string, an ordering against a number literal
   (guarded: a bool is no number). Everything else calls a function of `values`; a condition with a comprehension or a map literal goes to the exact evaluator whole.
3. It is built from the nodes in `ALLOWED` alone, never from text, and every name in it begins with `_cel_` but the payload's and
   the context's own.
"""

import ast
from collections.abc import Callable
from typing import Any

from isp_plugins.hooks.condition import values
from isp_plugins.hooks.condition.patterns import compile_pattern
from isp_plugins.hooks.condition.tree import (
    Binary,
    Call,
    Comprehension,
    Conditional,
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

ALLOWED = (
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.IfExp, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
    ast.Is, ast.IsNot, ast.In, ast.Call, ast.Constant, ast.Name, ast.Load, ast.Store, ast.NamedExpr, ast.Subscript, ast.List, ast.Tuple,
)  # fmt: skip
PREFIX = "_cel_"
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_cel_truth": values.truth,
    "_cel_not": values.negate,
    "_cel_minus": values.minus,
    "_cel_select": values.select,
    "_cel_has": values.has,
    "_cel_index": values.index,
    "_cel_in": values.among,
    "_cel_eq": values.equal,
    "_cel_ne": values.differ,
    "_cel_lt": values.less,
    "_cel_le": values.less_or_equal,
    "_cel_gt": values.greater,
    "_cel_ge": values.greater_or_equal,
    "_cel_add": values.add,
    "_cel_sub": values.subtract,
    "_cel_mul": values.multiply,
    "_cel_div": values.divide,
    "_cel_mod": values.remainder,
    "_cel_size": values.size,
    "_cel_string": values.to_string,
    "_cel_int": values.to_int,
    "_cel_double": values.to_double,
    "_cel_startsWith": values.starts_with,
    "_cel_endsWith": values.ends_with,
    "_cel_contains": values.contains,
    "_cel_matches": values.matches,
}
_FUNCTION_OF = {
    "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "in": "in", "+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod",
}  # fmt: skip
_ORDER: dict[str, type[ast.cmpop]] = {"<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE}
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_BOOLS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


def gives_bool(node: Node) -> bool:  # noqa: PLR0911  one flat line a node type
    """Whether the node's value, if it has one, is certainly a bool."""
    match node:
        case Logic() | Has() | Matches():
            return True
        case Unary():
            return node.operator == "!"
        case Binary():
            return node.operator in _BOOLS
        case Literal():
            return isinstance(node.value, bool)
        case Call():
            return node.function in {"startsWith", "endsWith", "contains"}
        case Comprehension():
            return node.macro in {"all", "exists", "exists_one"}
        case _:
            return False


def never_bool(node: Node) -> str | None:  # noqa: PLR0911  one flat line a node type
    """What the node's value certainly is, where that is no bool."""
    match node:
        case Literal() if not isinstance(node.value, bool):
            return (
                f"the {values.type_name(node.value)} {node.value!r:.40}" if node.value is not None else "null"
            )
        case ListOf():
            return "a list"
        case MapOf():
            return "a map"
        case Comprehension() if node.macro in {"map", "filter"}:
            return "a list"
        case Call() if node.function in {"size", "string", "int", "double"}:
            return "a string" if node.function == "string" else "a number"
        case Binary() if node.operator in {"+", "-", "*", "/", "%"}:
            return "what arithmetic gives"
        case Unary() if node.operator == "-":
            return "a number"
        case _:
            return None


def needs_exact(node: Node) -> bool:
    """Whether the exact evaluator must run it whole: comprehensions (for their budget) and map literals."""
    return isinstance(node, Comprehension | MapOf) or any(needs_exact(child) for child in children(node))


class Inliner:
    """Builds one condition's expression; `patterns` collects what `helpers` must hold beside `FUNCTIONS`."""

    def __init__(self, payload: str, context: str, tag: str) -> None:
        self.payload = payload
        self.context = context
        self.tag = tag
        self.temporaries = 0
        self.patterns: dict[str, object] = {}

    def condition(self, node: Node) -> ast.expr:
        """An expression that gives True or False or raises."""
        made = self.make(node)
        return made if gives_bool(node) else self.call("truth", made)

    def make(self, node: Node) -> ast.expr:  # noqa: C901, PLR0911, PLR0912  one flat line a node type
        """The expression of any node that does not need the exact evaluator."""
        match node:
            case Literal():
                return _constant(node.value)
            case Variable():
                return self.variable(node.name)
            case Select():
                return _subscript(self.make(node.operand), node.field)
            case Has():
                return self.call("has", self.make(node.operand), ast.Constant(node.field))
            case Index():
                return self.index(node)
            case Unary():
                return self.unary(node)
            case Binary():
                return self.binary(node)
            case Logic():
                joined = ast.And() if node.operator == "&&" else ast.Or()
                return ast.BoolOp(joined, [self.condition(term) for term in node.terms])
            case Conditional():
                return ast.IfExp(self.condition(node.test), self.make(node.then), self.make(node.otherwise))
            case Call():
                return self.call(node.function, *(self.make(argument) for argument in node.arguments))
            case Matches():
                return self.matches(node)
            case ListOf():
                return ast.List([self.make(item) for item in node.items], ast.Load())
            case _:
                raise AssertionError(f"{node} is not inlined")

    def call(self, function: str, *arguments: ast.expr) -> ast.expr:
        """A call of one of `FUNCTIONS`."""
        return ast.Call(_name(PREFIX + function), list(arguments), [])

    def variable(self, name: str) -> ast.expr:
        """The payload, the context, or a field of the payload."""
        if name == "payload":
            return _name(self.payload)
        return _name(self.context) if name == "context" else _subscript(_name(self.payload), name)

    def index(self, node: Index) -> ast.expr:
        """A constant string key is a plain subscript: only a map takes one."""
        if isinstance(node.index, Literal) and isinstance(node.index.value, str):
            return _subscript(self.make(node.operand), node.index.value)
        return self.call("index", self.make(node.operand), self.make(node.index))

    def unary(self, node: Unary) -> ast.expr:
        """`not` where the operand is certainly a bool."""
        operand = self.make(node.operand)
        if node.operator == "-":
            return self.call("minus", operand)
        return ast.UnaryOp(ast.Not(), operand) if gives_bool(node.operand) else self.call("not", operand)

    def binary(self, node: Binary) -> ast.expr:
        """A plain comparison where a literal makes it safe, else a call; a literal on the left changes sides first."""
        operator, left, right = node.operator, node.left, node.right
        if isinstance(left, Literal) and operator in _MIRROR:
            operator, left, right = _MIRROR[operator], right, left
        if isinstance(left, Literal):
            return self.call(_FUNCTION_OF[operator], self.make(left), self.make(right))
        if (
            isinstance(right, Literal)
            and operator in {"==", "!="}
            and (plain := self.same(left, right.value, operator))
        ):
            return plain
        if isinstance(right, Literal) and operator in _ORDER and type(right.value) in {int, float, str}:
            return self.ordered(left, right.value, operator)
        if operator == "in" and (plain := self.member(left, right)):
            return plain
        return self.call(_FUNCTION_OF[operator], self.make(left), self.make(right))

    def same(self, left: Node, value: Any, operator: str) -> ast.expr | None:
        """`==` where Python agrees: identity of null and bools, equality with what no bool equals."""
        if value is None or isinstance(value, bool):
            return ast.Compare(
                self.make(left), [ast.Is() if operator == "==" else ast.IsNot()], [ast.Constant(value)]
            )
        if _equals_a_bool(value):
            return None
        return ast.Compare(
            self.make(left), [ast.Eq() if operator == "==" else ast.NotEq()], [_constant(value)]
        )

    def ordered(self, left: Node, value: Any, operator: str) -> ast.expr:
        """An ordering against a literal: Python refuses every type that CEL refuses, but a bool beside a number."""
        sign = _ORDER[operator]()
        made = self.make(left)
        if isinstance(value, str):
            return ast.Compare(made, [sign], [ast.Constant(value)])
        temporary = f"{PREFIX}{self.temporaries}"
        self.temporaries += 1
        first = ast.NamedExpr(ast.Name(temporary, ast.Store()), made)
        is_number = ast.BoolOp(
            ast.And(),
            [
                ast.Compare(first, [ast.IsNot()], [ast.Constant(value=True)]),
                ast.Compare(_name(temporary), [ast.IsNot()], [ast.Constant(value=False)]),
            ],
        )
        return ast.IfExp(
            is_number,
            ast.Compare(_name(temporary), [sign], [_constant(value)]),
            self.call("lt", _constant(value), _name(temporary)),
        )

    def member(self, left: Node, right: Node) -> ast.expr | None:
        """`x in [literals]` where no literal equals a bool."""
        if not isinstance(right, ListOf) or not right.items:
            return None
        literals = [item.value for item in right.items if isinstance(item, Literal)]
        if len(literals) < len(right.items) or any(
            value is None or isinstance(value, bool) or _equals_a_bool(value) for value in literals
        ):
            return None
        return ast.Compare(
            self.make(left), [ast.In()], [ast.Tuple([_constant(value) for value in literals], ast.Load())]
        )

    def matches(self, node: Matches) -> ast.expr:
        """A call with the compiled pattern, which `helpers` holds under a name of the condition's own."""
        name = f"{PREFIX}{self.tag}_{len(self.patterns)}"
        self.patterns[name] = compile_pattern(node.pattern)[0]
        return self.call("matches", self.make(node.subject), _name(name))


def _equals_a_bool(value: Any) -> bool:
    """Whether Python would call it equal to True or False."""
    return not isinstance(value, str) and value in (0, 1)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _constant(value: Any) -> ast.expr:
    return ast.Constant(value)


def _subscript(value: ast.expr, field: str) -> ast.expr:
    """`value[field]`: of all JSON values only a map takes a string."""
    if isinstance(value, ast.Constant | ast.List):  # Python would warn of the subscript
        return ast.Call(_name(PREFIX + "select"), [value, ast.Constant(field)], [])
    return ast.Subscript(value, ast.Constant(field), ast.Load())


def refuse_foreign(expression: ast.expr, payload: str, context: str) -> None:
    """The last look at what is about to be compiled: nothing but whitelisted nodes and names."""
    for node in ast.walk(expression):
        if not isinstance(node, ALLOWED):
            raise AssertionError(f"{type(node).__name__} is not allowed in a condition")  # noqa: TRY004  our own mistake, not a caller's type
        if isinstance(node, ast.Name) and not (node.id.startswith(PREFIX) or node.id in {payload, context}):
            raise AssertionError(f"the name {node.id} is not allowed in a condition")
