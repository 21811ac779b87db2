"""Rule 1: priority ascending, ties by plugin name, then method; never by load order."""

import itertools

import pytest

from support.hooks import make_engine, subscribe, subscription, summary

ORDERED = ["first", "early", "late", "middle"]


def test_lower_priority_runs_first():
    engine, seen = make_engine(), []
    subscribe(
        engine,
        subscription("alpha", lambda _: seen.append("alpha"), priority=200),
        subscription("beta", lambda _: seen.append("beta"), priority=10),
    )
    engine.dispatch_sync("own_hook", {})
    assert seen == ["beta", "alpha"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_order_does_not_depend_on_load_order(order):
    engine = make_engine()
    plugins = [("first", 5), ("early", 100), ("late", 100), ("middle", 100)]
    for index in order:
        name, priority = plugins[index]
        subscribe(engine, subscription(name, lambda _: None, priority=priority))
    result = engine.dispatch_sync("own_hook", {})
    assert [one.plugin for one in result.outcomes] == ORDERED


def test_ties_of_one_plugin_are_broken_by_method():
    engine = make_engine()
    subscribe(
        engine,
        subscription("alpha", lambda _: None, method="zulu"),
        subscription("alpha", lambda _: None, method="bravo"),
    )
    result = engine.dispatch_sync("own_hook", {})
    assert [one.method for one in result.outcomes] == ["bravo", "zulu"]


async def test_awaited_dispatch_keeps_the_order_across_ways_of_calling():
    engine, seen = make_engine(), []

    async def awaited(payload):
        seen.append("c")

    subscribe(
        engine,
        subscription("b", lambda _: seen.append("b"), mode="thread"),
        subscription("d", lambda _: seen.append("d"), mode="thread"),
        subscription("c", awaited),
        subscription("a", lambda _: seen.append("a")),
    )
    result = await engine.dispatch("own_hook", {})
    assert (seen, summary(result)) == (["a", "b", "c", "d"], ["a: ok", "b: ok", "c: ok", "d: ok"])
