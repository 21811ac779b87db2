"""Conditions: a subset of CEL (Common Expression Language) that says for which payloads a subscription runs.

1. `compile_condition` refuses what is not such an expression, with line, column and what was expected.
2. Variables are the payload's top-level fields; `payload` is the whole payload (for a filter: the value), `context` the caller's.
3. A condition has a value, True or False, or it failed for this payload (`ConditionFailedError`), which counts as false.
4. `docs/conditions.md` describes the language and where it differs from the standard.

Rooms: `lexer` and `parser` make a `tree`; `values` is what operators mean; `inline` writes the tree as a Python expression for the
ordinary case; `exact` evaluates it with CEL's rules for failures, when the ordinary case raised or there is a comprehension.
"""

import ast
import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

from isp_plugins.hooks.condition.exact import Frame, evaluator
from isp_plugins.hooks.condition.inline import (
    FUNCTIONS,
    PREFIX,
    Inliner,
    needs_exact,
    never_bool,
    refuse_foreign,
)
from isp_plugins.hooks.condition.parser import parse
from isp_plugins.hooks.condition.problems import ConditionFailedError, Problem, position
from isp_plugins.hooks.condition.tree import Node, Variable, children
from isp_plugins.hooks.condition.values import truth
from isp_plugins.hooks.errors import ConditionInvalidError

__all__ = ["Condition", "ConditionFailedError", "compile_condition"]


class Condition:
    """One compiled condition; it holds no state and may be used from any thread.

    In a generated chain: `try: met = <inline(...)>`, `except Exception: met = settle(payload, context)`, with `helpers` among the
    chain's globals; names in them begin with `_cel_` and may be shared between conditions.
    """

    def __init__(self, source: str, tree: Node) -> None:
        self.source = source
        self.names = frozenset(_names(tree))
        """The variables it reads."""
        self._tree = tree
        self._tag = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._exact = evaluator(tree)
        self._whole = needs_exact(tree)
        self.helpers: dict[str, object] = dict(FUNCTIONS)
        """What the expression's names stand for: the globals it needs."""
        inliner = Inliner("payload", "context", self._tag)
        if self._whole:
            self.helpers[self._own_name] = self.settle
        else:
            inliner.condition(tree)
            self.helpers |= inliner.patterns
        self._ordinary = self._compile()

    @property
    def expression(self) -> ast.expr:
        """The expression over the locals `payload` and `context`."""
        return self.inline("payload", "context")

    def inline(self, payload: str, context: str) -> ast.expr:
        """A fresh expression over the two locals named: True or False, or it raises, and then `settle` has the last word."""
        if self._whole:
            arguments: list[ast.expr] = [ast.Name(payload, ast.Load()), ast.Name(context, ast.Load())]
            made: ast.expr = ast.Call(ast.Name(self._own_name, ast.Load()), arguments, [])
        else:
            made = Inliner(payload, context, self._tag).condition(self._tree)
        refuse_foreign(made, payload, context)
        return ast.fix_missing_locations(made)

    def evaluate(self, payload: Any, context: Mapping[str, Any] | None = None) -> bool:
        """The condition's value for a payload; `ConditionFailedError` where it has none, which counts as false."""
        context = context if context is not None else {}
        if self._whole:
            return self.settle(payload, context)
        try:
            return self._ordinary(payload, context)
        except Exception:
            return self.settle(payload, context)

    def settle(self, payload: Any, context: Any) -> bool:
        """The exact value, after the inlined expression raised; `ConditionFailedError` where there is none."""
        try:
            return truth(self._exact(Frame(payload, context)))
        except ConditionFailedError:
            raise
        except Exception as error:  # a payload that is no JSON value, or nested beyond Python's stack
            raise ConditionFailedError(f"the payload could not be read: {type(error).__name__}") from error

    @property
    def _own_name(self) -> str:
        return f"{PREFIX}{self._tag}"

    def _compile(self) -> Callable[[Any, Any], bool]:
        """The inlined expression as a function of its own."""
        parameters = ast.arguments([], [ast.arg("payload"), ast.arg("context")], None, [], [], None, [])
        whole = ast.fix_missing_locations(ast.Expression(ast.Lambda(parameters, self.expression)))
        code = compile(whole, "<condition>", "eval")
        made = eval(code, {"__builtins__": {}, **self.helpers})  # noqa: S307  built from whitelisted nodes, never from text
        return cast("Callable[[Any, Any], bool]", made)


@lru_cache(maxsize=1024)
def compile_condition(source: str) -> Condition:
    """Compile a condition, once however often it is asked for; `ConditionInvalidError` with the position of what is wrong."""
    try:
        return Condition(source, _parse_condition(source))
    except Problem as problem:
        line, column = position(source, problem.at)
        mistake = {"path": "conditions", "message": problem.sentence, "line": line, "column": column}
        raise ConditionInvalidError(
            source=source, line=line, column=column, problem=problem.sentence, mistakes=[mistake]
        ) from None


def _parse_condition(source: str) -> Node:
    """The tree; what can never be true or false is refused here already."""
    tree = parse(source)
    if (other := never_bool(tree)) is not None:
        raise Problem(tree.at, f"expected a condition that is true or false, this is always {other}")
    return tree


def _names(node: Node) -> set[str]:
    """The variables in a tree."""
    mine = {node.name} if isinstance(node, Variable) else set()
    return mine.union(*(_names(child) for child in children(node)))
