"""Random programs give the same trace in the engine as in a simple reference model, whatever the load order."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isp_plugins.contracts.calls import CallMode
from support.hook_model import AWAITED, OFF_LOOP, ON_LOOP, Does, Model, Play, plain_only
from support.hooks import FILTER, VETO

PLUGINS = ["alpha", "bravo", "carol", "delta", "echo"]
HOOKS = ["own_hook", FILTER, VETO, "last_hook"]
"""A hook is dispatched only by methods on an earlier one: recursion has a test of its own."""
DEEDS = ["return", "return", "return", "raise", "raise", "exit", "reject", "recurse", "drop", "add", "hang"]


@st.composite
def subscriptions(draw):
    hook = draw(st.sampled_from(HOOKS))
    deed = draw(
        st.sampled_from(DEEDS if hook != HOOKS[-1] else [deed for deed in DEEDS if deed != "recurse"])
    )
    later = HOOKS[HOOKS.index(hook) + 1 :]
    target = draw(st.sampled_from(later if deed == "recurse" else PLUGINS))
    one = Does(
        plugin=draw(st.sampled_from(PLUGINS)),
        hook=hook,
        deed=deed,
        mode=draw(st.sampled_from(list(CallMode))),
        target=target,
        priority=draw(st.sampled_from([50, 100, 100, 200])),
        at_least=draw(st.sampled_from([None, None, 1, 3])),
        stops=draw(st.booleans()),
        active=draw(st.sampled_from([True, True, True, False])),
        event=draw(st.sampled_from([False, False, False, True])) and hook in {"own_hook", "last_hook"},
    )
    return plain_only(one)


def distinct(one):
    return one.plugin, one.hook, one.deed


programs = st.lists(subscriptions(), min_size=1, max_size=9, unique_by=distinct)
dispatches = st.lists(
    st.tuples(st.sampled_from(HOOKS), st.integers(0, 3), st.sampled_from([AWAITED, OFF_LOOP, ON_LOOP])),
    min_size=1,
    max_size=4,
)


async def play(program, steps, order):
    game = Play(program, order)
    try:
        return [await game.dispatch(*step) for step in steps], game.trace
    finally:
        game.over.set()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=programs, steps=dispatches, order=st.permutations(PLUGINS))
def test_engine_does_what_the_model_says(program, steps, order):
    model = Model(program)
    expected = [model.dispatch(*step) for step in steps]
    results, trace = asyncio.run(play(program, steps, order))
    assert results == expected
    assert trace == model.trace
