"""Evaluates a tree exactly, errors of `&&` and `||` included: closures over a frame, every step counted against a budget.

1. `&&` and `||` do not care for order: one false (true) side decides, even beside a side that failed; otherwise a failure is the result.
2. `all` and `exists` are `&&` and `||` over the elements; `exists_one`, `map` and `filter` fail where one element does.
3. One evaluation spends at most 50,000 steps: elements visited (more for a long body) or compared, and long strings by their
   length. When they are spent the condition has failed, whatever stands beside it.
"""

from collections.abc import Callable, Iterable
from typing import Any

from isp_plugins.hooks.condition import values
from isp_plugins.hooks.condition.patterns import compile_pattern
from isp_plugins.hooks.condition.problems import ConditionFailedError
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

BUDGET = 50_000
"""Steps of one evaluation."""


class BudgetSpentError(ConditionFailedError):
    """The evaluation would take too long; no `||` saves it."""


class Frame:
    """What one evaluation reads: the payload, the context, the comprehensions' elements; and what is left of its budget."""

    __slots__ = ("context", "elements", "left", "payload")

    def __init__(self, payload: Any, context: Any) -> None:
        self.payload = payload
        self.context = context
        self.elements: list[Any] = [None, None, None]
        self.left = BUDGET

    def spend(self, steps: int) -> None:
        """Take steps from the budget."""
        self.left -= steps
        if self.left < 0:
            raise BudgetSpentError(f"the condition takes more than {BUDGET:,} steps with this payload")


Evaluator = Callable[[Frame], Any]
_SPENDING: dict[str, Callable[..., Any]] = {
    "==": values.equal,
    "!=": values.differ,
    "<": values.less,
    "<=": values.less_or_equal,
    ">": values.greater,
    ">=": values.greater_or_equal,
    "+": values.add,
    "in": values.among,
}
_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.remainder,
}
_ONE: dict[str, Callable[[Any], Any]] = {
    "size": values.size,
    "string": values.to_string,
    "int": values.to_int,
    "double": values.to_double,
}
_TWO = {"startsWith": values.starts_with, "endsWith": values.ends_with, "contains": values.contains}


def evaluator(node: Node) -> Evaluator:
    """A function that gives the tree's value over a frame, or raises `ConditionFailedError`."""
    build = _BUILDERS[type(node)]
    return build(node)


def _literal(node: Literal) -> Evaluator:
    value = node.value
    return lambda _: value


def _variable(node: Variable) -> Evaluator:
    name = node.name
    if name == "payload":
        return lambda frame: frame.payload
    if name == "context":
        return lambda frame: frame.context
    return lambda frame: values.select(frame.payload, name)


def _element(node: Element) -> Evaluator:
    depth = node.depth
    return lambda frame: frame.elements[depth]


def _select(node: Select) -> Evaluator:
    operand, field = evaluator(node.operand), node.field
    return lambda frame: values.select(operand(frame), field)


def _has(node: Has) -> Evaluator:
    operand, field = evaluator(node.operand), node.field
    return lambda frame: values.has(operand(frame), field)


def _index(node: Index) -> Evaluator:
    operand, key = evaluator(node.operand), evaluator(node.index)
    return lambda frame: values.index(operand(frame), key(frame))


def _unary(node: Unary) -> Evaluator:
    operand = evaluator(node.operand)
    apply = values.negate if node.operator == "!" else values.minus
    return lambda frame: apply(operand(frame))


def _binary(node: Binary) -> Evaluator:
    left, right = evaluator(node.left), evaluator(node.right)
    if spending := _SPENDING.get(node.operator):
        return lambda frame: spending(left(frame), right(frame), frame)
    plain = _PLAIN[node.operator]
    return lambda frame: plain(left(frame), right(frame))


def _logic(node: Logic) -> Evaluator:
    terms = [(evaluator(term),) for term in node.terms]
    decisive = node.operator == "||"
    return lambda frame: _decide(lambda term: term(frame), terms, decisive=decisive)


def _decide(test: Callable[..., Any], cases: Iterable[tuple[Any, ...]], *, decisive: bool) -> bool:
    """`||` where True decides, `&&` where False does; the first failure is the result where nothing decides."""
    failure: ConditionFailedError | None = None
    for case in cases:
        try:
            if values.truth(test(*case)) is decisive:
                return decisive
        except BudgetSpentError:
            raise
        except ConditionFailedError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return not decisive


def _conditional(node: Conditional) -> Evaluator:
    test, then, otherwise = evaluator(node.test), evaluator(node.then), evaluator(node.otherwise)
    return lambda frame: then(frame) if values.truth(test(frame)) else otherwise(frame)


def _call(node: Call) -> Evaluator:
    first = evaluator(node.arguments[0])
    if one := _ONE.get(node.function):
        return lambda frame: one(first(frame))
    two, second = _TWO[node.function], evaluator(node.arguments[1])
    return lambda frame: two(first(frame), second(frame), frame)


def _matches(node: Matches) -> Evaluator:
    subject, (test, _) = evaluator(node.subject), compile_pattern(node.pattern)
    return lambda frame: values.matches(subject(frame), test, frame)


def _list(node: ListOf) -> Evaluator:
    items = [evaluator(item) for item in node.items]
    return lambda frame: [item(frame) for item in items]


def _map(node: MapOf) -> Evaluator:
    entries = [(evaluator(key), evaluator(value)) for key, value in node.entries]

    def build(frame: Frame) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key, value in entries:
            name = key(frame)
            if not isinstance(name, str):
                values.fail(f"a map's key is a string, got {values.type_name(name)}")
            if name in built:
                values.fail(f"the map has the key {name!r:.80} twice")
            built[name] = value(frame)
        return built

    return build


def _comprehension(node: Comprehension) -> Evaluator:
    macro = node.macro
    over, body = evaluator(node.over), _each(node.body, node.depth)
    where = _each(node.where, node.depth) if node.where is not None else None

    def elements(frame: Frame) -> Iterable[Any]:
        group = over(frame)
        if not isinstance(group, list | tuple | dict):
            values.no_overload(f"{macro}()", group)
        return group

    def quantify(frame: Frame) -> bool:
        return _decide(body, ((element, frame) for element in elements(frame)), decisive=macro == "exists")

    def exists_one(frame: Frame) -> bool:
        return sum(values.truth(body(element, frame)) for element in elements(frame)) == 1

    def filtered(frame: Frame) -> list[Any]:
        return [element for element in elements(frame) if values.truth(body(element, frame))]

    def mapped(frame: Frame) -> list[Any]:
        return [
            body(one, frame) for one in elements(frame) if where is None or values.truth(where(one, frame))
        ]

    built = {"all": quantify, "exists": quantify, "exists_one": exists_one, "filter": filtered, "map": mapped}
    return built[macro]


def _each(node: Node, depth: int) -> Callable[[Any, Frame], Any]:
    """A body over one element, paid for by its length."""
    body, cost = evaluator(node), 1 + _count(node) // 4

    def each(element: Any, frame: Frame) -> Any:
        frame.spend(cost)
        frame.elements[depth] = element
        return body(frame)

    return each


def _count(node: Node) -> int:
    """How many nodes a tree has."""
    return 1 + sum(_count(child) for child in children(node))


_BUILDERS: dict[type[Node], Callable[[Any], Evaluator]] = {
    Literal: _literal,
    Variable: _variable,
    Element: _element,
    Select: _select,
    Has: _has,
    Index: _index,
    Unary: _unary,
    Binary: _binary,
    Logic: _logic,
    Conditional: _conditional,
    Call: _call,
    Matches: _matches,
    ListOf: _list,
    MapOf: _map,
    Comprehension: _comprehension,
}
