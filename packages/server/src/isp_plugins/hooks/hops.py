"""Takes consecutive plain subscriptions of an awaited chain through one hop into a daemon thread.

1. Past a deadline the thread is abandoned: it runs nothing further, and the engine goes on without it.
2. Which subscription hung is the one after the last that left a result; if no thread took the leg up in time, none did.
3. Past a subscription's own deadline the rest of the leg goes on in another thread; past the dispatch's, the dispatch ends.
"""

import asyncio
from typing import Any

from isp_plugins.contracts.vocabulary import DispatchStatus
from isp_plugins.hooks.calls import Call, Leg
from isp_plugins.hooks.filters import freeze
from isp_plugins.hooks.incidents import failed, foreign, too_late
from isp_plugins.hooks.marks import Failure, Skip

State = tuple[Any, ...]
"""What a leg is called with: the payload; of a filter the value and its JSON."""


class Work:
    """A leg as a thread runs it; `owner` is the plugin that the thread is counted against if it is abandoned."""

    __slots__ = ("_leg", "_state")

    def __init__(self, leg: Leg, *state: Any) -> None:
        self._leg = leg
        self._state = state

    @property
    def owner(self) -> int:
        """The plugin's id."""
        return self._leg.owner

    def __call__(self) -> None:
        """Run the leg, unless it was abandoned while it waited for a thread."""
        leg = self._leg
        if not leg.abandoned:
            leg.hook_chain.leg(leg.first, leg.stop)(leg, *self._state)


async def hop(call: Call, start: int, stop: int, *state: Any) -> Leg:
    """Run the subscriptions from `start` to before `stop` in a thread; the leg holds their results, `call.ended` how they ended."""
    whole = Leg(call, start, stop, 0)
    call.ended = None
    while True:
        leg = Leg(call, start, stop, call.hook_chain.links[start].subscription.plugin_id)
        results, state = await _ride(call, leg, state)
        whole.results += results
        call.ended, call.why = leg.ended, leg.why
        start += len(results)
        if call.ended is not None or start >= stop:
            if call.hook_chain.is_filter:
                whole.standing, whole.frozen = state
            return whole


async def _ride(call: Call, leg: Leg, state: State) -> tuple[list[Any], State]:
    """One thread's part of a leg: what its subscriptions left, the one that hung included, and the state after them."""
    services = call.hook_chain.services
    work = Work(leg, *state)
    call.leg = leg
    if call.flag:
        leg.flag = True
    try:
        await services.threads.run(work, owner=leg.owner)
        results = leg.results
    except asyncio.CancelledError:
        leg.abandoned = leg.flag = True
        if foreign(call):
            raise
        if not leg.started:
            leg.ended = DispatchStatus.TIMED_OUT
            results = []
        else:
            results = _abandon(call, leg, state[0])
    finally:
        call.leg = None
    _keep_durations(call, leg, len(results))
    return results, _state_after(call, results, state)


def _state_after(call: Call, results: list[Any], state: State) -> State:
    """Of a filter, the value that the last one left; told by the results, since an abandoned thread may still write to its leg."""
    if not call.hook_chain.is_filter:
        return state
    accepted = [result for result in results if type(result) is not Skip and type(result) is not Failure]
    return (accepted[-1], freeze(call.hook, accepted[-1])) if accepted else state


def _abandon(call: Call, leg: Leg, payload: Any) -> list[Any]:
    """Go on without the thread: its present subscription is timed out."""
    results = list(leg.results)
    at = leg.first + len(results)
    if at >= leg.stop:  # it came to its end after all
        return results
    chain = call.hook_chain
    subscription = chain.links[at].subscription
    leg.owner = subscription.plugin_id
    results.append(failed(call, at, too_late(call, at), payload))
    leg.ended, leg.why = call.ended, call.why
    count = chain.services.threads.abandon(leg.owner)
    chain.services.tell_abandoned(leg.owner, count)
    return results


def _keep_durations(call: Call, leg: Leg, count: int) -> None:
    """What crosses a thread is always timed."""
    timed = enumerate(leg.took[:count], leg.first)
    for index, seconds in timed:
        if seconds is not None:
            call.more.took[index] = seconds
            call.hook_chain.links[index].counters.keep((seconds,))
