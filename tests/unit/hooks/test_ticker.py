"""The ticker: parks when nothing runs, wakes with the next dispatch, and is one thread for all engines."""

import threading

from isp_plugin_sdk.context import current_call
from isp_plugins.hooks.ticker import PARKED, TICKER
from support.hooks import make_engine, subscribe, subscription


def ticking():
    return [thread for thread in threading.enumerate() if thread.name == "isp-plugins-ticker"]


def test_one_thread_serves_all_engines():
    for _ in range(3):
        engine = make_engine()
        subscribe(engine, subscription("a", lambda _: None))
        engine.dispatch_sync("own_hook", {})
    assert len(ticking()) == 1
    assert ticking()[0].daemon


def test_parked_ticker_is_found_and_woken_by_the_next_dispatch():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: 1))
    TICKER._park()
    if not TICKER.parked:  # another test's dispatch is still running
        return
    assert current_call.inline is PARKED
    assert current_call.get() is None
    assert engine.dispatch_sync("own_hook", {}).outcomes[0].value == 1
    assert not TICKER.parked
    assert current_call.inline is None


def test_ticker_does_not_park_while_something_runs():
    engine, parked = make_engine(), []

    def look(_):
        parked.append(TICKER._park())

    subscribe(engine, subscription("a", look))
    engine.dispatch_sync("own_hook", {})
    engine.dispatch_sync("own_hook", {})
    assert parked == [False, False]


def test_ended_dispatches_are_not_watched():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None))
    result = engine.dispatch_sync("own_hook", {}, trace=True)
    assert result not in TICKER.live
