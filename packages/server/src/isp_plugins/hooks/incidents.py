"""The functions that a chain's code calls when a turn is not ordinary: it failed, was too late, or had no condition's value.

1. A real cancellation of the caller's task goes through; one that the deadline made is a time-out; one that a plugin raised by
   itself is its error.
2. What happens in an abandoned thread counts for nobody any more.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from isp_plugins.contracts.vocabulary import DispatchStatus, OutcomeStatus, SkipReason
from isp_plugins.hooks.calls import Call, Leg, Run
from isp_plugins.hooks.counters import COUNTING
from isp_plugins.hooks.engine_errors import (
    BreakerOpenError,
    CallAbandonedError,
    CallStoppedError,
    CallTimedOutError,
    WorkerDownError,
)
from isp_plugins.hooks.marks import SKIPS, Failure, Skip
from isp_plugins.hooks.outcomes import AFTER
from isp_plugins.hooks.verdicts import verdict

_SKIPPED: Mapping[type[BaseException], SkipReason] = {
    CallStoppedError: SkipReason.PLUGIN_STOPPED,
    BreakerOpenError: SkipReason.BREAKER_OPEN,
    WorkerDownError: SkipReason.WORKER_DOWN,
}
"""What stand-ins raise in place of a plugin that is not called."""
CONDITION_REPORT_S = 60.0
"""A failing condition is told at most once in so many seconds."""


def check(run: Run, index: int) -> None:
    """Look why the flag is set: raises where this subscription was too late."""
    if run.abandoned:
        raise CallAbandonedError
    more = run.whole.more
    if more.late or more.overdue == index:
        raise too_late(run, index)
    run.flag = False
    run.flag = more.late  # the ticker may have set it in between


def too_late(run: Run, index: int) -> CallTimedOutError:
    """The error of a subscription past its own deadline, or past the dispatch's."""
    subscription = run.hook_chain.links[index].subscription
    limit = run.whole.limit * 1000
    if run.whole.more.overdue == index and subscription.timeout_ms is not None:
        limit = min(limit, subscription.timeout_ms)
    return CallTimedOutError(
        plugin=subscription.plugin_name, method=subscription.method, hook=run.hook_chain.hook, limit_ms=limit
    )


def failed(
    run: Run, index: int, error: BaseException, payload: Any, seconds: float | None = None
) -> Skip | Failure:
    """Keep and tell what a subscription raised; sets `ended` where the dispatch ends with it."""
    run.ended = None
    if run.abandoned:
        run.ended = DispatchStatus.TIMED_OUT
        return SKIPS[SkipReason.AFTER_DEADLINE]
    link = run.hook_chain.links[index]
    skipped = _SKIPPED.get(type(error))
    if skipped is not None:
        link.counters.skip(skipped)
        return SKIPS[skipped]
    found = verdict(run.hook_chain.spec, link.subscription, error)
    run.ended, run.why = found.ends, found.why
    if run.flag:
        run.flag = False
        run.flag = run.whole.more.late  # the ticker may have set it in between
        if run.ended is None and run.flag:
            run.ended = DispatchStatus.TIMED_OUT
    _record(run, index, found.status, error, payload, seconds)
    return Failure(found.status, error)


def _record(  # noqa: PLR0917  what `failed` was called with
    run: Run, index: int, status: OutcomeStatus, error: BaseException, payload: Any, seconds: float | None
) -> None:
    """Count the failure and tell the observer; a rejection is a decision and is only counted."""
    link, services = run.hook_chain.links[index], run.hook_chain.services
    counters = link.counters
    with COUNTING:
        if status is OutcomeStatus.REJECTED:
            counters.rejects += 1
            return
        if status is OutcomeStatus.TIMED_OUT:
            counters.timeouts += 1
        else:
            counters.errors += 1
        counters.last_error = f"{type(error).__name__}: {error}"
        counters.failed_at = services.clock.now().timestamp()
    milliseconds = None if seconds is None else seconds * 1000
    services.tell_failure(run.whole, link.subscription, error, payload, milliseconds)


def failed_awaited(
    call: Call, index: int, error: BaseException, payload: Any, seconds: float | None = None
) -> Skip | Failure:
    """The same for an awaited chain, where the error may be the caller's own cancellation."""
    if isinstance(error, GeneratorExit) and _closing(call):
        raise error
    if isinstance(error, asyncio.CancelledError):
        if foreign(call):
            raise error
        if call.more.late or call.more.overdue == index:
            error = too_late(call, index)
    elif call.more.cancels:  # the plugin swallowed the cancellation
        foreign(call)
    return failed(call, index, error, payload, seconds)


def foreign(call: Call) -> bool:
    """Take back the deadline's own cancellations; whether the task was cancelled by somebody else too."""
    task = asyncio.current_task()
    if task is None:
        return False
    more = call.more
    ours, more.cancels = more.cancels, 0
    left = task.cancelling()
    for _ in range(ours):
        left = task.uncancel()
    return left > (more.baseline or 0)


def _closing(call: Call) -> bool:
    """Whether the coroutine is being closed from outside instead of running in its task."""
    try:
        return asyncio.current_task() is not call.task
    except RuntimeError:
        return True


def settled(run: Run, index: int, payload: Any) -> bool | None:
    """The exact value of a condition that the inlined one could not tell; None where it has none, which counts as false."""
    chain = run.hook_chain
    condition = chain.links[index].condition
    if condition is None:
        return True
    try:
        return condition.settle(payload, run.whole.context)
    except Exception as error:
        tell_condition(run, index, error)
        return None


def tell_condition(run: Run, index: int, error: Exception) -> None:
    """Count a condition without a value; the observer hears of it at most once a minute per subscription."""
    chain = run.hook_chain
    link = chain.links[index]
    now = chain.services.clock.monotonic()
    with COUNTING:
        skips = link.counters.unqueued if link.is_event else link.counters.skips
        skips[SkipReason.CONDITION_FAILED] += 1
        told = link.counters.reported_at
        if told is not None and now - told < CONDITION_REPORT_S:
            return
        link.counters.reported_at = now
    chain.services.tell_condition(link.subscription, error, run.whole.request_id)


def collect(call: Call, names: Mapping[str, Any]) -> Call:
    """Gather the results of a chain that ended early from its locals, and count what had no turn."""
    links = call.hook_chain.links
    leg: Leg | None = names.get("leg")
    values: list[Any] = []
    standing = names.get("value")
    for index in range(len(links)):
        if f"r{index}" in names:
            values.append(names[f"r{index}"])
        elif leg is not None and leg.results and leg.first == index:
            values += leg.results
            standing = leg.standing
            break
        elif (constant := links[index].static) is not None or links[index].is_event:
            values.append(constant)
        else:
            break
    call.standing = standing
    if "begun" in names:
        stamps = [names.get(f"t{index}") for index in range(len(links))]
        if values:  # the one that ended it
            stamps[len(values) - 1] = time.perf_counter()
        call.stamps = (names["begun"], *stamps)
    call.values = tuple(values)
    count_rest(call, len(values))
    return call


def count_rest(call: Call, start: int) -> None:
    """Count the subscriptions that an early end left without a turn."""
    mark = AFTER[call.ended or DispatchStatus.STOPPED]
    for link in call.hook_chain.links[start:]:
        if link.static is None and not link.is_event:
            link.counters.skip(mark.reason)
