"""Runs one admitted call: its chain, timed or not, with the events before and after it."""

import asyncio
import time
from typing import Any

from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.hooks import Event
from isp_plugins.contracts.vocabulary import DispatchStatus, OutcomeStatus, SkipReason, SubscriptionType
from isp_plugins.hooks import emission
from isp_plugins.hooks.admission import begin, expire
from isp_plugins.hooks.calls import DispatchResult
from isp_plugins.hooks.chain import BETWEEN_TIMED_AWAITED, HookChain
from isp_plugins.hooks.marks import SKIPS, Failure, Skip
from isp_plugins.hooks.outcomes import Outcome, outcome_of, seconds
from isp_plugins.hooks.snapshot import Snapshot
from isp_plugins.hooks.ticker import TICKER

WITHHELD = {DispatchStatus.REJECTED, DispatchStatus.STOPPED}


def timed(hooks: HookChain, call: DispatchResult, payload: Any) -> None:
    """Run the chain with every call timed."""
    hooks.count_timed()
    hooks.slow(call, payload)
    if hooks.debug:
        tell_invoked(call)


async def timed_awaited(hooks: HookChain, call: DispatchResult, payload: Any) -> None:
    """Await the chain with every call timed."""
    hooks.count_timed(BETWEEN_TIMED_AWAITED)
    coroutine = call.coroutine = hooks.aio_timed(call, payload)
    await coroutine
    if hooks.debug:
        tell_invoked(call)


def run(call: DispatchResult, payload: Any) -> DispatchResult:
    """Run a call that is in the ticker's sight, and take it out again."""
    token = current_call.set(call)
    try:
        if not call.hook_chain.events:
            try:
                _chain(call, payload)
            finally:
                _close(call)
        elif emission.comes_first(call):
            prepared = emission.prepare_first(call, payload)
            event_id = emission.write(call, prepared)
            try:
                _chain(call, payload)
            finally:
                _end(call, prepared, event_id)
        else:
            try:
                _chain(call, payload)
            finally:
                last = _final(call)
                if last is not None:
                    emission.release(call, last, emission.write(call, last))
    finally:
        TICKER.live.discard(call)
        current_call.reset(token)
    return call


def _chain(call: DispatchResult, payload: Any) -> None:
    """The chain itself, unless the deadline passed at a gate."""
    hooks = call.hook_chain
    if getattr(call, "ended", None) is not None:
        expire(call)
    elif call.more.traced or hooks.left <= 0:
        timed(hooks, call, payload)
    else:
        hooks.left -= 1
        hooks.fast(call, payload)


async def run_awaited(call: DispatchResult, payload: Any) -> DispatchResult:
    """Await a call that is in the ticker's sight, and take it out again."""
    token = current_call.set(call)
    try:
        if not call.hook_chain.events:
            try:
                await _chain_awaited(call, payload)
            finally:
                _close(call)
        elif emission.comes_first(call):
            prepared = emission.prepare_first(call, payload)
            event_id = await _written(call, prepared)
            try:
                await _chain_awaited(call, payload)
            finally:
                _end(call, prepared, event_id)
        else:
            try:
                await _chain_awaited(call, payload)
            finally:
                last = _final(call)
                if last is not None:
                    event_id = await emission.write_awaited(call, last)
                    emission.release(call, last, event_id)
    finally:
        TICKER.live.discard(call)
        current_call.reset(token)
    return call


async def _chain_awaited(call: DispatchResult, payload: Any) -> None:
    """The chain itself, unless the deadline passed at a gate."""
    hooks = call.hook_chain
    if getattr(call, "ended", None) is not None:
        expire(call)
    elif call.more.traced or hooks.left <= 0:
        await timed_awaited(hooks, call, payload)
    else:
        hooks.left -= 1
        coroutine = call.coroutine = hooks.aio(call, payload)
        await coroutine


async def _written(call: DispatchResult, prepared: emission.Prepared) -> int | None:
    """Write the event while the deadline cancels nobody: it counts again when the chain begins."""
    task, call.task = call.task, None
    try:
        return await emission.write_awaited(call, prepared)
    finally:
        call.task = task


def _end(call: DispatchResult, prepared: emission.Prepared, event_id: int | None) -> None:
    """Release what was written before the chain, however that ended."""
    _close(call)
    emission.release(call, prepared, event_id)


def _final(call: DispatchResult) -> emission.Prepared | None:
    """What is owed now that the value is final; None where the dispatch was rejected, stopped or broken off."""
    if not _close(call) or call.status in WITHHELD:
        emission.withhold(call)
        return None
    return emission.prepare(call, call.value if call.hook_chain.is_filter else call.more.payload)


def _close(call: DispatchResult) -> bool:
    """Let it be finished; whether its chain came to its end."""
    if call.finished:
        return True
    call.values = ()
    return False


def tell_invoked(call: DispatchResult) -> None:
    """Tell the observer of every call into a plugin at DEBUG."""
    for index, value in enumerate(call.values):
        link = call.hook_chain.links[index]
        if not link.subscription.debug or type(value) is Skip or link.static or link.is_event:
            continue
        status = value.status if type(value) is Failure else OutcomeStatus.OK
        took = seconds(call, index)
        call.hook_chain.services.tell_invoked(
            link.subscription, call.request_id, (took or 0.0) * 1000, str(status)
        )


async def deliver(snapshot: Snapshot, event: Event) -> Outcome:
    """Call the event's subscription; skipped where its plugin does not run any more, or is not called now."""
    while True:
        chain = snapshot.deliveries.get(event.subscription_id)
        gate = snapshot.gate_of_event(event.subscription_id)
        call = _delivery(chain, event) if chain is not None else None
        if gate is not None:
            patience = call.deadline if call is not None else time.monotonic() + 30.0
            if await gate.wait(patience):
                continue
            return _nobody(event)
        if call is None:
            return _held_back(snapshot, event) or _nobody(event)
        TICKER.live.add(call)
        if not call.hook_chain.retired:
            await run_awaited(call, event.payload)
            return call.outcomes[0]
        TICKER.live.discard(call)


def _delivery(chain: HookChain, event: Event) -> DispatchResult:
    """The call of one delivery, which goes on where the dispatch's chain of plugins ended."""
    call = begin(chain, event.context, event.request_id, None)
    call.more.names = event.chain
    call.arm(time.monotonic() + call.limit)
    call.task = asyncio.current_task()
    call.more.baseline = call.task.cancelling() if call.task else None
    return call


def _held_back(snapshot: Snapshot, event: Event) -> Outcome | None:
    """The outcome of an event whose plugin's circuit breaker is open."""
    link = snapshot.held_back(event.subscription_id)
    return None if link is None else outcome_of(link, SKIPS[SkipReason.BREAKER_OPEN], None)


def _nobody(event: Event) -> Outcome:
    """The outcome of an event whose subscription is gone, or does not run here now."""
    return Outcome(
        subscription_id=event.subscription_id,
        plugin_id=0,
        plugin="",
        method="",
        type=SubscriptionType.EVENT,
        priority=0,
        status=OutcomeStatus.SKIPPED,
        skip_reason=SkipReason.PLUGIN_STOPPED,
    )
