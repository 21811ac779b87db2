"""Writes the code of a hook's chain: one function with every subscription unrolled, as an `ast` tree, never from text.

1. Each call site calls one function for ever, so that the interpreter specialises it; callables live in the function's globals.
2. Each subscription has its own `try`; nothing of an ordinary turn is counted, timed or written down.
3. Each subscription has a line number of its own, by which `calls.position` knows where a chain stands.
4. Four ways to run a chain: inline or awaited, each untimed or timed; and a leg of it in a thread, which keeps its results one by one.
5. The only expressions that come from outside are conditions, which their compiler has built from whitelisted nodes.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from isp_plugins.contracts.calls import CallMode
from isp_plugins.hooks.calls import LINE_OF_FIRST_LINK
from isp_plugins.hooks.condition import Condition

_Node = TypeVar("_Node", ast.stmt, ast.ExceptHandler)
ENTRY = "chain"
"""The name of every generated function."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the code of one subscription depends on; `constant` names the global of one that never runs."""

    index: int
    mode: CallMode
    condition: Condition | None = None
    constant: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What the code of a chain depends on."""

    steps: Sequence[Step]
    is_filter: bool
    restores: bool
    """Whether the hook has fields that a filter may not change."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a chain is to be run."""

    awaited: bool = False
    timed: bool = False
    leg: bool = False
    """In a thread, on behalf of an awaited chain."""
    whole: bool = False
    """The function is all there is of an awaited dispatch: nothing surrounds the coroutine that the caller awaits."""


def write(shape: Shape, way: Way) -> ast.Module:
    """The module of one function `chain(call, payload)`; of a filter's leg `chain(call, value, frozen)`."""
    return _Writer(shape, way).module()


def runs(steps: Sequence[Step]) -> Iterator[tuple[bool, Sequence[Step]]]:
    """The steps cut into stretches: `(True, ...)` for consecutive ones that share a hop into a thread, else single ones."""
    at = 0
    while at < len(steps):
        end = at
        while end < len(steps) and (steps[end].constant or steps[end].mode is CallMode.THREAD):
            end += 1
        while end > at and steps[end - 1].constant:
            end -= 1
        if end > at and not steps[at].constant:
            yield True, steps[at:end]
            at = end
        else:
            yield False, steps[at : at + 1]
            at += 1


class _Writer:
    """Collects the statements of one function."""

    def __init__(self, shape: Shape, way: Way) -> None:
        self.shape = shape
        self.way = way
        self.payload = "value" if shape.is_filter else "payload"

    def module(self) -> ast.Module:
        """The function in its module, every node with its line."""
        last = len(self.shape.steps) and self.shape.steps[-1].index + 1
        body = _at_line(1, self.before())
        for hops, steps in self.stretches():
            body += _at_line(steps[0].index + LINE_OF_FIRST_LINK, self.stretch(steps, hops=hops))
        body += _at_line(last + LINE_OF_FIRST_LINK, self.after())
        if self.way.whole:
            body = _at_line(1, self.surrounded(body), deep=False)
        kind = ast.AsyncFunctionDef if self.way.awaited else ast.FunctionDef
        names = ["call", "value", "frozen"] if self.way.leg and self.shape.is_filter else ["call", "payload"]
        parameters = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
        function = kind(name=ENTRY, args=parameters, body=body, decorator_list=[])
        return ast.Module(_at_line(1, [function], deep=False), [])

    def surrounded(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """A whole dispatch: in the ticker's sight, as the current call, unless the chain was retired in the meantime."""
        again = ast.Return(ast.Await(_call("again", "call", "payload")))
        closed = ast.UnaryOp(ast.Not(), _dotted("hooks", "open"))
        drop = _store("call", "values", ast.Tuple([], ast.Load()))
        handler = ast.ExceptHandler(_name("BaseException"), None, [drop, ast.Raise()])
        final = [_do(_call("leave", "call")), _do(_call("reset_current", "token"))]
        known = ast.Subscript(_name("tasks"), _dotted("services", "loop"), ast.Load())
        asked = ast.ExceptHandler(_name("KeyError"), None, [_store("call", "task", _call("present"))])
        before: list[ast.stmt] = [
            ast.Try([_store("call", "task", known)], [asked], [], []),
            _do(_call("enter", "call")),
            ast.If(closed, [_do(_call("leave", "call")), again], []),
            _assign("token", _call("set_current", "call")),
        ]
        surround = ast.Try(body, _at_line(1, [handler]), [], final)
        _at_line(len(self.shape.steps) + LINE_OF_FIRST_LINK, [*final])
        _at_line(1, before)
        return [*before, surround, _at_line(1, [ast.Return(_name("call"))])[0]]

    def stretches(self) -> Iterator[tuple[bool, Sequence[Step]]]:
        """Hops exist only where a chain is awaited."""
        if self.way.awaited:
            return runs(self.shape.steps)
        return ((False, (step,)) for step in self.shape.steps)

    def stretch(self, steps: Sequence[Step], *, hops: bool) -> list[ast.stmt]:
        """A hop, or one subscription."""
        return self.hop(steps) if hops else self.turn(steps[0])

    def before(self) -> list[ast.stmt]:
        """What comes first: a filter freezes its value, a leg says that it began."""
        made: list[ast.stmt] = []
        if self.way.leg:
            made += [_do(_call(_dotted("call", "begin")))]
            made += [_assign(name, _dotted("call", name)) for name in ("results", "took")]
        elif self.shape.is_filter:
            made += [_assign("frozen", _call("admit", "payload")), _assign("value", _name("payload"))]
        if any(step.condition and _reads_context(step.condition) for step in self.shape.steps):
            made.append(_assign("context", _dotted("call", "context")))
        if self.way.timed:
            made.append(ast.Assign([_target("begun"), _target("last")], _call("clock")))
        return made

    def after(self) -> list[ast.stmt]:
        """What comes last: the results are handed over."""
        made: list[ast.stmt] = []
        indexes = [step.index for step in self.shape.steps]
        if self.shape.is_filter and not self.way.leg:
            made.append(_store("call", "standing", _name("value")))
        if self.way.timed and not self.way.leg:
            stamps = [_name("begun"), *(_name(f"t{index}") for index in indexes)]
            made.append(_store("call", "stamps", _tuple(stamps)))
            keep = "keep_awaited" if self.way.awaited else "keep"
            made.append(_do(_call(keep, _dotted("call", "stamps"))))
        if not self.way.leg:
            constants = {step.index: step.constant for step in self.shape.steps}
            results = [_name(constants[index] or f"r{index}") for index in indexes]
            made.append(_store("call", "values", _tuple(results)))
        return made or [ast.Pass()]

    def turn(self, step: Step) -> list[ast.stmt]:
        """One subscription: nothing, a call, or a call under a condition."""
        if step.constant:
            return self.kept(step, _name(step.constant), ran=False)
        call = [*self.guarded(step), *self.taken(step)]
        if step.condition is None:
            return call
        return self.conditional(step, step.condition, call)

    def guarded(self, step: Step) -> list[ast.stmt]:
        """The call in its `try`."""
        index = ast.Constant(step.index)
        failed = "failed_awaited" if self.way.awaited else "failed"
        arguments = [_name("call"), index, _name("error"), _name(self.payload)]
        if self.way.timed:
            arguments.append(ast.BinOp(_call("clock"), ast.Sub(), _name("last")))
        over = ast.Compare(_dotted("call", "ended"), [ast.IsNot()], [ast.Constant(None)])
        handler = ast.ExceptHandler(
            _name("BaseException"),
            "error",
            [
                _assign(f"r{step.index}", ast.Call(_name(failed), arguments, [])),
                ast.If(over, self.leave(step), []),
            ],
        )
        return [ast.Try([*self.called(step)], [handler], [], [])]

    def called(self, step: Step) -> list[ast.stmt]:
        """The call itself and the look at the flag; of a filter also what makes its value the new one."""
        result = "returned" if self.shape.is_filter else f"r{step.index}"
        check = _do(_call("check", "call", ast.Constant(step.index)))
        made: list[ast.stmt] = [
            _assign(result, self.invocation(step)),
            ast.If(_dotted("call", "flag"), [check], []),
        ]
        return made + self.accepted(step) if self.shape.is_filter else made

    def invocation(self, step: Step) -> ast.expr:
        """How this way of running reaches this callee."""
        callee = _name(f"f{step.index}")
        argument: ast.expr = _call("thaw", "frozen") if self.shape.is_filter else _name("payload")
        if step.mode is not CallMode.ASYNC:
            return ast.Call(callee, [argument], [])
        if self.way.awaited:
            return ast.Await(ast.Call(callee, [argument], []))
        return ast.Call(_name("bridge"), [_name("call"), callee, argument], [])

    def accepted(self, step: Step) -> list[ast.stmt]:
        """A filter's value is restored where it must be, validated, frozen, and then stands."""
        made: list[ast.stmt] = []
        if self.shape.restores:
            made.append(_assign("returned", _call("restore", "returned", "value")))
        refused = ast.UnaryOp(ast.Not(), _call("fits", "returned"))
        made += [
            ast.If(refused, [ast.Raise(_call("refusal", "returned"))], []),
            _assign("frozen", _call("dumps", "returned", ast.Constant(None), "json_only")),
            ast.Assign([_target(f"r{step.index}"), _target("value")], _name("returned")),
        ]
        return made

    def taken(self, step: Step) -> list[ast.stmt]:
        """What is kept of a turn: its duration where timed, its result where it runs in a leg."""
        made: list[ast.stmt] = []
        if self.way.leg:
            made.append(_assign("now", _call("clock")))
            took = ast.BinOp(_name("now"), ast.Sub(), _name("last"))
            made += [_do(_call(_dotted("took", "append"), took)), _assign("last", _name("now"))]
        elif self.way.timed:
            made.append(ast.Assign([_target("last"), _target(f"t{step.index}")], _call("clock")))
        return made + self.kept(step, _name(f"r{step.index}"), ran=True)

    def kept(self, step: Step, result: ast.expr, *, ran: bool) -> list[ast.stmt]:
        """A leg keeps its results one by one; elsewhere a subscription that did not run has no time."""
        made: list[ast.stmt] = []
        if self.way.leg and not ran:
            made.append(_do(_call(_dotted("took", "append"), ast.Constant(None))))
        if self.way.leg:
            made.append(_do(_call(_dotted("results", "append"), result)))
        elif self.way.timed and not ran:
            made.append(_assign(f"t{step.index}", ast.Constant(None)))
        return made

    def conditional(self, step: Step, condition: Condition, call: list[ast.stmt]) -> list[ast.stmt]:
        """Evaluate, then call, or keep why not; `settled` gives None where the condition has no value."""
        settled = _call("settled", "call", ast.Constant(step.index), self.payload)
        catch = ast.ExceptHandler(_name("Exception"), None, [_assign("met", settled)])
        evaluated = ast.Try([_assign("met", condition.inline(self.payload, "context"))], [catch], [], [])
        counted = ast.Attribute(_name(f"k{step.index}"), "false", ast.Store())
        count = ast.Assign(
            [counted], ast.BinOp(_dotted(f"k{step.index}", "false"), ast.Add(), ast.Constant(1))
        )
        result = f"r{step.index}"
        failed = ast.Compare(_name("met"), [ast.Is()], [ast.Constant(None)])
        unmet = ast.If(
            failed,
            [_assign(result, _name("condition_failed"))],
            [count, _assign(result, _name("condition_false"))],
        )
        otherwise = [unmet, *self.kept(step, _name(result), ran=False)]
        return [evaluated, ast.If(_name("met"), call, otherwise)]

    def leave(self, step: Step | None = None) -> list[ast.stmt]:
        """The chain ends here; a leg keeps what its last subscription left."""
        if self.way.leg and step is not None:
            return [_do(_call(_dotted("results", "append"), f"r{step.index}")), ast.Return(None)]
        return [ast.Return(_call("collect", "call", ast.Call(_name("locals"), [], [])))]

    def hop(self, steps: Sequence[Step]) -> list[ast.stmt]:
        """A stretch of subscriptions in a thread, and their results as if they had run here."""
        start, stop = steps[0].index, steps[-1].index + 1
        state = ["value", "frozen"] if self.shape.is_filter else ["payload"]
        hop = _call("hop", "call", ast.Constant(start), ast.Constant(stop), *state)
        over = ast.Compare(_dotted("call", "ended"), [ast.IsNot()], [ast.Constant(None)])
        made: list[ast.stmt] = [_assign("leg", ast.Await(hop)), ast.If(over, self.leave(), [])]
        targets = _tuple([_name(f"r{step.index}") for step in steps], ast.Store())
        made.append(ast.Assign([targets], _dotted("leg", "results")))
        if self.shape.is_filter:
            made += [
                _assign("value", _dotted("leg", "standing")),
                _assign("frozen", _dotted("leg", "frozen")),
            ]
        if self.way.timed:
            made += [_assign(f"t{step.index}", ast.Constant(None)) for step in steps[:-1]]
            made.append(ast.Assign([_target("last"), _target(f"t{steps[-1].index}")], _call("clock")))
        return made


def _reads_context(condition: Condition) -> bool:
    inlined = condition.inline("payload", "context")
    return any(isinstance(node, ast.Name) and node.id == "context" for node in ast.walk(inlined))


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _target(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def _dotted(owner: str, attribute: str) -> ast.Attribute:
    return ast.Attribute(_name(owner), attribute, ast.Load())


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([_target(name)], value)


def _store(owner: str, attribute: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Attribute(_name(owner), attribute, ast.Store())], value)


def _tuple(items: list[ast.Name], context: ast.expr_context | None = None) -> ast.Tuple:
    """A tuple to read, or (with a context) to unpack into."""
    if context is None:
        return ast.Tuple(list(items), ast.Load())
    return ast.Tuple([ast.Name(item.id, context) for item in items], context)


def _call(function: str | ast.expr, *arguments: str | ast.expr) -> ast.Call:
    given = [_name(argument) if isinstance(argument, str) else argument for argument in arguments]
    return ast.Call(_name(function) if isinstance(function, str) else function, given, [])


def _do(expression: ast.expr) -> ast.stmt:
    return ast.Expr(expression)


def _at_line(line: int, statements: list[_Node], *, deep: bool = True) -> list[_Node]:
    """Give every node this line."""
    statement: ast.AST
    for statement in statements:
        nodes: Iterable[ast.AST] = ast.walk(statement) if deep else (statement, *_header(statement))
        for node in nodes:
            vars(node).update(lineno=line, end_lineno=line, col_offset=0, end_col_offset=0)
    return statements


def _header(statement: ast.AST) -> list[ast.AST]:
    """The parameters of a function."""
    arguments = getattr(statement, "args", None)
    return list(ast.walk(arguments)) if arguments is not None else []
