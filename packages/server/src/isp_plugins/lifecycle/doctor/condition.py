"""Explains what a condition made of a payload: its value, the values it saw, and which part of it decided.

1. The parts are those of `&&`, `||`, `!` and `?:`; a relation, a function and a comprehension are looked at as a whole.
2. Of a false `&&` every false part decided; of a false `||` every part did; of a failed one the parts that failed.
3. Every part is evaluated by the same exact evaluator as in a dispatch, so that the explanation is what a dispatch does.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugins.hooks.condition.exact import Frame, evaluator
from isp_plugins.hooks.condition.parser import parse
from isp_plugins.hooks.condition.problems import ConditionFailedError
from isp_plugins.hooks.condition.tree import (
    Comprehension,
    Conditional,
    Element,
    Has,
    Index,
    Literal,
    Logic,
    Node,
    Select,
    Unary,
    Variable,
    children,
)
from isp_plugins.hooks.condition.values import type_name
from isp_plugins.lifecycle.doctor.spelling import spelled, walk

MOST_SHOWN = 80
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One part of a condition with what it came to."""

    text: str
    value: Any = None
    failure: str | None = None
    """Why it has no value for this payload."""

    def __str__(self) -> str:
        return (
            f"{self.text} failed ({self.failure})"
            if self.failure is not None
            else f"{self.text} = {shown(self.value)}"
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a condition made of a payload."""

    met: bool | None
    """None: it failed, which counts as false."""
    failure: str | None
    values: tuple[Seen, ...]
    """Every variable that it read, once."""
    comparisons: tuple[Seen, ...]
    """Every part that is true or false by itself."""
    decisive: tuple[Seen, ...]
    """The parts that made it what it is."""

    def __str__(self) -> str:
        decisive = "; ".join(_verdict(one) for one in self.decisive)
        others = "; ".join(_verdict(one) for one in self.comparisons if one not in self.decisive)
        seen = ", ".join(str(one) for one in self.values)
        failure = f"; {self.failure}" if self.failure and self.failure not in decisive else ""
        return decisive + failure + (f" ({others})" if others else "") + (f"; it saw {seen}" if seen else "")


def explain(source: str, payload: Any, context: Mapping[str, Any] | None = None) -> Explanation:
    """Evaluate a condition that compiles, and every part of it."""
    reader = _Reader(payload, dict(context or {}))
    tree = parse(source)
    whole = reader.look(tree)
    failure = whole.failure or (
        None if isinstance(whole.value, bool) else f"expected a bool, got {type_name(whole.value)}"
    )
    return Explanation(
        met=None if failure is not None else whole.value,
        failure=failure,
        values=_once(reader.look(node) for node in _variables(tree)),
        comparisons=tuple(reader.look(node) for node in _parts(tree)),
        decisive=tuple(reader.look(node) for node in reader.decisive(tree)),
    )


def _once(seen: Iterable[Seen]) -> tuple[Seen, ...]:
    return tuple({one.text: one for one in seen}.values())


class _Reader:
    """Evaluates nodes over one payload."""

    def __init__(self, payload: Any, context: Mapping[str, Any]) -> None:
        self._payload = payload
        self._context = context

    def look(self, node: Node) -> Seen:
        """What a node comes to."""
        try:
            value = evaluator(node)(Frame(self._payload, self._context))
        except ConditionFailedError as error:
            return Seen(spelled(node), failure=str(error))
        except Exception as error:  # as in a dispatch: a payload that cannot be read
            return Seen(spelled(node), failure=f"the payload could not be read: {type(error).__name__}")
        return Seen(spelled(node), value)

    def decisive(self, node: Node) -> Iterator[Node]:
        """The parts that made the node what it is."""
        outcome = self._outcome(node)
        match node:
            case Logic():
                same = [term for term in node.terms if self._outcome(term) == outcome]
                for term in same or node.terms:
                    yield from self.decisive(term)
            case Unary(operator="!"):
                yield from self.decisive(node.operand)
            case Conditional():
                test = self._outcome(node.test)
                yield from self.decisive(node.test)
                if test is not None:
                    yield from self.decisive(node.then if test else node.otherwise)
            case _:
                yield node

    def _outcome(self, node: Node) -> bool | None:
        seen = self.look(node)
        return seen.value if seen.failure is None and isinstance(seen.value, bool) else None


def _parts(node: Node) -> Iterator[Node]:
    """The parts that are true or false by themselves."""
    match node:
        case Logic():
            for term in node.terms:
                yield from _parts(term)
        case Unary(operator="!"):
            yield from _parts(node.operand)
        case Conditional():
            for part in (node.test, node.then, node.otherwise):
                yield from _parts(part)
        case _:
            yield node


def _variables(node: Node) -> Iterator[Node]:
    """The longest paths from a variable, as `plan.speed`; what depends on a comprehension's element has no value of its own."""
    if _is_path(node):
        yield node
        yield from (found for key in _keys(node) for found in _variables(key))
        return
    if isinstance(node, Has):
        if not (isinstance(node.operand, Variable) and node.operand.name in {"payload", "context"}):
            yield from _variables(node.operand)
        return
    for child in (node.over,) if isinstance(node, Comprehension) else children(node):
        yield from _variables(child)


def _is_path(node: Node) -> bool:
    match node:
        case Variable():
            return True
        case Select():
            return _is_path(node.operand)
        case Index():
            return _is_path(node.operand) and not any(isinstance(one, Element) for one in walk(node.index))
        case _:
            return False


def _keys(node: Node) -> Iterator[Node]:
    """The indices along a path that are no literals."""
    while isinstance(node, Select | Index):
        if isinstance(node, Index) and not isinstance(node.index, Literal):
            yield node.index
        node = node.operand


def _verdict(seen: Seen) -> str:
    if seen.failure is not None:
        return f"{seen.text} failed: {seen.failure}"
    return f"{seen.text} is {'true' if seen.value is True else 'false' if seen.value is False else shown(seen.value)}"


def shown(value: Any) -> str:
    """A value as JSON, cut."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=lambda other: f"<{type(other).__name__}>")
    except (ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
