"""The events of a dispatch: what its event subscriptions are owed, made at the right moment and offered to the sink.

1. Action hook: conditions are evaluated and the payload is copied before its actions run; the events are released when the
   dispatch ends, however it ends.
2. Filter or veto hook: all of that after the dispatch, with the final value, and never when it was rejected or stopped.
3. An event that the sink does not take is counted and told in the result.
"""

from collections.abc import Mapping
from typing import Any

from isp_plugins.contracts.hooks import Event
from isp_plugins.contracts.vocabulary import DispatchStatus, SkipReason
from isp_plugins.hooks.calls import Call
from isp_plugins.hooks.counters import COUNTING
from isp_plugins.hooks.filters import freeze, thaw
from isp_plugins.hooks.incidents import tell_condition
from isp_plugins.hooks.marks import SKIPS, Skip
from isp_plugins.hooks.outcomes import AFTER

Prepared = Mapping[int, Event | Skip]


def comes_first(call: Call) -> bool:
    """Whether this hook's events are written before its subscriptions run."""
    chain = call.hook_chain
    return not (chain.is_filter or chain.spec.veto)


def prepare(call: Call, payload: Any) -> Prepared:
    """The event of each event subscription whose condition is true now, or why there is none."""
    chain = call.hook_chain
    if not chain.events:
        return {}
    frozen = freeze(chain.hook, payload)
    request_id, context = call.request_id, dict(call.context)
    prepared: dict[int, Event | Skip] = {}
    for index in chain.events:
        skip = _unmet(call, index, payload)
        prepared[index] = skip or Event(
            chain.links[index].subscription.id, chain.hook, thaw(frozen), request_id, context, call.chain
        )
    return prepared


def _unmet(call: Call, index: int, payload: Any) -> Skip | None:
    """Why an event subscription gets nothing of this payload."""
    condition = call.hook_chain.links[index].condition
    if condition is None:
        return None
    try:
        met = condition.evaluate(payload, call.context)
    except Exception as error:
        tell_condition(call, index, error)
        return SKIPS[SkipReason.CONDITION_FAILED]
    return None if met else SKIPS[SkipReason.CONDITION_FALSE]


def release(call: Call, prepared: Prepared) -> None:
    """Offer the events, and keep for the result what became of each."""
    events = {index: event for index, event in prepared.items() if isinstance(event, Event)}
    answers = call.hook_chain.services.events.offer(tuple(events.values())) if events else ()
    queued: dict[int, Skip | None] = {
        index: skip for index, skip in prepared.items() if isinstance(skip, Skip)
    }
    for index, answer in zip(events, answers, strict=True):
        queued[index] = SKIPS[answer] if answer else None
    for index, mark in queued.items():
        _count(call, index, mark)
    call.more.queued = queued


def withhold(call: Call) -> None:
    """No events: the dispatch was rejected or stopped."""
    mark = AFTER[call.ended or DispatchStatus.STOPPED]
    call.more.queued = dict.fromkeys(call.hook_chain.events, mark)
    for index in call.hook_chain.events:
        _count(call, index, mark)


def _count(call: Call, index: int, mark: Skip | None) -> None:
    counters = call.hook_chain.links[index].counters
    with COUNTING:
        if mark is None:
            counters.queued += 1
        elif mark.reason is not SkipReason.CONDITION_FAILED:  # counted when it failed
            counters.unqueued[mark.reason] += 1
