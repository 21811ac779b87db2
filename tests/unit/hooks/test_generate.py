"""The code of a chain: a syntax tree of known nodes, one line a subscription, no builtins but those it names."""

import ast
from types import CodeType

import pytest

from isp_plugins.contracts.calls import CallMode
from isp_plugins.hooks.condition import compile_condition
from isp_plugins.hooks.generate import Shape, Step, Way, runs, write
from support.hooks import make_engine, subscribe, subscription

WAYS = [
    Way(),
    Way(timed=True),
    Way(awaited=True),
    Way(awaited=True, timed=True),
    Way(timed=True, leg=True),
    Way(awaited=True, whole=True),
]
MODES = [CallMode.THREAD, CallMode.THREAD, CallMode.ASYNC, CallMode.INLINE, CallMode.THREAD]


def shape(*, is_filter=False, condition=None):
    steps = [Step(index, mode, condition) for index, mode in enumerate(MODES)]
    return Shape(steps, is_filter, restores=is_filter)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_filter", [True, False])
def test_every_way_compiles(way, is_filter):
    module = write(shape(is_filter=is_filter, condition=compile_condition("id == 1")), way)
    assert isinstance(compile(module, "<hook>", "exec"), CodeType)


def test_each_call_has_the_line_of_its_subscription():
    module = write(shape(), Way())
    lines = {
        node.func.id: node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and node.func.id[0] == "f" and node.func.id[1:].isdigit()
    }
    assert lines == {"f0": 2, "f1": 3, "f3": 5, "f4": 6}


def test_consecutive_plain_subscriptions_share_a_hop():
    steps = [Step(index, mode) for index, mode in enumerate(MODES)]
    assert [(hops, [step.index for step in part]) for hops, part in runs(steps)] == [
        (True, [0, 1]),
        (False, [2]),
        (False, [3]),
        (True, [4]),
    ]


def test_what_never_runs_does_not_cut_a_hop_in_two():
    steps = [
        Step(0, CallMode.INLINE, constant="inactive"),
        Step(1, CallMode.THREAD),
        Step(2, CallMode.INLINE, constant="inactive"),
        Step(3, CallMode.THREAD),
        Step(4, CallMode.INLINE, constant="event"),
    ]
    assert [(hops, [step.index for step in part]) for hops, part in runs(steps)] == [
        (False, [0]),
        (True, [1, 2, 3]),
        (False, [4]),
    ]


async def test_generated_code_has_no_builtins():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None))
    engine.dispatch_sync("own_hook", {})
    assert engine._chains["own_hook"].slow.__globals__["__builtins__"] == {}
